"""A run on the screen: its steps, a table of its modules, and how far it is."""

from __future__ import annotations

import time

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from matrioska.cli.progress import STEPS, WORKING, ModuleRow, Progress, event_line, phase_word, step_word
from matrioska.cli.screen import LiveScreen, PlainScreen, SilentScreen, knows_signs, most_urgent
from matrioska.cli.text import duration, line
from matrioska.cli.ui import Ui
from matrioska.i18n import _, counted, figure
from matrioska.state.results import Phase

#: Sign, the same for a screen that knows ASCII only, and style.
_LOOK: dict[Phase, tuple[str, str, str]] = {
    Phase.WAITING: ("·", ".", "dim"),
    Phase.AGREEING: ("◌", "~", "cyan"),
    Phase.AGREED: ("◐", "o", "cyan"),
    Phase.PRODUCING: ("●", "*", "yellow"),
    Phase.MENDING: ("✚", "#", "magenta"),
    Phase.DONE: ("✓", "+", "green"),
    Phase.FAILED: ("✗", "x", "bold red"),
    Phase.BLOCKED: ("■", "-", "red"),
}
# What a person wants to see first when not all rows fit.
_URGENCY = (
    Phase.MENDING,
    Phase.PRODUCING,
    Phase.AGREEING,
    Phase.FAILED,
    Phase.BLOCKED,
    Phase.AGREED,
    Phase.DONE,
    Phase.WAITING,
)
# What is cut off the line below the table on a narrow screen is what matters least.
_LEAST_LAST = (
    Phase.FAILED,
    Phase.BLOCKED,
    Phase.PRODUCING,
    Phase.AGREEING,
    Phase.MENDING,
    Phase.AGREED,
    Phase.WAITING,
)
_LONGEST_ID = 34
# Lines that are no module rows: steps, two blank lines, counts, and the cursor's.
_FRAME = 5


def make_run_screen(ui: Ui) -> SilentScreen[Progress]:
    """Return the screen that fits where the output goes."""
    progress = Progress(time.monotonic())
    if ui.live:
        return LiveScreen(ui, progress, render)
    return SilentScreen(ui, progress) if ui.quiet else PlainScreen(ui, progress, event_line)


def render(progress: Progress, now: float, console: Console, *, ended: bool = False) -> RenderableType:
    """Return steps (while there are any to come), module table and totals; see `Draw`."""
    signs = knows_signs(console)
    parts: list[RenderableType] = [] if ended else [_steps(progress, now, console.width, signs=signs)]
    rows = visible_rows(progress, max(3, console.height - _FRAME), ended=ended)
    if rows:
        parts += ["", _table(rows, now, console.width, signs=signs), ""]
    parts.append(_totals(progress, now, len(progress.modules) - len(rows), ended=ended))
    return Group(*parts)


def visible_rows(progress: Progress, room: int, *, ended: bool = False) -> list[ModuleRow]:
    """Return the rows to show: all when they fit, else the most urgent, and in the end what is not done."""
    rows = list(progress.modules.values())
    if ended and len(rows) > room:
        rows = [row for row in rows if row.phase != Phase.DONE]
    return most_urgent(rows, room, _URGENCY)


def _steps(progress: Progress, now: float, width: int, *, signs: bool) -> Text:
    """Return the steps on one line. Where it is too narrow, those that are done give up their words, from the first."""
    done, works, comes = ("✓", "●", "·") if signs else ("+", "*", ".")
    names = list(STEPS)
    for name, before in (("reconcile", "assemble"), ("repair", "assemble"), ("review", "deliver")):
        if name in progress.steps:
            names.insert(names.index(before), name)
    reached = [names.index(name) for name in progress.steps if name in names]
    said: list[Text] = []
    passed: list[int] = []
    for position, name in enumerate(names):
        row, word = progress.steps.get(name), step_word(name)
        if row is not None and row.ended is None:
            said.append(Text.assemble((f"{works} {word} ", "bold yellow"), (duration(row.seconds(now)), "yellow")))
        elif row is not None or any(position < later for later in reached):
            said.append(Text.assemble((done, "green"), f" {word}"))
            passed.append(position)
        else:
            said.append(Text(f"{comes} {word}", "dim"))
    while passed and sum(part.cell_len + 2 for part in said) - 2 > width:
        said[passed.pop(0)].truncate(1)
    text = Text("  ").join(said)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _table(rows: list[ModuleRow], now: float, width: int, *, signs: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for justify in ("left", "left", "left", "right", "right", "left"):
        table.add_column(no_wrap=True, justify=justify)
    names = [line(row.id, _LONGEST_ID) for row in rows]
    states = [phase_word(row.phase) for row in rows]
    worked = [duration(row.seconds(now)) if row.seconds(now) else "" for row in rows]
    tokens = [f"{figure(row.tokens)} tk" if row.tokens else "" for row in rows]
    # What is left for notes: the sign, four columns and five gaps come first.
    room = width - 1 - 10 - sum(max(map(cell_len, column)) for column in (names, states, worked, tokens))
    for row, name, state, seconds, spent in zip(rows, names, states, worked, tokens, strict=True):
        sign, plain_sign, style = _LOOK[row.phase]
        note = row.note or (counted("{n} file", "{n} files", row.files) if row.files else "")
        table.add_row(
            Text(sign if signs else plain_sign, style),
            Text(name, "bold" if row.phase in WORKING else ""),
            Text(state, style),
            Text(seconds, "dim"),
            Text(spent, "dim"),
            Text(line(note, room) if room > 1 else "", "red" if row.phase == Phase.FAILED else "dim"),
        )
    return table


def _totals(progress: Progress, now: float, hidden: int, *, ended: bool) -> Text:
    every, found = len(progress.modules), progress.counts()
    said = [duration(now - progress.began)]
    if every:
        modules = counted("{n} module", "{n} modules", every)
        said.append(_("{done} of {modules} done").format(done=figure(found.get(Phase.DONE, 0)), modules=modules))
    said += [_counted(phase, found[phase]) for phase in _LEAST_LAST if phase in found]
    said.append(counted("{n} token", "{n} tokens", progress.tokens))
    if hidden and not ended:
        said.append(_("{n} not shown").format(n=figure(hidden)))
    return Text(" · ".join(said), "dim", no_wrap=True, overflow="ellipsis")


def _counted(phase: Phase, number: int) -> str:
    return {
        Phase.WAITING: counted("{n} waiting", "{n} waiting", number),
        Phase.AGREEING: counted("{n} agreeing", "{n} agreeing", number),
        Phase.AGREED: counted("{n} agreed", "{n} agreed", number),
        Phase.PRODUCING: counted("{n} producing", "{n} producing", number),
        Phase.MENDING: counted("{n} mending", "{n} mending", number),
        Phase.FAILED: counted("{n} failed", "{n} failed", number),
        Phase.BLOCKED: counted("{n} blocked", "{n} blocked", number),
    }[phase]
