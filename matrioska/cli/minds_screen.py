"""A cascade on the screen: a tree that redraws itself, plain lines, or nothing."""

from __future__ import annotations

import time

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from matrioska.cli.minds import MindPhase, MindRow, MindsProgress, minds_line
from matrioska.cli.screen import LiveScreen, PlainScreen, SilentScreen, knows_signs, most_urgent
from matrioska.cli.text import duration, line
from matrioska.cli.ui import Ui
from matrioska.i18n import _, counted, figure

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


def make_minds_screen(ui: Ui) -> SilentScreen[MindsProgress]:
    """Return the screen that fits where the output goes."""
    progress = MindsProgress(time.monotonic())
    if ui.live:
        return LiveScreen(ui, progress, render)
    return SilentScreen(ui, progress) if ui.quiet or ui.json else PlainScreen(ui, progress, minds_line)


def render(progress: MindsProgress, now: float, console: Console, *, ended: bool = False) -> RenderableType:
    """Return the tree and its totals; see `Draw`."""
    minds = [row for row in progress.rows.values() if row.id]
    rows = most_urgent(minds, max(3, console.height - _FRAME), _URGENCY)
    hidden = len(minds) - len(rows)
    parts: list[RenderableType] = [_table(rows, now, console, ended=ended)] if rows else []
    if hidden or not ended:
        parts.append(_totals(minds, now - progress.began, hidden))
    return Group(*parts)


def _table(rows: list[MindRow], now: float, console: Console, *, ended: bool) -> Table:
    plainly = not knows_signs(console)
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


def _totals(minds: list[MindRow], seconds: float, hidden: int) -> Text:
    thinking = sum(row.phase == MindPhase.THINKING for row in minds)
    answered = sum(row.phase in (MindPhase.ANSWERED, MindPhase.IDLE) for row in minds)
    said = [duration(seconds)]
    if minds:
        said.append(counted("{n} thinking", "{n} thinking", thinking))
        every = counted("{n} mind", "{n} minds", len(minds))
        said.append(_("{answered} of {minds} done").format(answered=figure(answered), minds=every))
    if hidden:
        said.append(_("{n} not shown").format(n=figure(hidden)))
    return Text(" · ".join(said), "dim", no_wrap=True, overflow="ellipsis")
