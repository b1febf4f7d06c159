"""The screen of what goes on: it redraws itself, prints a line an event, or shows nothing. One base for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live

from matrioska.cli.text import line
from matrioska.cli.ui import Ui
from matrioska.i18n import _, told


class Progress(Protocol):
    """What a screen knows of what goes on."""

    began: float

    @property
    def is_begun(self) -> bool:
        """Whether there is anything to show once all has ended."""

    def apply(self, event: Mapping[str, Any], now: float) -> None:
        """Take in one event; one of an unknown kind changes nothing."""

    def finish(self, now: float) -> None:
        """Close what is open: the drive ended."""


class Row(Protocol):
    """A line of a table that may be too long for the screen."""

    @property
    def phase(self) -> StrEnum:
        """Where it stands."""

    @property
    def changed(self) -> int:
        """Number of the event that touched it last."""


P = TypeVar("P", bound=Progress)
P_contra = TypeVar("P_contra", bound=Progress, contravariant=True)
R = TypeVar("R", bound=Row)


class Draw(Protocol[P_contra]):
    """Draws a progress."""

    def __call__(self, progress: P_contra, now: float, console: Console, *, ended: bool = False) -> RenderableType:
        """Return a picture of at most the console's width and height.

        Args:
            progress: what is shown.
            now: the time, on the clock that the progress was given.
            console: where it is shown.
            ended: whether the drive has ended, and the picture stays.
        """


class SilentScreen(Generic[P]):
    """Shows nothing but sentences, for ``--quiet`` and as the base of the others.

    Args:
        ui: where it shows them.
        progress: what takes in the events; its clock is `time.monotonic`.
    """

    def __init__(self, ui: Ui, progress: P) -> None:
        self.ui = ui
        self.progress = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.finish(time.monotonic())

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take in a progress event."""
        self.progress.apply(event, time.monotonic())
        if event.get("type") == "journal" and not self.ui.quiet:
            self.say(_("! The journal: {trouble}").format(trouble=line(told(str(event.get("trouble") or "")), 300)))

    def say(self, text: str) -> None:
        """Show a sentence without disturbing the rest."""
        calmly(self.ui.err, text)


class PlainScreen(SilentScreen[P]):
    """One line an event, for pipes and logs.

    Args:
        ui: see `SilentScreen`.
        progress: see `SilentScreen`.
        line_of: returns the line of an event that the progress has taken in already; '' for none.
    """

    def __init__(self, ui: Ui, progress: P, line_of: Callable[[Mapping[str, Any], P, float], str]) -> None:
        super().__init__(ui, progress)
        self._line_of = line_of

    def on_event(self, event: Mapping[str, Any]) -> None:
        """See `SilentScreen.on_event`."""
        super().on_event(event)
        if text := self._line_of(event, self.progress, time.monotonic()):
            calmly(self.ui.err, text)


class LiveScreen(SilentScreen[P]):
    """A picture that redraws itself.

    Args:
        ui: see `SilentScreen`.
        progress: see `SilentScreen`.
        draw: draws it.
    """

    def __init__(self, ui: Ui, progress: P, draw: Draw[P]) -> None:
        super().__init__(ui, progress)
        self._draw = draw
        self._live = Live(
            _View(progress, draw),
            console=ui.err,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._live.stop()
        if self.progress.is_begun:
            calmly(self.ui.err, self._draw(self.progress, time.monotonic(), self.ui.err, ended=True))


class _View(Generic[P]):
    """Draws the progress anew each time the live display asks."""

    def __init__(self, progress: P, draw: Draw[P]) -> None:
        self._progress, self._draw = progress, draw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._draw(self._progress, time.monotonic(), console)


def calmly(console: Console, what: RenderableType) -> None:
    """Print, unless the terminal is gone: a run does not end because nobody looks."""
    try:
        console.print(what, soft_wrap=isinstance(what, str))
    except OSError:
        console.quiet = True


def knows_signs(console: Console) -> bool:
    """Whether a console shows more than ASCII."""
    return console.encoding.startswith("utf")


def most_urgent(rows: Sequence[R], room: int, urgency: Sequence[StrEnum]) -> list[R]:
    """Return the rows to show, in their own order: all when they fit, else the most urgent, the latest first.

    Args:
        rows: all rows.
        room: how many fit.
        urgency: every phase, that which a person wants to see first at the front.
    """
    if len(rows) <= room:
        return list(rows)
    rank = {phase: place for place, phase in enumerate(urgency)}
    places = sorted(range(len(rows)), key=lambda place: (rank[rows[place].phase], -rows[place].changed))
    return [rows[place] for place in sorted(places[:room])]
