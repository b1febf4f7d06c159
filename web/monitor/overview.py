"""The head of a run's page: what it is, where it stands, what it has cost, and how to stop it or go on."""

from __future__ import annotations

from nicegui import ui

from matrioska.i18n import _, figure, told
from matrioska.state.figures import dollars, duration
from matrioska.web.monitor.page import Badge, attempt, block, text, unfolding
from matrioska.web.monitor.words import priced, step_word, tokens
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import RunView

#: A run that ended so has nothing to go on with.
_OVER = frozenset({"complete", "working", "unreadable", "empty"})


class Overview:
    """See the module's text.

    Args:
        desk: whom it asks.
        view: the run.
    """

    def __init__(self, desk: Desk, view: RunView) -> None:
        self._desk = desk
        self._thread = view.line.thread
        with ui.element("section").classes("part stack asks"):
            with ui.element("div").classes("tools").props("role=status"):
                self._state = Badge(view.status, of_run=True)
                self._state.props["data-testid"] = "run-state"
                self._step = text("", "span", "dim")
            self._title = text("", "h1")
            self._error = text("", classes="warn")
            self._error.props["data-testid"] = "run-error"
            with ui.element("div").classes("tools"):
                self._figures = text("", "span")
                self._figures.props["data-testid"] = "run-figures"
                self._meters = {
                    "budget_tokens": Meter(_("Tokens")),
                    "budget_cost": Meter(_("Cost")),
                    "timeout": Meter(_("Time")),
                }
            with ui.element("div").classes("tools"):
                self._stop = ui.button(_("Stop"), on_click=self._stopped).props("outline data-testid=stop-button")
                self._on = ui.button(_("Go on"), on_click=self._resumed)
                self._on.props("unelevated data-testid=resume-button")
                self._elsewhere = text(_("Another process drives it: stop it there."), "span", "dim")
            unfolding(_("The task"), lambda: block(view.task).classes("prose"))

    def show(self, view: RunView) -> None:
        """Show the run as it is now."""
        self._state.show(view.status)
        self._step.text = step_word(view.step) if view.status in ("working", "unfinished") else ""
        self._title.text = view.line.title or view.line.thread
        self._error.text = _why(view)
        self._error.set_visibility(bool(self._error.text))
        self._figures.text = _figures(view)
        working = view.status == "working"
        self._stop.set_visibility(working and view.line.here)
        self._elsewhere.set_visibility(working and not view.line.here)
        self._on.set_visibility(view.status not in _OVER and not view.waiting)
        for name, (spent, words) in _spent(view).items():
            self._meters[name].show(spent, view.budget.get(name), words)

    async def _stopped(self) -> None:
        self._stop.disable()
        await attempt(self._desk.stop(self._thread))
        self._stop.enable()

    async def _resumed(self) -> None:
        self._on.disable()
        await attempt(self._desk.resume(self._thread))
        self._on.enable()


class Meter:
    """How much of a limit is used up; unseen where there is no limit.

    Args:
        name: what is limited.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        with ui.element("div").classes("meter") as self._place:
            self._told = text("")
            self._bar = ui.element("progress")
            self._bar.props["aria-label"] = name
        self._place.set_visibility(False)

    def show(self, spent: float, limit: float | None, words: str) -> None:
        """Show what was spent of a limit; ``words`` is that as it is said."""
        self._place.set_visibility(bool(limit))
        if limit:
            self._told.text = f"{self._name}: {words}"
            if self._bar.props.get("value") != (share := min(1.0, round(spent / limit, 3))):
                self._bar.props["max"], self._bar.props["value"] = 1, share


def _spent(view: RunView) -> dict[str, tuple[float, str]]:
    budget, spent = view.budget, view.spent
    used, cost, seconds = int(spent.get("tokens") or 0), float(spent.get("cost") or 0), float(spent.get("seconds") or 0)
    of = _("{spent} of {limit}")
    return {
        "budget_tokens": (used, of.format(spent=tokens(used), limit=tokens(int(budget.get("budget_tokens") or 0)))),
        "budget_cost": (
            cost,
            of.format(spent=priced(cost) or dollars(0.0, 0), limit=priced(budget.get("budget_cost") or 0.0)),
        ),
        "timeout": (seconds, of.format(spent=duration(seconds), limit=duration(budget.get("timeout") or 0.0))),
    }


def _why(view: RunView) -> str:
    """Return what ended the run, and what to do; '' for nothing, and while it works on."""
    if view.error is None or view.status == "working":
        return ""
    parts = (told(str(view.error.get(part) or "")) for part in ("message", "next_step"))
    return " ".join(part for part in parts if part)


def _figures(view: RunView) -> str:
    done = sum(module.state == "done" for module in view.modules)
    parts = []
    if view.modules:
        parts += [_("{done} of {all} modules").format(done=figure(done), all=figure(len(view.modules)))]
    parts += [_("{n} tokens").format(n=tokens(view.line.tokens)), priced(view.line.cost)]
    return " · ".join(part for part in parts if part)
