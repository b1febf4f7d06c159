"""A table of any length, of which the browser gets one page of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from matrioska.i18n import _, figure
from matrioska.web.monitor.page import text

#: Rows of one page, and fewest rows that are worth a filter.
PAGE, _MANY = 50, 9

Row = dict[str, Any]


class Sheet:
    """A table with a filter and pages.

    Args:
        columns: Quasar's columns; our own words.
        key: the field that tells rows apart.
        label: what a screen reader calls the table.
        cells: Vue templates of cells, by column. Static: a row's values reach them as data.
        empty: what stands there instead of rows.
    """

    def __init__(
        self, columns: Sequence[Row], *, key: str, label: str, cells: Mapping[str, str] | None = None, empty: str = ""
    ) -> None:
        self._rows: list[Row] = []
        self._found: list[Row] = []
        self._page = 0
        with ui.element("div").classes("sheet"):
            with ui.element("div").classes("tools") as self._tools:
                self._filter = ui.input(placeholder=_("Filter"), on_change=self._filtered)
                self._filter.props("dense outlined clearable debounce=200 type=search data-testid=filter")
                self._filter.props["aria-label"] = _("Filter")
            self._table = ui.table(rows=[], columns=[{"align": "left", **each} for each in columns], row_key=key)
            self._table.props("flat dense hide-bottom binary-state-sort :rows-per-page-options=[0]")
            self._table.props["aria-label"] = label
            for name, template in (cells or {}).items():
                self._table.add_slot(f"body-cell-{name}", template)
            self._nothing = text(empty or _("Nothing here yet."), classes="dim")
            with ui.element("div").classes("tools") as self._pager:
                self._back = ui.button(icon="chevron_left", on_click=lambda: self._turn(-1)).props("flat round dense")
                self._where = text("", "span")
                self._on = ui.button(icon="chevron_right", on_click=lambda: self._turn(1)).props("flat round dense")
                self._back.props["aria-label"], self._on.props["aria-label"] = _("Previous page"), _("Next page")

    def show(self, rows: list[Row]) -> None:
        """Show these rows; the filter and the page stay as they are."""
        self._rows = rows
        self._paint()

    def _filtered(self) -> None:
        self._page = 0
        self._paint()

    def _turn(self, pages: int) -> None:
        self._page += pages
        self._paint()

    def _paint(self) -> None:
        wanted = (self._filter.value or "").casefold()
        self._found = [row for row in self._rows if not wanted or _holds(row, wanted)]
        last = max(0, (len(self._found) - 1) // PAGE)
        self._page = min(max(self._page, 0), last)
        begin = self._page * PAGE
        shown = self._found[begin : begin + PAGE]
        # Every change sends the whole page of rows again.
        if shown != self._table.rows:
            self._table.rows = shown
        self._table.set_visibility(bool(shown))
        self._nothing.set_visibility(not shown)
        self._tools.set_visibility(len(self._rows) >= _MANY)
        self._pager.set_visibility(last > 0)
        self._where.text = _("{first}–{last} of {all}").format(
            first=figure(begin + 1), last=figure(begin + len(shown)), all=figure(len(self._found))
        )
        self._back.set_enabled(self._page > 0)
        self._on.set_enabled(self._page < last)


def _holds(row: Row, wanted: str) -> bool:
    return any(wanted in value.casefold() for value in row.values() if isinstance(value, str))
