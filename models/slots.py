"""Slots: how many stages or calls are under way at once, the most urgent first. For tasks and for threads alike."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager


class Slots:
    """A semaphore that serves the highest rank first.

    A slot is held only while a stage works: never while it waits for another stage, nor for a
    person, so waiting can never starve what is waited for. Who leaves may `expect` others that
    become free by that: else the slot would go to whoever waits already, however far behind.

    Args:
        count: slots in all.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, str, Future[None]]] = []
        self._coming: set[str] = set()
        self._expected: dict[str, Future[None]] = {}

    @contextmanager
    def announced(self, name: str) -> Iterator[None]:
        """Let others `expect` this name while inside. Whether it takes a slot is left open."""
        with self._lock:
            self._coming.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._coming.discard(name)
                turn = self._expected.pop(name, None)
                if turn is not None and not turn.cancel():
                    self._leave()

    def expect(self, rank: float, name: str) -> None:
        """Let a name wait for a slot already, if it is announced and has not come by itself."""
        with self._lock:
            if name in self._coming:
                self._coming.remove(name)
                self._expected[name] = self._enter(rank, name)

    def _turn(self, rank: float, name: str) -> Future[None]:
        with self._lock:
            self._coming.discard(name)
            return self._expected.pop(name, None) or self._enter(rank, name)

    def _enter(self, rank: float, name: str) -> Future[None]:
        turn: Future[None] = Future()
        heapq.heappush(self._waiting, (-rank, name, turn))
        self._serve()
        return turn

    def _serve(self) -> None:
        while self._free and self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            # A waiter that was cancelled meanwhile takes no slot.
            if turn.set_running_or_notify_cancel():
                self._free -= 1
                turn.set_result(None)

    def _leave(self) -> None:
        self._free += 1
        self._serve()

    @contextmanager
    def hold(self, rank: float, name: str) -> Iterator[None]:
        """Hold a slot, waiting for it in this thread."""
        self._turn(rank, name).result()
        try:
            yield
        finally:
            with self._lock:
                self._leave()

    @asynccontextmanager
    async def ahold(self, rank: float, name: str) -> AsyncIterator[None]:
        """Hold a slot, waiting for it in this task."""
        turn = self._turn(rank, name)
        try:
            await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            # Cancelled between being served and waking up: the slot is ours to give back.
            with self._lock:
                if not turn.cancel():
                    self._leave()
            raise
        try:
            yield
        finally:
            with self._lock:
                self._leave()
