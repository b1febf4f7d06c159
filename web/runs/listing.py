"""The list of runs and questions, the one touched last first."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping

from matrioska.state.journal import Conversation
from matrioska.store.journal import Journal
from matrioska.web.errors import error_body
from matrioska.web.runs.asked import question_line, single_line
from matrioska.web.runs.locks import at_work, held_inodes
from matrioska.web.runs.reading import run_line
from matrioska.web.runs.saved import Mark, Saves
from matrioska.web.runs.views import RunLine

#: Lines that are kept for as long as nothing changes in their threads.
MOST_LINES = 5_000
#: 100 ns ticks between 1582, from which the time in an id counts, and 1970.
_GREGORIAN = 0x01B21DD213814000
#: The latest checkpoint of each thread: from one thread to the next by the index, past all that lies between.
_LATEST = """
    WITH RECURSIVE threads(id) AS (
        SELECT MIN(thread_id) FROM checkpoints
        UNION ALL
        SELECT (SELECT MIN(thread_id) FROM checkpoints WHERE thread_id > id) FROM threads WHERE id IS NOT NULL
    ), latest(thread, checkpoint) AS (
        SELECT id, (SELECT MAX(checkpoint_id) FROM checkpoints WHERE thread_id = id AND checkpoint_ns = '') FROM threads
    )
    SELECT thread, checkpoint FROM latest WHERE checkpoint IS NOT NULL
"""


class Listing:
    """The list.

    Args:
        saves: what is saved.
        journal: what was said.
        here: whether this process drives a thread.
    """

    def __init__(self, saves: Saves, journal: Journal, here: Callable[[str], bool]) -> None:
        self._saves, self._journal, self._here = saves, journal, here
        self._lines: OrderedDict[str, tuple[Mark, RunLine]] = OrderedDict()

    async def lines(self, after: str, limit: int) -> list[RunLine]:
        """Return a part of the list.

        Args:
            after: id of the thread before the first one wanted; '' for the beginning, as for one that is not there.
            limit: so many at the most.
        """
        order, times = await asyncio.to_thread(self._order)
        begin = order.index(after) + 1 if after in times else 0
        wanted = order[begin : begin + limit]
        heads, inodes = await asyncio.to_thread(self._journal.heads, wanted), held_inodes()
        found = []
        for thread in wanted:
            found.append(await self.line(thread, heads, inodes, updated=times[thread]))
            # To read a thread anew takes milliseconds, of which others wait for one at the most.
            await asyncio.sleep(0)
        return found

    async def line(
        self,
        thread: str,
        heads: Mapping[str, Conversation],
        inodes: frozenset[int] | None,
        *,
        updated: float = 0.0,
    ) -> RunLine:
        """Return one thread in the list. One that cannot be read must not hide the others.

        Args:
            thread: its id.
            heads: conversations of the journal, by id.
            inodes: see `held_inodes`.
            updated: when it was touched last, if that is later than what is saved.
        """
        head = heads.get(thread)
        working = self.working(thread, head, inodes)
        try:
            found = single_line(head) if head and head.graph == "single" else await self._saved(thread, head)
        except Exception as error:  # noqa: BLE001 - whatever stands there in a thread's place
            reason = error_body(error).error.message
            return RunLine(thread=thread, graph="", title=reason, status="unreadable", updated=updated)
        told = {"here": self._here(thread), "updated": max(updated, found.updated)}
        return found.model_copy(update=told | ({"status": "working"} if working else {}))

    def working(self, thread: str, head: Conversation | None, inodes: frozenset[int] | None) -> bool:
        """Whether this process drives a thread, or another one works on it."""
        if self._here(thread):
            return True
        lock = self._saves.runs.layout.checkpoints / "locks" / f"{thread}.lock"
        return at_work(lock, head, inodes)

    async def _saved(self, thread: str, head: Conversation | None) -> RunLine:
        mark, kept = self._saves.mark(thread), self._lines.get(thread)
        if kept is None or kept[0] != mark:
            # A thread is of one graph for good, and to find out which reads all that is saved of it.
            known = "matrioska" in (kept and kept[1].graph, head and head.graph)
            kept = self._lines[thread] = (mark, await self._read(thread, known=known))
        self._lines.move_to_end(thread)
        while len(self._lines) > MOST_LINES:
            self._lines.popitem(last=False)
        return kept[1]

    async def _read(self, thread: str, *, known: bool) -> RunLine:
        if not known and self._saves.graph(thread) != "matrioska":
            return question_line(await self._saves.question(thread))
        return run_line(thread, await self._saves.run(thread))

    def _order(self) -> tuple[list[str], dict[str, float]]:
        """Return all threads, the one touched last first, and when each was."""
        times = self._times()
        for thread, (graph, updated) in self._journal.latest().items():
            if thread in times or graph == "single":
                times[thread] = max(times.get(thread, 0.0), updated)
        return sorted(times, key=lambda thread: (-times[thread], thread)), times

    def _times(self) -> dict[str, float]:
        """Return when each thread's last checkpoint was made: its id tells."""
        with self._saves.runs.saver.cursor(transaction=False) as cursor:
            rows = cursor.execute(_LATEST).fetchall()
        return {str(thread): _time_of(str(checkpoint)) for thread, checkpoint in rows}


def _time_of(checkpoint: str) -> float:
    """Return when a checkpoint was made, by its id: a UUID of version 6."""
    try:
        number = uuid.UUID(checkpoint).int
    except ValueError:
        return 0.0
    ticks = (number >> 80) << 12 | (number >> 64) & 0xFFF
    return (ticks - _GREGORIAN) / 1e7
