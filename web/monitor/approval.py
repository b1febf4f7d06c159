"""What a run asks a person: the plan to approve, what to do about failures, whether a budget is raised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from nicegui import ui

from matrioska.i18n import _, figure, told
from matrioska.web.monitor.draft import Draft, Drafts
from matrioska.web.monitor.editor import PlanEditor
from matrioska.web.monitor.page import attempt, facts, section, text
from matrioska.web.monitor.words import state_word
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import RunView

_drafts: WeakKeyDictionary[Desk, Drafts] = WeakKeyDictionary()
_LIMITS = ("budget_tokens", "budget_cost", "timeout")


def approval_panel(desk: Desk, thread: str, view: RunView) -> None:
    """Build the question that a run waits with, and the ways to answer it; nothing where it asks nothing.

    The edits of a plan are kept by the service until the question is answered.

    Args:
        desk: what the answer goes to.
        thread: the run.
        view: the run as it stands.
    """
    if view.question is None:
        return
    build = {"approval": _approval, "failures": _failures, "budget": _budget}.get(view.waiting)
    if build is not None:
        build(_Answering(desk, thread, str(view.question.get("id", ""))), view.question)


class _Answering:
    """The way back to the run: one answer, given once.

    Attributes:
        buttons: what answers; still while an answer is on its way.
    """

    def __init__(self, desk: Desk, thread: str, question: str) -> None:
        self.desk = desk
        self.thread = thread
        self.question = question
        self.buttons: list[ui.button] = []
        self._done = False

    def drafts(self) -> Drafts:
        """Return where drafts of plans are kept."""
        return _drafts.setdefault(self.desk, Drafts())

    def button(self, words: str, testid: str, act: Callable[[], Any], props: str = "outline") -> ui.button:
        """Add a button that answers."""
        made = ui.button(words, on_click=act).props(f"{props} no-caps")
        made.props["data-testid"] = testid
        self.buttons.append(made)
        return made

    async def give(self, kind: str, message: str = "", args: dict[str, Any] | None = None) -> None:
        """Answer. What fails can be tried again."""
        if self._done:
            return
        self._done = True
        for each in self.buttons:
            each.disable()
        decision: dict[str, Any] = {"type": kind}
        if message:
            decision["message"] = message
        if args is not None:
            decision["args"] = args
        if await attempt(self.desk.answer(self.thread, {"decisions": [decision]}, self.question)):
            self.drafts().drop(self.thread)
            ui.notify(_("Answered. The run goes on."), type="positive")
            return
        self._done = False
        for each in self.buttons:
            each.enable()


def _approval(answering: _Answering, question: dict[str, Any]) -> None:
    plan = _args(question).get("architecture") or {}
    with section(_("The plan waits for you")):
        _say(question)
        draft = answering.drafts().of(answering.thread, plan)
        editor = _editor(answering, draft)
        with ui.element("div").classes("tools answers"):
            approve = answering.button("", "approve-button", lambda: _approve(answering, editor), "unelevated")
            _with_words(answering, _("Say what to change"), "respond", _("A new plan is made by your words."))
            _refuse(answering, _("Refuse"), _("Refuse the plan, and end the run?"))
            undo = ui.button(_("Undo all edits"), on_click=lambda: _undo(editor)).props("flat no-caps")
            undo.props["data-testid"] = "plan-undo"
        text(_("You can leave this page: the run waits, and your edits are kept."), classes="dim")

        def show() -> None:
            approve.text = _("Approve as edited") if draft.is_edited else _("Approve")
            approve.set_enabled(not editor.complaints)
            undo.set_visibility(draft.is_edited)

        editor.on_checked = show
        show()


def _editor(answering: _Answering, draft: Draft) -> PlanEditor:
    return PlanEditor(draft, partial(answering.desk.check_plan, thread=answering.thread))


async def _approve(answering: _Answering, editor: PlanEditor) -> None:
    # What was typed a moment ago may not be checked yet.
    await editor.check_now()
    if editor.complaints or not editor.is_checked:
        return
    if editor.draft.is_edited:
        await answering.give("edit", args=editor.draft.plan)
    else:
        await answering.give("approve")


def _undo(editor: PlanEditor) -> None:
    editor.draft.undo()
    editor.repaint()
    editor.changed()


def _failures(answering: _Answering, question: dict[str, Any]) -> None:
    args = _args(question)
    broken = args.get("modules") or {}
    with section(_("Modules failed")):
        _say(question)
        with ui.element("ul").classes("list"):
            for module, result in broken.items():
                text(f"{module}: {_why(result)}", "li")
        draft = answering.drafts().of(answering.thread, args.get("architecture") or {})
        with ui.expansion(_("Edit the plan")).classes("fold").props("data-testid=plan-fold"):
            editor = _editor(answering, draft)
        with ui.element("div").classes("tools answers"):
            retry = answering.button("", "retry-button", lambda: _approve(answering, editor), "unelevated")
            _with_words(answering, _("Try again with a hint"), "respond", _("The modules that failed are told this."))
            answering.button(_("Go on without them"), "skip-button", lambda: answering.give("reject"))

        def show() -> None:
            retry.text = _("Try again as edited") if draft.is_edited else _("Try again")
            retry.set_enabled(not editor.complaints)

        editor.on_checked = show
        show()


def _why(result: Any) -> str:
    if not isinstance(result, dict):
        return ""
    error, blocked = result.get("error"), result.get("blocked_by")
    if isinstance(error, dict):
        return told(str(error.get("message", "")))
    if isinstance(blocked, list) and blocked:
        return _("it waits for {modules}").format(modules=", ".join(map(str, blocked)))
    return told(str(error)) if error else state_word(str(result.get("status", "")))


def _budget(answering: _Answering, question: dict[str, Any]) -> None:
    args = _args(question)
    labels = {"budget_tokens": _("Tokens"), "budget_cost": _("US dollars"), "timeout": _("Seconds")}
    with section(_("The budget is used up")):
        _say(question)
        spent = args.get("spent") or {}
        names = {"tokens": labels["budget_tokens"], "cost": labels["budget_cost"], "seconds": labels["timeout"]}
        names["calls"] = _("Calls to models")
        numbers = {name: value for name, value in spent.items() if isinstance(value, int | float)}
        facts([(names.get(name, name), _amount(value)) for name, value in numbers.items()])
        fields = {}
        with ui.element("div").classes("fields"):
            for name in _LIMITS:
                field = ui.number(labels[name], value=args.get(name), min=0).props("dense outlined").classes("field")
                field.props["data-testid"] = f"limit-{name.replace('_', '-')}"
                fields[name] = field

        async def raise_limits() -> None:
            limits = {name: field.value for name, field in fields.items() if field.value is not None}
            if isinstance(tokens := limits.get("budget_tokens"), float):
                limits["budget_tokens"] = int(tokens)
            changed = {name: value for name, value in limits.items() if value != args.get(name)}
            await (answering.give("edit", args=changed) if changed else answering.give("approve"))

        with ui.element("div").classes("tools answers"):
            answering.button(_("Allow as much again"), "raise-button", lambda: answering.give("approve"), "unelevated")
            answering.button(_("Set these limits"), "limits-button", raise_limits)
            _refuse(answering, _("End here"), _("End the run with what there is?"))


def _amount(number: float) -> str:
    """Return what was spent: whole numbers as they are, others as exactly as a person compares them with a limit."""
    whole = number == int(number)
    return figure(number, 0 if whole else 4 if number < 1 else 1)


# -- parts that questions share ------------------------------------------------------------


def _args(question: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked about."""
    requests = question.get("action_requests")
    first = requests[0] if isinstance(requests, list) and requests else {}
    args = first.get("args") if isinstance(first, dict) else None
    return args if isinstance(args, dict) else {}


