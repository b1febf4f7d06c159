"""What is under way for those who ask: bounded in number, cancelled with who asked, ended with the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from starlette.requests import ClientDisconnect, Request

from matrioska.web.errors import RequestError

T = TypeVar("T")


class Underway(Generic[T]):
    """Answers under way.

    Args:
        most: how many there may be at the same time.
        noun: what they are called in words, in the plural.
        status: HTTP status of a request that is one too many.

    Attributes:
        cut_off: names of those that were not done when the service ended.
    """

    def __init__(self, most: int, noun: str, *, status: int = 503) -> None:
        self.most = most
        self.cut_off: list[str] = []
        self._noun = noun
        self._status = status
        self._running: dict[asyncio.Task[T], str] = {}
        self._stopping = False

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, work: Callable[[], Coroutine[Any, Any, T]], name: str = "") -> asyncio.Task[T]:
        """Begin a piece of work, and return the task that does it.

        Raises:
            RequestError: too many are under way, or the service ends.
        """
        if self._stopping:
            raise _ending()
        if len(self._running) >= self.most:
            raise RequestError(
                self._status,
                "busy",
                f"{self.most} {self._noun} are under way already.",
                next_step="Ask again in a moment.",
                headers={"Retry-After": "1"},
            )
        task = asyncio.create_task(work())
        self._running[task] = name
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[T]) -> None:
        del self._running[task]
        if not task.cancelled():
            # Who asked may be gone: what it failed with is then nobody's concern.
            task.exception()

    def stop(self) -> None:
        """Cancel all of them, and begin no more: the service ends."""
        self._stopping = True
        self.cut_off += filter(None, self._running.values())
        for task in self._running:
            task.cancel()

    async def ended(self) -> None:
        """Wait until those that were cancelled are done, so that what they hold open can be closed."""
        await asyncio.gather(*self._running, return_exceptions=True)


async def wait_for(task: asyncio.Task[T], request: Request) -> T:
    """Return what a task answers; cancel it when who asked goes away.

    Raises:
        ClientDisconnect: who asked went away.
        RequestError: the service ends.
        MatrioskaError: whatever the task raised.
    """
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return result_of(task)
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def result_of(task: asyncio.Task[T]) -> T:
    """Return what a task that is done answers.

    Raises:
        RequestError: it was cancelled, since the service ends.
        MatrioskaError: whatever it raised.
    """
    if task.cancelled():
        raise _ending()
    return task.result()


def _ending() -> RequestError:
    return RequestError(503, "stopping", "The service ends.", next_step="Ask again once it runs.")


async def _gone(request: Request) -> None:
    """Return once the asker has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
