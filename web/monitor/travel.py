"""Going back in a run: its checkpoints by a slider, a fork from one, and doing a module again."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from matrioska.i18n import _, told
from matrioska.web.monitor.draft import Card, Draft, text_of
from matrioska.web.monitor.editor import ModuleForm
from matrioska.web.monitor.page import attempt, facts, section, text
from matrioska.web.monitor.words import moment, step_word
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import CheckpointView


def travel_panel(desk: Desk, thread: str) -> None:
    """Build the history of a run, and what can be done from it.

    Args:
        desk: whom it asks.
        thread: the run.
    """
    place = ui.element("div").classes("stack")

    async def build() -> None:
        with place:
            await attempt(_build(desk, thread))

    ui.timer(0, build, once=True)


async def _build(desk: Desk, thread: str) -> None:
    history = sorted(await desk.history(thread), key=lambda checkpoint: checkpoint.step)
    view = await desk.run(thread)
    if history:
        _History(desk, thread, history)
    if view.plan and history and history[-1].done:
        _Redo(desk, thread, view.plan)


class _History:
    """The checkpoints, the oldest first."""

    def __init__(self, desk: Desk, thread: str, history: list[CheckpointView]) -> None:
        self._desk = desk
        self._thread = thread
        self._history = history
        with section(_("History")):
            text(_("A fork begins a new run at a checkpoint. This one stays as it is."), classes="dim")
            last = len(history) - 1
            with ui.element("div").classes("tools travel"):
                self._back = self._step(-1, "chevron_left", _("Earlier checkpoint"), "history-back")
                self._slider = ui.slider(min=0, max=max(last, 1), step=1, value=last, on_change=self._show)
                self._slider.classes("grow").props("snap data-testid=history-slider")
                self._slider.props["aria-label"] = _("Checkpoint")
                self._slider.set_enabled(last > 0)
                self._on = self._step(1, "chevron_right", _("Later checkpoint"), "history-on")
            self._told = ui.element("div").classes("stack").props("aria-live=polite data-testid=history-told")
            with ui.element("div").classes("tools apart"):
                self._goes_on = ui.switch(_("Go on at once"), value=True).props("data-testid=fork-goes-on")
                self._fork = ui.button(_("Fork from here"), icon="call_split", on_click=self._forked)
                self._fork.props("outline no-caps data-testid=fork-button")
        self._show()

    def _step(self, by: int, icon: str, label: str, testid: str) -> ui.button:
        made = ui.button(icon=icon, on_click=lambda: self._slider.set_value(self._place + by)).props("flat round dense")
        made.props["aria-label"], made.props["data-testid"] = label, testid
        return made

    @property
    def _place(self) -> int:
        return max(0, min(len(self._history) - 1, int(self._slider.value or 0)))

    def _show(self) -> None:
        chosen = self._history[self._place]
        self._back.set_enabled(self._place > 0)
        self._on.set_enabled(self._place < len(self._history) - 1)
        self._told.clear()
        with self._told:
            facts(
                [
                    (_("Checkpoint"), _("{n} of {all}").format(n=self._place + 1, all=len(self._history))),
                    (_("Saved"), moment(chosen.at)),
                    (_("What had happened"), self._happened()),
                    (_("What came next"), ", ".join(step_word(step) for step in chosen.next) or _("nothing: the end")),
                    (_("Modules done"), f"{chosen.done} / {chosen.modules}" if chosen.modules else ""),
                ]
            )

    def _happened(self) -> str:
        """Return what changed since the checkpoint before."""
        chosen = self._history[self._place]
        if self._place == 0:
            return _("the run began")
        before = self._history[self._place - 1]
        told = [step_word(step) for step in before.next]
        if chosen.modules != before.modules:
            told.append(_("a plan of {n} modules").format(n=chosen.modules))
        if chosen.done > before.done:
            told.append(_("{n} more modules done").format(n=chosen.done - before.done))
        return ", ".join(told)

    async def _forked(self) -> None:
        self._fork.disable()
        made: list[str] = []

        async def fork() -> None:
            made.append(await self._desk.fork(self._thread, self._history[self._place].id))
            if self._goes_on.value:
                await self._desk.resume(made[0])

        await attempt(fork())
        self._fork.enable()
        if made:
            ui.navigate.to(f"/run/{made[0]}")


class _Redo:
    """One module again, as it was or with another spec."""

    def __init__(self, desk: Desk, thread: str, plan: dict[str, Any]) -> None:
        self._desk = desk
        self._thread = thread
        self._plan = plan
        self._draft = Draft(plan)
        self._card: Card | None = None
        titles = {card.id: text_of(card.spec.get("name")) or card.id for card in self._draft.cards}
        with section(_("Do a module again")):
            text(_("What depends on it is done again only where it gets other inputs by that."), classes="dim")
            choose = ui.select(
                titles, label=_("Module"), with_input=True, on_change=lambda event: self._chosen(event.value)
            )
            choose.props("dense outlined data-testid=redo-module").classes("field")
            self._fold = ui.expansion(_("Change it first")).classes("fold").props("data-testid=redo-edit")
            self._fold.set_visibility(False)
            self._complaints = ui.element("div").classes("stack").props("aria-live=polite data-testid=redo-complaints")
            with ui.element("div").classes("apart"):
                self._button = ui.button(_("Do it again"), icon="replay", on_click=self._again)
            self._button.props("outline no-caps data-testid=redo-button").disable()

    def _chosen(self, module: str | None) -> None:
        self._draft = Draft(self._plan)
        self._card = next((card for card in self._draft.cards if card.id == module), None)
        self._fold.set_visibility(self._card is not None)
        self._button.set_enabled(self._card is not None)
        self._complaints.clear()
        self._fold.clear()
        if self._card is not None:
            with self._fold, ui.element("div").classes("form"):
                ModuleForm(self._card, self._draft, lambda card: None)

    async def _again(self) -> None:
        if (card := self._card) is None:
            return
        before = next(spec for spec in self._plan["modules"] if spec.get("id") == card.id)
        changes = {name: value for name, value in card.spec.items() if value != before.get(name)}
        self._button.disable()
        await attempt(self._send(card, changes))
        self._button.enable()

    async def _send(self, card: Card, changes: dict[str, Any]) -> None:
        complaints = await self._desk.check_plan(self._draft.plan, self._thread)
        self._complaints.clear()
        with self._complaints:
            for complaint in complaints[:20]:
                text(told(complaint), classes="warn")
        if not complaints:
            await self._desk.redo(self._thread, card.id, changes or None)
            ui.notify(_("The module is done again."), type="positive")
