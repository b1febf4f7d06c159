"""The progress on the screen: a live table, plain lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from matrioska.cli.progress import STEPS, WORKING, ModuleRow, Progress, event_line
from matrioska.cli.text import count, duration, line
from matrioska.cli.ui import Ui
from matrioska.state.results import Phase

_LOOK: dict[Phase, tuple[str, str]] = {
    Phase.WAITING: ("·", "dim"),
    Phase.AGREEING: ("◌", "cyan"),
    Phase.AGREED: ("◐", "cyan"),
    Phase.PRODUCING: ("●", "yellow"),
    Phase.MENDING: ("✚", "magenta"),
    Phase.DONE: ("✓", "green"),
    Phase.FAILED: ("✗", "bold red"),
    Phase.BLOCKED: ("■", "red"),
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
_LONGEST_ID = 34
# Lines that are no module rows: steps, two blank lines, counts, and the cursor's.
_FRAME = 5


class Screen(Protocol):
    """What shows a drive."""

    progress: Progress

    def __enter__(self) -> Screen: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take in a progress event."""

    def say(self, text: str) -> None:
        """Show a sentence without disturbing the rest."""


class SilentScreen:
    """Shows nothing but sentences, for ``--quiet`` and as the base of the others."""

    def __init__(self, ui: Ui) -> None:
        self.ui = ui
        self.progress = Progress(time.monotonic())

    def __enter__(self) -> SilentScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.finish(time.monotonic())

    def on_event(self, event: Mapping[str, Any]) -> None:
        """See `Screen.on_event`."""
        self.progress.apply(event, time.monotonic())

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        calmly(self.ui.err, text)


class PlainScreen(SilentScreen):
    """One line an event, for pipes and logs."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """See `Screen.on_event`."""
        super().on_event(event)
        if told := event_line(event, self.progress, time.monotonic()):
            calmly(self.ui.err, told)


class LiveScreen(SilentScreen):
    """A table that redraws itself."""

    def __init__(self, ui: Ui) -> None:
        super().__init__(ui)
        self._live = Live(
            _View(self.progress),
            console=ui.err,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._live.stop()
        if any(row.changed for row in self.progress.modules.values()):
            calmly(
                self.ui.err, render(self.progress, time.monotonic(), self.ui.err.width, self.ui.err.height, ended=True)
            )


class _View:
    """Draws the progress anew each time the live display asks."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield render(self.progress, time.monotonic(), options.max_width, console.height)


def make_screen(ui: Ui) -> Screen:
    """Return the screen that fits where the output goes."""
    if ui.live:
        return LiveScreen(ui)
    return SilentScreen(ui) if ui.quiet else PlainScreen(ui)


def calmly(console: Console, what: RenderableType) -> None:
    """Print, unless the terminal is gone: a run does not end because nobody looks."""
    try:
        console.print(what, soft_wrap=isinstance(what, str))
    except OSError:
        console.quiet = True


def render(progress: Progress, now: float, width: int, height: int, *, ended: bool = False) -> RenderableType:
    """Return steps (while there are any to come), module table and totals, in at most ``height`` lines."""
    parts: list[RenderableType] = [] if ended else [_steps(progress, now)]
    if progress.modules:
        rows = visible_rows(progress, max(3, height - _FRAME))
        parts += ["", _table(rows, now, width), ""]
    parts.append(_totals(progress, now))
    return Group(*parts)


def visible_rows(progress: Progress, room: int) -> list[ModuleRow]:
    """Return the rows to show: all when they fit, else the most urgent, the latest first."""
    rows = list(progress.modules.values())
    if len(rows) <= room:
        return rows
    urgent = sorted(rows, key=lambda row: (_URGENCY.index(row.phase), -row.changed))
    chosen = {row.id for row in urgent[:room]}
    return [row for row in rows if row.id in chosen]


def _steps(progress: Progress, now: float) -> Text:
    names = list(STEPS)
    for name, before in (("reconcile", "assemble"), ("repair", "assemble"), ("review", "deliver")):
        if name in progress.steps:
            names.insert(names.index(before), name)
    reached = [names.index(name) for name in progress.steps if name in names]
    text = Text(no_wrap=True, overflow="ellipsis")
    for position, name in enumerate(names):
        row = progress.steps.get(name)
        if row is not None and row.ended is None:
            text.append(f"● {name} ", "bold yellow").append(duration(row.seconds(now)), "yellow")
        elif row is not None or any(position < later for later in reached):
            text.append("✓ ", "green").append(name)
        else:
            text.append(f"· {name}", "dim")
        text.append("  ")
    return text


def _table(rows: list[ModuleRow], now: float, width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    for justify in ("left", "left", "left", "right", "right", "left"):
        table.add_column(no_wrap=True, justify=justify)
    names = [line(row.id, _LONGEST_ID) for row in rows]
    worked = [duration(row.seconds(now)) if row.seconds(now) else "" for row in rows]
    tokens = [f"{row.tokens:,} tk" if row.tokens else "" for row in rows]
    # What is left for notes: the sign, four columns and five gaps come first.
    room = width - 1 - _longest(names) - _longest(worked) - _longest(tokens) - len(Phase.PRODUCING) - 10
    for row, name, seconds, spent in zip(rows, names, worked, tokens, strict=True):
        sign, style = _LOOK[row.phase]
        note = row.note or (count(row.files, "file") if row.files else "")
        table.add_row(
            Text(sign, style),
            Text(name, "bold" if row.phase in WORKING else ""),
            Text(row.phase.value, style),
            Text(seconds, "dim"),
            Text(spent, "dim"),
            Text(line(note, room) if room > 1 else "", "red" if row.phase == Phase.FAILED else "dim"),
        )
    return table


def _longest(texts: list[str]) -> int:
    return max(map(len, texts), default=0)


def _totals(progress: Progress, now: float) -> Text:
    told = [duration(now - progress.began), count(progress.tokens, "token")]
    told += [f"{number} {phase.value}" for phase, number in progress.counts().items()]
    return Text(" · ".join(told), "dim", no_wrap=True, overflow="ellipsis")
