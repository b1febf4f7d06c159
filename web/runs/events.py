"""Events of one thread: numbered, kept for a while, and told to any number of readers.

Nobody has a queue. Each reader has a place among the events that are kept; one who is so slow that
its place is gone is told to look at the whole again, and goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from matrioska.state.text import clean_text
from matrioska.web.runs.views import Event

#: Events that are kept of a thread.
MOST_EVENTS = 4_000
#: Seconds for which pieces of an answer gather before they are told.
GATHER = 0.1
#: Longest text of pieces told at once, in characters.
MAX_PIECES = 20_000
RESET = "reset"


class Channel:
    """The latest events of one thread.

    Ids begin at the time of day in milliseconds, times 1,000: those of a channel that was dropped are
    never taken for this one's, and they stay whole numbers in JavaScript.

    Args:
        most: events that are kept.

    Attributes:
        last: id of the latest event.
        closed: whether nothing more will be told.
    """

    def __init__(self, most: int = MOST_EVENTS) -> None:
        self.last = int(time.time() * 1_000) * 1_000
        self._kept: deque[Event] = deque(maxlen=most)
        self._news = asyncio.Event()
        self.closed = False

    def tell(self, type: str, data: Mapping[str, Any] | None = None) -> None:
        """Take an event, and wake those who wait for one."""
        self.last += 1
        self._kept.append(Event(id=self.last, type=type, data=dict(data or {})))
        self._wake()

    def close(self) -> None:
        """End every reader once it has read what there is."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def read(self, after: int = 0) -> AsyncGenerator[Event]:
        """Tell what follows an event, and everything from then on.

        Args:
            after: id of the last event known; 0 for what comes from now on.
        """
        return self._read(after or self.last)

    async def _read(self, at: int) -> AsyncGenerator[Event]:
        while True:
            first = self.last - len(self._kept) + 1
            if not first - 1 <= at <= self.last:
                at = self.last
                yield Event(id=at, type=RESET)
            elif at < self.last:
                at += 1
                yield self._kept[at - first]
            elif self.closed:
                return
            else:
                await self._news.wait()


class Pieces:
    """Gathers the pieces of answers that models write, so that each tells several words at once.

    Args:
        channel: where they are told.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._texts: dict[str, str] = {}
        self._restarted: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, source: str, piece: str | None) -> None:
        """Take a piece.

        Args:
            source: who writes: a module, or '' for a step.
            piece: what was added; None says that what came before is void.
        """
        if piece is None:
            self._restarted.add(source)
        self._texts[source] = "" if piece is None else (self._texts.get(source, "") + piece)[-MAX_PIECES:]
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._tell)

    def _tell(self) -> None:
        self._timer = None
        texts, restarted, self._texts, self._restarted = self._texts, self._restarted, {}, set()
        for source, text in texts.items():
            again = {"restart": True} if source in restarted else {}
            self._channel.tell("piece", {"module": source, "text": clean_text(text), **again})

    def close(self) -> None:
        """Drop what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
