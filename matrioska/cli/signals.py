"""Stopping on request: first gently, at the next step; then for good. What is saved stays saved."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from langgraph.runtime import RunControl

from matrioska.cli import main
from matrioska.i18n import _

T = TypeVar("T")
GRACE_VARIABLE = "MATRIOSKA_GRACE_SECONDS"
_GRACE = 10.0
# A task that does not even end when cancelled is left behind after this long.
_PATIENCE = 5.0
# A signal that was not noticed after this long is sent again.
_NOTICED = 0.1


class Stopped(Exception):  # noqa: N818 - no error: the person asked for it
    """The run was stopped before its end."""


def grace_seconds() -> float:
    """Return how long a stopping run may take to finish its step, from the environment."""
    try:
        return max(0.0, float(os.environ.get(GRACE_VARIABLE, "")))
    except ValueError:
        return _GRACE


class Stopper:
    """Turns signals into a stop of the drive that runs at that moment.

    Use as a context manager inside the event loop, around everything that must not be torn
    apart: opening the database as well as driving.

    Args:
        say: tells the person what happens.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.control = RunControl()
        self.requested = False
        self.forced = False
        self.say = say
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._undo: Callable[[], None] = lambda: None

    def __enter__(self) -> Stopper:
        self._listen()
        self.requested = bool(main.seen)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo()
        if self._timer is not None:
            self._timer.cancel()

    async def drive(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end.

        Raises:
            Stopped: a signal came before it could begin, or it was cancelled by one.
        """
        if self.requested:
            work.close()
            raise Stopped
        self._task = asyncio.ensure_future(work)
        try:
            return await self._ended(self._task)
        except asyncio.CancelledError:
            if not self.forced:
                raise
            raise Stopped from None
        finally:
            self._task = None

    async def _ended(self, task: asyncio.Task[T]) -> T:
        while not task.done():
            # A signal in the midst of a wait must not cut short what the task gets to end.
            forced = self.forced
            await asyncio.wait({task}, timeout=_PATIENCE if forced else 1.0)
            if forced and not task.done():
                # What it fails with, now that it is cut off from everything, is nobody's concern.
                task.add_done_callback(lambda left: left.cancelled() or left.exception())
                raise Stopped
        return task.result()

    @contextmanager
    def at_prompt(self) -> Iterator[None]:
        """While a person is asked, signals raise KeyboardInterrupt: reading a line must not swallow them."""
        self._undo()
        undo = main.catch_signals()
        try:
            if self.requested:
                raise KeyboardInterrupt
            with _insisting():
                yield
        finally:
            undo()
            self._listen()

    def _listen(self) -> None:
        names = [signal.SIGINT, signal.SIGTERM]
        # A terminal that closes sends SIGHUP; under nohup it is ignored and stays so.
        hangup = getattr(signal, "SIGHUP", None)
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
            names.append(hangup)
        loop = asyncio.get_running_loop()
        before = {name: signal.getsignal(name) for name in names}
        try:
            for name in names:
                loop.add_signal_handler(name, self._on_signal)
        except (NotImplementedError, RuntimeError, ValueError):
            self._undo = self._listen_without_loop(loop, names)
            return

        def undo() -> None:
            for name, handler in before.items():
                loop.remove_signal_handler(name)
                signal.signal(name, handler if handler is not None else signal.SIG_DFL)

        self._undo = undo

    def _listen_without_loop(self, loop: asyncio.AbstractEventLoop, names: list[signal.Signals]) -> Callable[[], None]:
        """Windows' event loop knows no signal handlers; Python's own reach it by another way."""

        def handler(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._on_signal)

        try:
            before = {name: signal.signal(name, handler) for name in names}
        except ValueError:
            return lambda: None

        def undo() -> None:
            for name, old in before.items():
                signal.signal(name, old)

        return undo

    def _on_signal(self) -> None:
        if self.requested:
            self._force()
            return
        self.requested = True
        grace = grace_seconds()
        if self._task is None:
            return
        says = _("Stopping after the current step… (at most {seconds} s; once more to stop now)")
        self.say(says.format(seconds=f"{grace:g}"))
        self.control.request_drain("stopped by a signal")
        self._timer = asyncio.get_running_loop().call_later(grace, self._force)

    def _force(self) -> None:
        if self._task is None:
            return
        self.forced = True
        self._task.cancel()


class AtOnce(Stopper):
    """A `Stopper` for work of which nothing is saved: the first signal cancels it."""

    def _on_signal(self) -> None:
        self.requested = True
        self._force()


@contextmanager
def _insisting() -> Iterator[None]:
    """Send a signal again that Python did not notice: one that comes just before a read blocks waits for a key."""
    if not hasattr(signal, "pthread_kill"):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    asker, handled = threading.get_ident(), len(main.seen)

    def insist() -> None:
        while number := os.read(reader, 1):
            time.sleep(_NOTICED)
            if number[0] in (signal.SIGINT, signal.SIGTERM) and len(main.seen) == handled:
                signal.pthread_kill(asker, number[0])

    watcher = threading.Thread(target=insist, name="matrioska-signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        watcher.join()
        os.close(reader)
