"""A page that follows what happens: one subscription, and repaints that come no faster than a person sees."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from nicegui import Client

from matrioska.web.monitor.page import complain
from matrioska.web.runs.views import Event

#: Seconds between two repaints, at least.
INTERVAL = 0.25
#: A repaint takes at most one part in so many of the time.
_SHARE = 5
#: Seconds until what failed is tried again.
_PAUSE = 2.0

Events = Callable[[int], AsyncGenerator[Event]]


class Live:
    """Follows events for as long as a page is open.

    Args:
        client: the page.
        events: the events after the one of that id.
        after: id of the last event that the page shows already.
        hear: called with each event; True when it concerns the page.
        repaint: shows what is different; given whether more happened than pieces of streaming text, so that it has
            to look again.
    """

    def __init__(
        self,
        client: Client,
        events: Events,
        after: int,
        hear: Callable[[Event], bool],
        repaint: Callable[[bool], Awaitable[None]],
    ) -> None:
        self._client = client
        self._events = events
        self._last = after
        self._hear = hear
        self._repaint = repaint
        self._due = asyncio.Event()
        self._stale = False
        self._tasks: list[asyncio.Task[None]] = []
        self._failing: set[str] = set()
        # The page's own: what a browser's message begins would not know the language.
        self._context = contextvars.copy_context()
        client.on_connect(self.begin)
        client.on_delete(self.end)

    def begin(self) -> None:
        """Begin to follow: somebody looks. A second call, after the browser came back, paints what it missed."""
        self.wake()
        if not self._tasks:
            self._tasks = [self._task(self._listen()), self._task(self._paint())]

    def end(self) -> None:
        """Stop following: the page was closed."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def wake(self) -> None:
        """Have the page look again soon, though nothing happened: time went on."""
        self._stale = True
        self._due.set()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work, context=self._context)

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(self._events(self._last)) as events:
                    async for event in events:
                        self._failing.discard("events")
                        self._last = max(self._last, event.id)
                        if self._hear(event):
                            self._stale = self._stale or event.type != "piece"
                            self._due.set()
            except Exception as error:  # noqa: BLE001 - a page must not go blind for one fault
                self._failed("events", error)
            await asyncio.sleep(_PAUSE)

    async def _paint(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            began = time.perf_counter()
            stale, self._stale = self._stale, False
            least = INTERVAL
            try:
                with self._client:
                    await self._repaint(stale)
                self._failing.discard("repaint")
            except Exception as error:  # noqa: BLE001 - the next repaint may do
                self._failed("repaint", error)
                self._stale, least = self._stale or stale, _PAUSE
                self._due.set()
            await asyncio.sleep(max(least, _SHARE * (time.perf_counter() - began)))

    def _failed(self, what: str, error: Exception) -> None:
        """Tell the person, once for as long as it goes on: what the page shows may be so no longer."""
        if what not in self._failing:
            self._failing.add(what)
            with self._client:
                complain(error)
