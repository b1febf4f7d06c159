"""A page that follows what happens: one subscription, and repaints that come no faster than a person sees."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from nicegui import Client

from matrioska.web.runs.views import Event

#: Seconds between two repaints, at least.
INTERVAL = 0.25
#: A repaint takes at most one part in so many of the time.
_SHARE = 5
#: Seconds until a subscription that broke is made again.
_PAUSE = 2.0

Events = Callable[[int], AsyncIterator[Event]]


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
                async for event in self._events(self._last):
                    self._last = max(self._last, event.id)
                    if self._hear(event):
                        self._stale = self._stale or event.type != "piece"
                        self._due.set()
            except Exception as error:  # noqa: BLE001 - a page must not go blind for one fault
                self._client.handle_exception(error)
            await asyncio.sleep(_PAUSE)

    async def _paint(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            began = time.perf_counter()
            stale, self._stale = self._stale, False
            try:
                with self._client:
                    await self._repaint(stale)
            except Exception as error:  # noqa: BLE001 - the next repaint may do
                self._stale = self._stale or stale
                self._client.handle_exception(error)
            await asyncio.sleep(max(INTERVAL, _SHARE * (time.perf_counter() - began)))
