"""The page of a run: where it stands, what it asks, and everything about it in tabs, live."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from nicegui import ui

from matrioska.i18n import _
from matrioska.web.monitor.approval import approval_panel
from matrioska.web.monitor.deliverable import FilesPanel
from matrioska.web.monitor.journal import JournalPanel
from matrioska.web.monitor.live import Live
from matrioska.web.monitor.modules import ModulesPanel
from matrioska.web.monitor.overview import Overview
from matrioska.web.monitor.page import framed, show_fault
from matrioska.web.monitor.travel import travel_panel
from matrioska.web.monitor.whiteboard import TimelinePanel, WhiteboardPanel
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import Event, RunView

#: Seconds between two looks at a run that works, for the figures that grow by themselves.
_LOOK = 2.0


class Panel(Protocol):
    """One tab of the page."""

    def show(self, view: RunView) -> None:
        """Show a run as it is now; only what is different is sent to the browser."""

    def hear(self, event: Event) -> None:
        """Take in one event; it is shown with the next `show`."""


class TravelPanel:
    """The tab of the run's history; built once it is opened, and again when the run went on meanwhile."""

    def __init__(self, desk: Desk, thread: str) -> None:
        self._desk = desk
        self._thread = thread
        self._shown = ""
        self._place = ui.element("div").classes("stack")

    def show(self, view: RunView) -> None:
        """See `Panel`. What a person works on is not taken from under the hands while the run goes on."""
        now = f"{view.status} {view.waiting}"
        if now != self._shown:
            self._shown = now
            self._place.clear()
            with self._place:
                travel_panel(self._desk, self._thread)

    def hear(self, event: Event) -> None:
        """See `Panel`."""


async def run_page(desk: Desk, thread: str) -> None:
    """Build the page."""
    with framed(thread):
        try:
            view = await desk.run(thread)
        except Exception as error:  # noqa: BLE001 - the boundary: the page says why
            show_fault(error)
            return
        page = RunPage(desk, view)
        page.show(view)


class RunPage:
    """A run's page.

    Args:
        desk: whom it asks.
        view: the run.
    """

    def __init__(self, desk: Desk, view: RunView) -> None:
        self._desk = desk
        self._thread = view.line.thread
        self._view = view
        self._asked = ""
        self._head = Overview(desk, view)
        self._attention = ui.element("div").classes("stack")
        self._panels: dict[str, Panel] = {}
        self._open = "modules"
        self._tabs()
        live = Live(
            ui.context.client, lambda after: desk.events(self._thread, after), view.events, self._hear, self._look
        )
        self._wake = live.wake
        ui.timer(_LOOK, self._tick)

    def show(self, view: RunView) -> None:
        """Show the run as it is now: the head, what it asks, and the tab that is open."""
        self._view = view
        self._head.show(view)
        self._ask(view)
        self._panels[self._open].show(view)

    def _tabs(self) -> None:
        made: dict[str, tuple[str, Callable[[], Panel]]] = {
            "modules": (_("Modules"), lambda: ModulesPanel(self._thread)),
            "timeline": (_("Timeline"), TimelinePanel),
            "whiteboard": (_("Whiteboard"), WhiteboardPanel),
            "files": (_("Files"), lambda: FilesPanel(self._desk, self._thread)),
            "journal": (_("Journal"), lambda: JournalPanel(self._desk, self._thread)),
            "history": (_("History"), lambda: TravelPanel(self._desk, self._thread)),
        }
        with ui.tabs(on_change=self._turned).props(
            "align=left dense outside-arrows mobile-arrows inline-label"
        ) as tabs:
            for name, (label, _made) in made.items():
                ui.tab(name, label=label).props(f"data-testid=tab-{name}")
        with ui.tab_panels(tabs, value=self._open, animated=False).classes("full"):
            for name, (_label, make) in made.items():
                with ui.tab_panel(name):
                    self._panels[name] = make()

    def _turned(self, event: Any) -> None:
        self._open = str(event.value)
        if self._open in self._panels:
            self._panels[self._open].show(self._view)

    def _ask(self, view: RunView) -> None:
        asked = json.dumps([view.waiting, view.question], sort_keys=True, default=str)
        if asked == self._asked:
            return
        self._asked = asked
        self._attention.clear()
        if view.waiting:
            with self._attention:
                approval_panel(self._desk, self._thread, view)

    def _hear(self, event: Event) -> bool:
        for panel in self._panels.values():
            panel.hear(event)
        return True

    def _tick(self) -> None:
        if self._view.status == "working":
            self._wake()

    async def _look(self, stale: bool) -> None:
        self.show(await self._desk.run(self._thread) if stale else self._view)
