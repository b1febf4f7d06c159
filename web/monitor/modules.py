"""The modules of a run: the plan as a diagram, what is being written, and a table of all of them."""

from __future__ import annotations

import json
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from matrioska.i18n import _, told
from matrioska.web.monitor.diagram import MOST_DRAWN, diagram_of, module_at, states_of
from matrioska.web.monitor.page import PREFIX, block, text
from matrioska.web.monitor.sheet import Row, Sheet
from matrioska.web.monitor.threads import STATE_CELL
from matrioska.web.monitor.words import lasting, state_word, tokens
from matrioska.web.runs.board import WORKING
from matrioska.web.runs.views import Event, ModuleView, RunView

#: Characters kept of what a module says, and most modules heard at once.
_KEPT, _MOST_HEARD = 2_000, 6
#: Without HTML in labels, and strict besides: see `diagram`.
_MERMAID = {
    "securityLevel": "strict",
    "htmlLabels": False,
    "theme": "neutral",
    "flowchart": {"htmlLabels": False, "useMaxWidth": False, "curve": "basis"},
    "maxEdges": 5_000,
    "maxTextSize": 500_000,
}
_MODULE_CELL = """<q-td :props="props"><a :href="props.row.href" :data-testid="'module-' + props.row.id">
{{ props.row.name }}</a></q-td>"""


class ModulesPanel:
    """See the module's text.

    Args:
        thread: the run.
    """

    def __init__(self, thread: str) -> None:
        self._thread = thread
        self._modules: list[ModuleView] = []
        self._drawn = ""
        self._painted: dict[str, Any] = {}
        self._rows: dict[str, tuple[ModuleView, Row]] = {}
        self._nothing = text(_("There is no plan yet."), classes="dim")
        with ui.element("section").classes("part") as self._frame:
            self._diagram = ui.mermaid("flowchart LR", config=_MERMAID, on_node_click=self._clicked)
            self._diagram.classes("diagram").props["data-testid"] = "diagram"
            with ui.element("div").classes("row-tight sizes"):
                self._size(_("Smaller"), "zoom_out", "smaller", 0.8)
                self._size(_("Larger"), "zoom_in", "larger", 1.25)
                self._size(_("The whole diagram"), "fit_screen", "whole", 0)
        self._many = text(_("So many modules are not drawn; the table has them, layer by layer."), classes="dim")
        self._talk = Talk()
        with ui.element("section").classes("part") as self._table:
            self._sheet = Sheet(
                _columns(), key="id", label=_("Modules"), cells={"name": _MODULE_CELL, "state": STATE_CELL}
            )
        # The browser that comes back has a page of its own making: it is told all states again.
        ui.context.client.on_connect(self._repaint)

    def show(self, view: RunView) -> None:
        """See `Panel`."""
        self._modules = view.modules
        drawn = 0 < len(self._modules) <= MOST_DRAWN
        self._nothing.set_visibility(not self._modules)
        self._frame.set_visibility(drawn)
        self._many.set_visibility(len(self._modules) > MOST_DRAWN)
        self._table.set_visibility(bool(self._modules))
        if drawn:
            self._draw()
        self._talk.show(view)
        ordered = sorted(self._modules, key=lambda each: each.layer)
        self._sheet.show([self._row(module) for module in ordered])

    def hear(self, event: Event) -> None:
        """See `Panel`."""
        self._talk.hear(event)

    def _row(self, module: ModuleView) -> Row:
        """Return a module's row: of most of a thousand modules nothing is different."""
        kept = self._rows.get(module.id)
        if kept is None or kept[0] != module:
            kept = self._rows[module.id] = (module, _row(self._thread, module))
        return kept[1]

    def _draw(self) -> None:
        source = diagram_of(self._modules, _("The plan: modules and what they wait for"))
        if source != self._drawn:
            self._drawn = source
            self._diagram.content = source
        wanted = {node: {"state": state, "word": state_word(state)} for node, state in states_of(self._modules).items()}
        if wanted != self._painted:
            self._painted = wanted
            self._repaint()

    def _repaint(self) -> None:
        if self._painted and self._diagram.client.has_socket_connection:
            told = f"{json.dumps(self._diagram.html_id)}, {json.dumps(self._painted)}"
            self._diagram.client.run_javascript(f"matrioska.paint({told})")

    def _size(self, label: str, icon: str, testid: str, times: float) -> None:
        """Add a button that makes the diagram so many times as large; with 0 times, as large as can be seen whole."""
        made = ui.button(icon=icon, color=None).props("flat round dense").classes("quiet")
        made.props["aria-label"] = made.props["title"] = label
        made.props["data-testid"] = f"diagram-{testid}"
        made.on("click", js_handler=f"() => matrioska.zoom({json.dumps(self._diagram.html_id)}, {times})")

    def _clicked(self, event: Any) -> None:
        if (module := module_at(event.node_id, self._modules)) is not None:
            ui.navigate.to(f"/run/{self._thread}/module/{module.id}")