def _say(question: dict[str, Any]) -> None:
    """Say what is asked, and what was wrong with the last answer."""
    requests = question.get("action_requests")
    if isinstance(requests, list) and requests and isinstance(requests[0], dict):
        text(told(str(requests[0].get("description", ""))))
    for complaint in question.get("complaints") or []:
        text(told(str(complaint)), classes="warn")


def _with_words(answering: _Answering, title: str, kind: str, hint: str) -> None:
    with ui.dialog() as dialog, ui.card().classes("ask"):
        text(title, "h2")
        words = ui.textarea(placeholder=hint).props("outlined autogrow autofocus").classes("field wide")
        words.props["aria-label"] = title
        words.props["data-testid"] = f"{kind}-text"

        async def send() -> None:
            if not (said := (words.value or "").strip()):
                return
            dialog.close()
            await answering.give(kind, said)

        with ui.element("div").classes("tools"):
            answering.button(_("Send"), f"{kind}-send", send, "unelevated")
            ui.button(_("Cancel"), on_click=dialog.close).props("flat no-caps")
    answering.button(title, f"{kind}-button", dialog.open)


def _refuse(answering: _Answering, title: str, asked: str) -> None:
    with ui.dialog() as dialog, ui.card().classes("ask"):
        text(asked)

        async def refuse() -> None:
            dialog.close()
            await answering.give("reject")

        with ui.element("div").classes("tools"):
            answering.button(title, "reject-confirm", refuse, "unelevated color=negative")
            ui.button(_("Cancel"), on_click=dialog.close).props("flat no-caps")
    answering.button(title, "reject-button", dialog.open, "flat color=negative")
