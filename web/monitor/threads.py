"""The first page: all threads, and a form that starts a run."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from matrioska.i18n import _
from matrioska.web.monitor.page import PREFIX, complain, framed
from matrioska.web.monitor.sheet import Row, Sheet
from matrioska.web.monitor.start import StartForm
from matrioska.web.monitor.words import graph_word, moment, priced, run_word, tokens
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import RunLine

#: Seconds between two looks at the list.
_LOOK = 3.0
#: Rows asked for in a look, rows asked for at once of those further down, and most rows shown.
_STRIDE, _FURTHER, _MOST = 100, 500, 2_000

_TITLE_CELL = """<q-td :props="props"><a :href="props.row.href" :data-testid="'run-row-' + props.row.thread">
{{ props.row.title }}</a></q-td>"""
STATE_CELL = (
    """<q-td :props="props"><span class="badge" :data-state="props.row.state">{{ props.row.word }}</span></q-td>"""
)


async def threads_page(desk: Desk) -> None:
    """Build the page."""
    with framed(_("Threads"), _("Threads")):
        page = _Threads(desk)
        await page.look()


class _Threads:
    """The list, and the form above it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lines: dict[str, RunLine] = {}
        self._begun = self._whole = False
        self._faulty = False
        StartForm(desk)
        with ui.element("section").classes("part asks"):
            self._sheet = Sheet(
                _columns(),
                key="thread",
                label=_("Threads"),
                cells={"title": _TITLE_CELL, "state": STATE_CELL},
                empty=_("No threads yet. Start a run above, or with `matrioska run` on the command line."),
            )
        ui.timer(_LOOK, self.look)

    async def look(self) -> None:
        """Look at the threads touched last, and show what is different.

        The first time is while the page is built, which waits for no more; the second is at all of them.
        """
        try:
            newest = await self._desk.runs(limit=_STRIDE)
            lines = {line.thread: line for line in newest}
            asked = _STRIDE
            while self._begun and not self._whole and len(newest) == asked and len(lines) < _MOST:
                asked = min(_FURTHER, _MOST - len(lines))
                newest = await self._desk.runs(after=newest[-1].thread, limit=asked)
                lines |= {line.thread: line for line in newest}
        except Exception as error:  # noqa: BLE001 - the boundary: told once, and looked again
            if not self._faulty:
                complain(error)
            self._faulty = True
            return
        self._whole, self._begun, self._faulty = self._begun, True, False
        self._lines = {**lines, **{thread: line for thread, line in self._lines.items() if thread not in lines}}
        self._sheet.show([_row(line) for line in self._lines.values()])


def _columns() -> list[dict[str, Any]]:
    wide = {"classes": "only-wide", "headerClasses": "only-wide"}
    number = {"align": "right", "classes": "number only-wide", "headerClasses": "only-wide"}
    return [
        {"name": "title", "label": _("What was asked"), "field": "title", "classes": "wide"},
        {"name": "state", "label": _("State"), "field": "word"},
        {"name": "kind", "label": _("Kind"), "field": "kind", **wide},
        {"name": "done", "label": _("Modules"), "field": "done", **number},
        {"name": "tokens", "label": _("Tokens"), "field": "tokens", **number},
        {"name": "cost", "label": _("Cost"), "field": "cost", **number},
        {"name": "updated", "label": _("Last change"), "field": "updated", **wide},
    ]


def _row(line: RunLine) -> Row:
    place = "run" if line.graph == "matrioska" else "question"
    return {
        "thread": line.thread,
        "href": f"{PREFIX}/{place}/{line.thread}",
        "title": line.title or line.thread,
        "state": line.status,
        "word": run_word(line.status),
        "kind": graph_word(line.graph),
        "done": f"{line.done}/{line.modules}" if line.modules else "",
        "tokens": tokens(line.tokens) if line.tokens else "",
        "cost": priced(line.cost),
        "updated": moment(line.updated),
    }
