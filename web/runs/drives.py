"""The runs that this process drives: in tasks of their own, whoever looks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from matrioska.models.recorder import listened
from matrioska.state.errors import MatrioskaError, ThreadBusyError
from matrioska.web.errors import error_body
from matrioska.web.underway import Underway

#: Runs that this process drives at the same time.
MOST_RUNS = 16
#: Seconds that a run which is to stop may take to end the step that it is at.
GRACE = 10.0
#: The same, when the service ends: a person waits for it.
LAST_GRACE = 3.0
#: Threads whose last error is remembered.
MOST_ERRORS = 200

OnEvent = Callable[[Mapping[str, Any]], None]


class Work(Protocol):
    """Drives a run."""

    def __call__(self, *, on_event: OnEvent, control: RunControl) -> Awaitable[Any]:
        """Drive it to its end, or to where it needs a person."""
        ...


class Audience(Protocol):
    """Who is told what the driven runs do."""

    def hear(self, thread: str, event: Mapping[str, Any]) -> None:
        """Take an event of a run's graph."""
        ...

    def hear_piece(self, thread: str, piece: str | None) -> None:
        """Take a piece of an answer."""
        ...


@dataclass
class _Drive:
    control: RunControl = field(default_factory=RunControl)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def stop(self, grace: float) -> None:
        self.control.request_drain("stopped by a person")
        loop = asyncio.get_running_loop()
        # Who asks again gets no more time by that, and the end of the service leaves less.
        if self.task is None or (self.timer is not None and self.timer.when() <= loop.time() + grace):
            return
        if self.timer is not None:
            self.timer.cancel()
        self.timer = loop.call_later(grace, self.task.cancel)


class Drives(Underway[None]):
    """The runs that this process drives.

    Args:
        audience: who is told what they do.
    """

    def __init__(self, audience: Audience) -> None:
        super().__init__(MOST_RUNS, "runs", status=429)
        self._audience = audience
        self._drives: dict[str, _Drive] = {}
        self._errors: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def drives(self, thread: str) -> bool:
        """Whether this process drives a thread."""
        return thread in self._drives

    def error(self, thread: str) -> dict[str, Any] | None:
        """Return what ended the last drive of a thread here; None when it did not fail."""
        return self._errors.get(thread)

    async def drive(self, thread: str, work: Work) -> None:
        """Begin to drive a run. Comes back once it is at work, or has ended already.

        Raises:
            ThreadBusyError: this process drives it already, or another one works on it.
            RequestError: too many are under way, or the service ends.
            MatrioskaError: whatever it raised before it was at work.
        """
        if thread in self._drives:
            raise ThreadBusyError(thread)
        drive = _Drive()
        self._drives[thread] = drive
        failures: list[Exception] = []
        try:
            drive.task = self.begin(lambda: self._work(thread, drive, work, failures), thread)
        except MatrioskaError:
            del self._drives[thread]
            raise
        drive.task.add_done_callback(lambda _: self._over(thread, drive))
        await drive.begun.wait()
        if failures:
            raise failures[0]

    async def _work(self, thread: str, drive: _Drive, work: Work, failures: list[Exception]) -> None:
        def hear(event: Mapping[str, Any]) -> None:
            drive.begun.set()
            self._audience.hear(thread, event)

        self._errors.pop(thread, None)
        try:
            with listened(lambda piece: self._audience.hear_piece(thread, piece)):
                await work(on_event=hear, control=drive.control)
        except GraphDrained:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: nobody waits for this task
            if not drive.begun.is_set():
                failures.append(error)
                return
            self._errors[thread] = error_body(error).error.model_dump()
            while len(self._errors) > MOST_ERRORS:
                self._errors.popitem(last=False)

    def _over(self, thread: str, drive: _Drive) -> None:
        del self._drives[thread]
        if drive.timer is not None:
            drive.timer.cancel()
        failed = self._errors.get(thread)
        self._audience.hear(thread, {"type": "status", "status": "ended", **({"error": failed} if failed else {})})
        drive.begun.set()

    def halt(self, thread: str) -> bool:
        """Stop a run at its next step, or for good after a while; return whether this process drives it."""
        drive = self._drives.get(thread)
        if drive is None:
            return False
        drive.stop(GRACE)
        return True

    def stop(self) -> None:
        """Stop all of them at their next step, or for good after a while, and begin no more: the service ends."""
        self._stopping = True
        self.cut_off += self._drives
        for drive in self._drives.values():
            drive.stop(LAST_GRACE)
