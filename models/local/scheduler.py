"""Which rows run: first come, first served, as far as memory goes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from matrioska.models.local.answer import Answer, AnswerText
from matrioska.models.local.cache import WORTH_SHARING, KVCache, Place, common, is_out_of_memory
from matrioska.models.local.request import Request
from matrioska.models.local.sampling import Draw

if TYPE_CHECKING:
    from llguidance import LLMatcher

#: How often later requests may pass one for which there is no room yet.
_PASSES = 8


@dataclass(eq=False)
class Row:
    """A request on its way."""

    request: Request
    answer: Answer
    text: AnswerText
    draw: Draw | None
    """None takes the likeliest token."""
    tokens: list[int]
    """Prompt and answer."""
    matcher: LLMatcher | None = None
    capacity: int = 0
    """Tokens for which it is given room."""
    place: Place | None = None
    """Where its keys and values are, while it runs."""
    passed: int = 0
    """How often others passed it in the queue."""
    giver: Row | None = None
    """A row whose prompt begins alike and is being computed."""
    shared: int = 0
    """Tokens that it will take over from there."""

    @property
    def generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - len(self.request.prompt)

    @property
    def seen(self) -> int:
        """Tokens whose keys and values are there."""
        return self.place.length if self.place else 0

    @property
    def pending(self) -> int:
        """Tokens that the model has not seen yet; 1 while it answers."""
        return len(self.tokens) - self.seen

    def unseen(self, count: int) -> list[int]:
        """Return the first of these."""
        return self.tokens[self.seen : self.seen + count]

    def saw(self, count: int) -> int:
        """Note that the model has seen that many more; return how many of these are of the prompt."""
        of_prompt = max(0, min(count, len(self.request.prompt) - self.seen))
        if self.place is not None:
            self.place.length += count
        return of_prompt


@dataclass
class Scheduler:
    """Rows that run and rows that wait. Belongs to the engine's thread.

    Args:
        most: rows that may run at once.
        prefixes: whether prompts that begin alike are computed once.
    """

    cache: KVCache
    most: int
    prefixes: bool = True
    running: list[Row] = field(default_factory=list)
    """In the order in which they were admitted."""
    waiting: deque[Row] = field(default_factory=deque)
    ceiling: int = 0
    """Rows that the device can hold since its memory ran out; 0 for no such limit."""

    def drop_ended(self) -> None:
        """Take out the rows whose readers gave up, or that have ended otherwise."""
        for row in [row for row in self.running if row.answer.ended]:
            self.leave(row)
        if any(row.answer.ended for row in self.waiting):
            self.waiting = deque(row for row in self.waiting if not row.answer.ended)

    def admit(self) -> None:
        """Let rows in that wait, as far as there is room.

        One for which there is none is passed by smaller ones behind it, some times at the most.
        """
        blocked: list[Row] = []
        for row in list(self.waiting):
            if len(self.running) >= min(self.most, self.ceiling or self.most):
                break
            if (blocked and row.capacity >= blocked[-1].capacity) or not self.cache.fits(row.capacity):
                blocked.append(row)
                if row.passed >= _PASSES:
                    break
                continue
            try:
                row.place = self.cache.add(row.capacity)
            except Exception as error:
                if not self.running or not is_out_of_memory(error):
                    raise
                self.ceiling = len(self.running)
                break
            self.waiting.remove(row)
            self.running.append(row)
            self._share(row)
            for other in blocked:
                other.passed += 1
            if any(other.passed >= _PASSES for other in blocked):
                break

    def leave(self, row: Row, *, broken: bool = False) -> None:
        """Take a row out of the batch; unless it is broken, its beginning is kept for others."""
        self.running.remove(row)
        if row.place is not None:
            if self.prefixes and not broken:
                self.cache.keep(row.tokens, row.place)
            self.cache.remove(row.place, clean=broken)
        row.place = row.giver = None
        for other in self.running:
            if other.giver is row:
                self._share(other)
        if self.ceiling:
            # The device may have got memory back from others.
            self.ceiling += 1

    def requeue(self, count: int) -> None:
        """Send the rows that came last back to the queue, to go on from where they are."""
        for row in reversed(self.running[len(self.running) - count :]):
            self.leave(row, broken=True)
            self.waiting.appendleft(row)
        self.ceiling = max(1, len(self.running))

    def plan(self, budget: int) -> list[tuple[Row, int]]:
        """Return the rows of the next step and how many tokens of each the model is given.

        Args:
            budget: tokens of prompts that are computed at the most, so that rows under way wait not for long.
        """
        chosen = []
        for row in self.running:
            self._take_over(row)
            if row.giver is not None:
                continue
            count = row.pending
            if count > 1:
                count = min(count, budget)
                budget -= count
            if count:
                chosen.append((row, count))
        return chosen

    def _share(self, row: Row) -> None:
        """Look for the longest beginning that is known or will be; the last token is always computed."""
        row.giver, row.shared = None, 0
        if not self.prefixes or row.place is None:
            return
        asked = tuple(row.tokens[:-1])
        kept = self.cache.find(asked)
        if kept is not None and kept[1] >= row.place.length + WORTH_SHARING:
            self.cache.copy(kept[0], row.place, kept[1])
        # Only from those before it, so that no two wait for each other.
        for other in takewhile(lambda other: other is not row, self.running):
            alike = common(asked, tuple(other.tokens))
            if alike >= max(row.place.length, row.shared) + WORTH_SHARING:
                row.giver, row.shared = other, alike

    def _take_over(self, row: Row) -> None:
        """Copy what a row waits for, once it is there."""
        if row.giver is None or row.place is None or row.giver.place is None:
            return
        if row.giver.place.length >= row.shared:
            self.cache.copy(row.giver.place, row.place, row.shared)
            row.giver, row.shared = None, 0