class Talk:
    """What the modules at work are saying, piece by piece."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._shown: dict[str, TextElement] = {}
        with ui.element("section").classes("part talk") as self._place:
            text(_("At work"), "h2")
            with ui.element("div").classes("voices"):
                self._silence = text(_("Nobody is writing right now."), classes="dim")
                self._lines = ui.element("div").classes("talk")
        self._place.set_visibility(False)

    def hear(self, event: Event) -> None:
        """Take in a piece of what a module says."""
        module = str(event.data.get("module") or "")
        if event.type == "piece" and module:
            before = "" if event.data.get("restart") else self._said.get(module, "")
            self._said[module] = (before + str(event.data.get("text") or ""))[-_KEPT:]

    def show(self, view: RunView) -> None:
        """Show who works, and the end of what each says."""
        working = {module.id: module for module in view.modules if module.state in WORKING}
        self._said = {module: said for module, said in self._said.items() if module in working}
        heard = {module: said for module, said in list(self._said.items())[:_MOST_HEARD] if said}
        self._place.set_visibility(view.status == "working" and view.line.here)
        self._silence.set_visibility(not heard)
        if list(heard) != list(self._shown):
            self._lines.clear()
            self._shown = {}
            with self._lines:
                for module in heard:
                    text(working[module].name or module, classes="dim")
                    self._shown[module] = block("", working[module].name or module)
        for module, said in heard.items():
            self._shown[module].text = said


def _columns() -> list[dict[str, Any]]:
    wide = {"classes": "only-wide", "headerClasses": "only-wide"}
    number = {"align": "right", "classes": "number only-wide", "headerClasses": "only-wide"}
    return [
        {"name": "layer", "label": _("Layer"), "field": "layer", **wide},
        {"name": "name", "label": _("Module"), "field": "name", "classes": "wide"},
        {"name": "state", "label": _("State"), "field": "word"},
        {
            "name": "waits",
            "label": _("Waits for"),
            "field": "waits",
            "classes": "wide only-wide",
            "headerClasses": "only-wide",
        },
        {"name": "tokens", "label": _("Tokens"), "field": "tokens", **number},
        {"name": "seconds", "label": _("Time"), "field": "seconds", **number},
        {"name": "mends", "label": _("Mends"), "field": "mends", **number},
        {
            "name": "note",
            "label": _("Note"),
            "field": "note",
            "classes": "wide only-wide",
            "headerClasses": "only-wide",
        },
    ]


def _row(thread: str, module: ModuleView) -> Row:
    notes = [told(module.error), _("critical path") if module.critical else ""]
    return {
        "id": module.id,
        "href": f"{PREFIX}/run/{thread}/module/{module.id}",
        "layer": module.layer + 1,
        "name": module.name or module.id,
        "state": module.state,
        "word": state_word(module.state),
        "waits": ", ".join(module.depends_on),
        "tokens": tokens(module.tokens) if module.tokens else "",
        "seconds": lasting(module.seconds),
        "mends": str(module.mends or ""),
        "note": " · ".join(note for note in notes if note),
    }
