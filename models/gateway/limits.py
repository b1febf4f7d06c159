"""How many calls a member takes at a time and a minute, over all event loops and threads of the process."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from matrioska.models.slots import Slots


class Starts:
    """At most so many calls begun in any minute, first come, first served.

    langchain_core's `InMemoryRateLimiter` does not serve: it lets nothing through at first,
    polls, and serves whoever happens to look first.

    Args:
        per_minute: calls; below one they are that far apart.
        clock: monotonic seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        count = max(1, int(per_minute))
        self._window = 60.0 * count / per_minute
        self._begun: deque[float] = deque(maxlen=count)
        self._clock = clock
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free start and return the seconds until then."""
        with self._lock:
            now = self._clock()
            full = len(self._begun) == self._begun.maxlen
            at = max(now, self._begun[0] + self._window) if full else now
            self._begun.append(at)
            return at - now


class Limits:
    """Both bounds of one member.

    Args:
        slots: calls under way at the same time; None for no bound.
        per_minute: attempts begun per minute; None for no bound.
    """

    def __init__(self, slots: int | None, per_minute: float | None) -> None:
        self._slots = Slots(slots) if slots else None
        self._starts = Starts(per_minute) if per_minute else None
        self._number = itertools.count()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, in the order of asking."""
        if self._slots is None:
            yield
            return
        number = next(self._number)
        async with self._slots.ahold(-float(number), str(number)):
            yield

    async def start(self) -> None:
        """Wait until an attempt may begin."""
        if self._starts is not None and (wait := self._starts.reserve()):
            await asyncio.sleep(wait)
