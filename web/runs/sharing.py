"""Looks that many ask for at the same time, taken once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Takes looks at threads, one of each thread at a time.

    Who asks while a look is under way is given the one after it, with all others who ask meanwhile: what it
    shows is never older than the question.

    Args:
        look: takes a look at a thread; what it returns is shared, and must not be changed.
    """

    def __init__(self, look: Callable[[str], Awaitable[T]]) -> None:
        self._look = look
        self._under_way: dict[str, asyncio.Task[T]] = {}
        self._coming: dict[str, asyncio.Task[T]] = {}

    async def at(self, thread: str) -> T:
        """Return what a look at a thread shows that begins now or later; whatever it raises is raised."""
        look = self._coming.get(thread)
        if look is None:
            # In nobody's context: it must not be told in the language of whoever happened to ask first.
            look = self._coming[thread] = asyncio.create_task(self._take(thread), context=Context())
        # One who goes away does not take it from the others.
        return await asyncio.shield(look)

    async def _take(self, thread: str) -> T:
        before = self._under_way.get(thread)
        if before is not None:
            await asyncio.wait([before])
        mine = self._under_way[thread] = self._coming.pop(thread)
        try:
            return await self._look(thread)
        finally:
            if self._under_way.get(thread) is mine:
                del self._under_way[thread]
