"""Two tabs of a run: when its modules worked, and what they wrote on the whiteboard and were found lacking in."""

from __future__ import annotations

import json
import time

from nicegui import ui

from matrioska.i18n import _, told
from matrioska.state.figures import duration
from matrioska.web.monitor.page import block, section, text
from matrioska.web.monitor.timeline import began, height_of, timeline_of
from matrioska.web.runs.views import Event, RunView


class TimelinePanel:
    """When each module worked, against the critical path."""

    def __init__(self) -> None:
        with section(_("When each module worked")):
            self._told = text("", classes="dim")
            self._nothing = text(_("No module has begun yet."), classes="dim")
            self._chart = ui.echart({}, renderer="svg").classes("chart")
            self._chart.props["data-testid"] = "timeline"

    def show(self, view: RunView) -> None:
        """See `Panel`."""
        shown = began(view.modules)
        self._nothing.set_visibility(not shown)
        self._chart.set_visibility(bool(shown))
        if not shown:
            return
        options = timeline_of(view.modules, view.critical_path, time.time())
        if options != self._chart.options:
            self._chart.style(f"height: {height_of(view.modules)}px")
            self._chart.options.clear()
            self._chart.options.update(options)
        if view.critical_path:
            self._told.text = _(
                "The longest chain of modules, in blue, took {time} of work. "
                "A run is faster than that where modules agree on their values first, and work side by side."
            ).format(time=duration(view.critical_path))

    def hear(self, event: Event) -> None:
        """See `Panel`."""


class WhiteboardPanel:
    """The values that modules published, and what checks and critics found."""

    def __init__(self) -> None:
        self._values: dict[str, str] | None = None
        self._findings: list[str] | None = None
        with section(_("Values")):
            self._board = ui.element("div").classes("stack")
            self._board.props["data-testid"] = "whiteboard"
        with section(_("Findings")):
            self._found = ui.element("div")

    def show(self, view: RunView) -> None:
        """See `Panel`."""
        values = {key: _shown(value) for key, value in view.shared_state.items()}
        if values != self._values:
            self._values = values
            self._board.clear()
            with self._board:
                if not values:
                    text(_("The whiteboard is empty."), classes="dim")
                for key, value in values.items():
                    text(key, "h3", "key")
                    block(value, key)
        if view.findings != self._findings:
            self._findings = list(view.findings)
            self._found.clear()
            with self._found:
                show_list([told(found) for found in view.findings], _("Nothing was found lacking."))

    def hear(self, event: Event) -> None:
        """See `Panel`."""


def show_list(lines: list[str], empty: str) -> None:
    """Show lines as a list; ``empty`` where there are none."""
    if not lines:
        text(empty, classes="dim")
        return
    with ui.element("ul").classes("list"):
        for line in lines:
            text(line, "li")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
