"""A cascade on the screen: a tree that redraws itself, plain lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from matrioska.cli.minds import MindPhase, MindRow, MindsProgress, minds_line
from matrioska.cli.screen import calmly
from matrioska.cli.text import count, duration, line
from matrioska.cli.ui import Ui

#: Sign, the same for a screen that knows ASCII only, and style.
_LOOK: dict[MindPhase, tuple[str, str, str]] = {
    MindPhase.QUIET: ("·", ".", "dim"),
    MindPhase.ASKED: ("○", "o", "cyan"),
    MindPhase.THINKING: ("●", "*", "yellow"),
    MindPhase.LISTENING: ("◌", "~", "cyan"),
    MindPhase.ANSWERED: ("✓", "+", "green"),
    MindPhase.IDLE: ("–", "-", "dim"),
    MindPhase.FAILED: ("✗", "x", "bold red"),
}
# What a person wants to see first when not all minds fit.
_URGENCY = (
    MindPhase.THINKING,
    MindPhase.FAILED,
    MindPhase.LISTENING,
    MindPhase.ASKED,
    MindPhase.ANSWERED,
    MindPhase.IDLE,
    MindPhase.QUIET,
)
_LONGEST_NAME = 24
# Lines that are no minds: a blank one, the totals and the cursor's.
_FRAME = 4


class SilentMinds:
    """Shows nothing but sentences, for ``--quiet`` and as the base of the others."""

    def __init__(self, ui: Ui) -> None:
        self.ui = ui
        self.progress = MindsProgress(time.monotonic())

    def __enter__(self) -> SilentMinds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.finish(time.monotonic())

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take in a progress event."""
        self.progress.apply(event, time.monotonic())
        if event.get("type") == "journal" and not self.ui.quiet:
            self.say(f"! The journal: {line(event.get('trouble') or '', 300)}")

    def say(self, text: str) -> None:
        """Show a sentence without disturbing the rest."""
        calmly(self.ui.err, text)


class PlainMinds(SilentMinds):
    """One line an event, for pipes and logs."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """See `SilentMinds.on_event`."""
        super().on_event(event)
        if told := minds_line(event, self.progress, time.monotonic()):
            calmly(self.ui.err, told)


class LiveMinds(SilentMinds):
    """A tree that redraws itself."""

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui)
        view = _View(self.progress)
        self._live = Live(view, console=ui.err, refresh_per_second=8, transient=True, redirect_stdout=False)

    def __enter__(self) -> LiveMinds:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._live.stop()
        if self.progress.rows:
            ended = render(self.progress, time.monotonic(), self.ui.err, ended=True)
            calmly(self.ui.err, ended)


class _View:
    """Draws the progress anew each time the live display asks."""

    def __init__(self, progress: MindsProgress) -> None:
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield render(self.progress, time.monotonic(), console)


def make_minds_screen(ui: Ui) -> SilentMinds:
    """Return the screen that fits where the output goes."""
    if ui.live:
        return LiveMinds(ui)
    return SilentMinds(ui) if ui.quiet or ui.json else PlainMinds(ui)


def render(progress: MindsProgress, now: float, console: Console, *, ended: bool = False) -> RenderableType:
    """Return the tree and its totals, in at most the console's height and width."""
    rows = visible_minds(progress, max(3, console.height - _FRAME))
    hidden = len(progress.rows) - len(rows)
    parts: list[RenderableType] = [_table(rows, now, console, ended=ended)] if rows else []
    if not ended:
        parts.append(_totals(progress, now, hidden))
    return Group(*parts)


def visible_minds(progress: MindsProgress, room: int) -> list[MindRow]:
    """Return the rows to show: all when they fit, else the most urgent, the latest first."""
    rows = [row for row in progress.rows.values() if row.id]
    if len(rows) <= room:
        return rows
    urgent = sorted(rows, key=lambda row: (_URGENCY.index(row.phase), -row.changed))
    chosen = {row.id for row in urgent[:room]}
    return [row for row in rows if row.id in chosen]


def _table(rows: list[MindRow], now: float, console: Console, *, ended: bool) -> Table:
    plainly = not console.encoding.startswith("utf")
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for justify in ("left", "left", "right", "left"):
        table.add_column(no_wrap=True, justify=justify)
    names = [f"{'  ' * row.depth}{_LOOK[row.phase][plainly]} {line(row.name, _LONGEST_NAME)}" for row in rows]
    took = [duration(row.seconds(now)) if row.seconds(now) else "" for row in rows]
    states = [row.state for row in rows]
    room = console.width - sum(max(map(cell_len, column), default=0) + 2 for column in (names, states, took)) - 1
    for row, name, state, seconds in zip(rows, names, states, took, strict=True):
        style = _LOOK[row.phase][2]
        words = row.note or ("" if ended or row.phase != MindPhase.THINKING else last_words(row.said, room))
        table.add_row(
            Text(name, "bold" if row.phase == MindPhase.THINKING else style if row.phase == MindPhase.FAILED else ""),
            Text(state, style),
            Text(seconds, "dim"),
            Text(line(words, room) if room > 1 else "", "red" if row.phase == MindPhase.FAILED else "dim"),
        )
    return table


def last_words(said: str, room: int) -> str:
    """Return the end of what was said, on one line of at most ``room`` columns, from the beginning of a word."""
    words = line(said, len(said) + 1)
    if room < 2 or cell_len(words) <= room:
        return words if room >= 2 else ""
    kept: list[str] = []
    used = 1
    for word in reversed(words.split(" ")):
        used += cell_len(word) + 1
        if used > room:
            break
        kept.append(word)
    return "…" + " ".join(reversed(kept)) if kept else set_cell_size(words, room)


def _totals(progress: MindsProgress, now: float, hidden: int) -> Text:
    rows = [row for row in progress.rows.values() if row.id]
    thinking = sum(row.phase == MindPhase.THINKING for row in rows)
    answered = sum(row.phase in (MindPhase.ANSWERED, MindPhase.IDLE) for row in rows)
    told = [duration(now - progress.began)]
    if rows:
        told += [f"{thinking} thinking", f"{answered} of {count(len(rows), 'mind')} done"]
    if hidden:
        told.append(f"{hidden} not shown")
    return Text(" · ".join(told), "dim", no_wrap=True, overflow="ellipsis")
