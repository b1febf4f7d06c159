"""The page of a question: its answer, the tree of minds or the nodes that voted, and its journal. And fitness."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nicegui import ui

from matrioska.i18n import _, figure
from matrioska.store.fitness import FitnessRow
from matrioska.web.monitor.journal import JournalPanel
from matrioska.web.monitor.live import Live
from matrioska.web.monitor.page import (
    Badge,
    attempt,
    block,
    brought,
    facts,
    framed,
    section,
    show_fault,
    text,
    unfolding,
)
from matrioska.web.monitor.sheet import Sheet
from matrioska.web.monitor.whiteboard import show_list
from matrioska.web.monitor.words import graph_word, lasting, priced, tokens
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import Event, MindView, QuestionView


async def question_page(desk: Desk, thread: str) -> None:
    """Build the page."""
    with framed(thread):
        try:
            view = await desk.question(thread)
        except Exception as error:  # noqa: BLE001 - the boundary: the page says why
            show_fault(error)
            return
        _QuestionPage(desk, view)


async def fitness_page(desk: Desk) -> None:
    """Build the page of what was learnt of the ensemble's nodes."""
    with framed(_("Fitness"), _("Fitness")):
        text(_("How often each node of the ensemble is right, by what votes have taught."), classes="dim")
        rows = await brought(desk.fitness())
        with ui.element("section").classes("part"):
            show_fitness(rows or [])


def show_fitness(rows: Sequence[FitnessRow]) -> None:
    """Show the book of fitness as a table."""
    right = {"align": "right", "classes": "number"}
    wide = {"align": "right", "classes": "number only-wide", "headerClasses": "only-wide"}
    columns = [
        {"name": "node", "label": _("Node"), "field": "node", "classes": "wide"},
        {"name": "kind", "label": _("Kind of task"), "field": "kind"},
        {"name": "mean", "label": _("Right"), "field": "mean", **right},
        {"name": "range", "label": _("90 % between"), "field": "range", **wide},
        {"name": "observations", "label": _("Votes"), "field": "observations", **right},
        {"name": "seconds", "label": _("Time"), "field": "seconds", **wide},
    ]
    sheet = Sheet(columns, key="key", label=_("Fitness"), empty=_("Nothing was learnt yet."))
    sheet.show([{"key": number, **_fitness_cells(row)} for number, row in enumerate(rows)])


def _fitness_cells(row: FitnessRow) -> dict[str, str]:
    return {
        "node": row.node,
        "kind": row.kind or _("all"),
        "mean": f"{figure(100 * row.mean)}%",
        "range": f"{figure(100 * row.low)}% – {figure(100 * row.high)}%",
        "observations": figure(row.observations),
        "seconds": lasting(row.seconds or 0.0),
    }


class _QuestionPage:
    """A question's page."""

    def __init__(self, desk: Desk, view: QuestionView) -> None:
        self._desk = desk
        self._thread = view.line.thread
        self._view = view
        self._shown: dict[str, MindPart] = {}
        with ui.element("section").classes("part stack asks"):
            with ui.element("div").classes("tools"):
                self._state = Badge(view.line.status, of_run=True)
                self._state.props["role"] = "status"
                text(graph_word(view.line.graph), "span", "dim")
                self._figures = text("", "span")
            text(view.line.title or self._thread, "h1")
            unfolding(_("The question"), lambda: block(view.question).classes("prose"))
            self._on = ui.button(_("Go on"), on_click=self._resumed)
            self._on.props("unelevated data-testid=resume-button")
        with section(_("Answer")):
            self._answer = block("", _("Answer")).classes("prose")
            self._missing = ui.element("div")
        with section(_("Minds") if view.line.graph == "cascade" else _("Who answered")) as self._minds_part:
            self._minds = ui.element("div").classes("stack")
        self._details = unfolding(_("The whole answer, as data"), self._detailed)
        self._journal = JournalPanel(desk, self._thread)
        self.show(view)
        Live(ui.context.client, lambda last: desk.events(self._thread, last), view.events, self._hear, self._look)

    def show(self, view: QuestionView) -> None:
        """Show the question as it stands now."""
        self._view = view
        self._state.show(view.line.status)
        self._figures.text = " · ".join(
            part for part in (_("{n} tokens").format(n=tokens(view.line.tokens)), priced(view.line.cost)) if part
        )
        self._on.set_visibility(view.line.status in ("unfinished", "interrupted", "failed", "partial"))
        self._answer.text = view.answer or _("There is no answer yet.")
        self._missing.clear()
        with self._missing:
            if view.missing:
                text(_("Whose word is missing"), "h3", "key")
                show_list(view.missing, "")
        self._details.set_visibility(bool(view.details))
        self._minds_part.set_visibility(bool(view.minds))
        if [mind.id for mind in view.minds] != list(self._shown):
            self._plant(view.minds)
        for mind in view.minds:
            self._shown[mind.id].show(mind)
        self._journal.look()

    def _detailed(self) -> None:
        block(json.dumps(self._view.details, indent=2, ensure_ascii=False))

    def _plant(self, minds: Sequence[MindView]) -> None:
        self._minds.clear()
        self._shown = {}
        for mind in minds:
            # Parents come first; a mind whose parent is not there stands at the top.
            above = self._shown.get(mind.parent)
            with above.below if above is not None else self._minds:
                self._shown[mind.id] = MindPart(mind)

    def _hear(self, event: Event) -> bool:
        self._journal.hear(event)
        mind = self._shown.get(str(event.data.get("mind") or ""))
        if event.type == "piece" and mind is not None:
            mind.hear(str(event.data.get("text") or ""), anew=bool(event.data.get("restart")))
        return True

    async def _look(self, stale: bool) -> None:
        self.show(await self._desk.question(self._thread) if stale else self._view)

    async def _resumed(self) -> None:
        self._on.disable()
        await attempt(self._desk.resume(self._thread))
        self._on.enable()


class MindPart:
    """One mind in the tree, with those that it asks below it.

    Args:
        mind: the mind.
    """

    _KEPT = 2_000

    def __init__(self, mind: MindView) -> None:
        self._said = ""
        self._view = mind
        with ui.element("div").classes("mind stack") as part:
            part.props["data-testid"] = f"mind-{mind.id}"
            with ui.element("div").classes("tools"):
                text(mind.name or mind.id, "strong")
                self._state = Badge(mind.state)
                self._figures = text("", "span", "dim")
            self._talk = block("", mind.name or mind.id)
            self._more = unfolding(_("What it was asked, and its reply"), self._open)
            self.below = ui.element("div").classes("stack")

    def hear(self, piece: str, *, anew: bool) -> None:
        """Take in what it says at the moment."""
        self._said = (piece if anew else self._said + piece)[-self._KEPT :]

    def show(self, mind: MindView) -> None:
        """Show the mind as it is now."""
        self._view = mind
        self._state.show(mind.state)
        used = _("{n} tokens").format(n=tokens(mind.tokens)) if mind.tokens else ""
        parts = (mind.model, used, lasting(mind.seconds))
        self._figures.text = " · ".join(part for part in parts if part)
        self._talk.text = self._said
        self._talk.set_visibility(bool(self._said) and mind.state == "working")
        self._more.set_visibility(bool(mind.reply or mind.question) and mind.state != "working")

    def _open(self) -> None:
        facts([(_("Asked"), self._view.question)])
        block(self._view.reply or _("It has no answer."), _("Its reply")).classes("prose")
