"""Threads that somebody looks at: what is new of each is found out once, for all who look."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from matrioska.state.errors import StoreError
from matrioska.state.journal import Message
from matrioska.store.journal import Journal
from matrioska.web.runs.board import Board
from matrioska.web.runs.events import Channel, Pieces
from matrioska.web.runs.saved import Mark
from matrioska.web.runs.views import Event, in_line

#: Seconds between two looks: the least, and the most where nothing happens.
SOONEST, LATEST = 0.2, 1.0
#: Seconds for which a thread's events are kept once nobody reads them: a page that is loaded again goes on.
LINGER = 60.0
#: Threads whose events are kept though nobody reads them.
MOST_IDLE = 8

MarkOf = Callable[[str], Mark | None]


class Watch:
    """One thread that is looked at.

    Args:
        thread: its id.
        journal: where its messages stand.
        mark_of: says what tells its saved states apart; None for a thread without any.
        here: whether this process drives it: its graph then tells modules and steps itself.
        left: told when nobody reads it any more.

    Attributes:
        board: its modules.
        readers: how many read its events.
        idle_since: when the last of them went; monotonic seconds.
    """

    def __init__(
        self,
        thread: str,
        journal: Journal,
        mark_of: MarkOf,
        here: Callable[[str], bool],
        left: Callable[[], None],
    ) -> None:
        self.thread = thread
        self.board = Board()
        self.channel = Channel()
        self.readers = 0
        self.idle_since = time.monotonic()
        self._journal = journal
        self._mark_of = mark_of
        self._here = here
        self._left = left
        self._mark: Mark | None = None
        self._begun = False
        self._pieces = Pieces(self.channel)
        self._lock = asyncio.Lock()
        self._nudge = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None

    async def look(self) -> bool:
        """Take in and tell what is new; return whether anything was.

        Raises:
            StoreError: journal or checkpoints cannot be read.
        """
        async with self._lock:
            before, after = self.channel.last, self.board.last
            messages, mark = await asyncio.to_thread(self._read, after)
            for message in messages:
                self._take(message)
            if mark != self._mark and self._begun:
                self.channel.tell("state", {"checkpoint": mark[0] if mark else ""})
            self._mark, self._begun = mark, True
            return self.channel.last != before

    def _read(self, after: int) -> tuple[list[Message], Mark | None]:
        # The mark first: what was said before a checkpoint is then surely among the messages.
        mark = self._mark_of(self.thread)
        return self._journal.messages(self.thread, after, brief=True), mark

    def _take(self, message: Message) -> None:
        changed = self.board.take(message)
        if not self._begun:
            return
        if changed and not self._here(self.thread):
            row = self.board.rows[changed]
            error = {"error": in_line(row.error)} if row.error else {}
            self.channel.tell("module", {"type": "module", "module": changed, "phase": row.state.value, **error})
        self.channel.tell("message", shown_message(message))

    def hear(self, event: Mapping[str, Any]) -> None:
        """Tell an event of the graph, which this process drives."""
        if not self._journal.keeps:
            self.board.hear(event, time.time())
        self.channel.tell(str(event.get("type", "progress")), event)
        self._nudge.set()

    def hear_piece(self, source: str, piece: str | None) -> None:
        """Tell a piece of an answer; see `Pieces.hear`."""
        self._pieces.hear(source, piece)

    async def events(self, after: int) -> AsyncGenerator[Event]:
        """Tell what follows an event, and everything from then on; see `Channel.read`."""
        self.readers += 1
        if self._poller is None and not self.channel.closed:
            self._poller = asyncio.create_task(self._poll(), name=f"watch {self.thread}")
        try:
            async with contextlib.aclosing(self.channel.read(after)) as reading:
                async for event in reading:
                    yield event
        finally:
            self.readers -= 1
            if not self.readers:
                self._rest()

    def _rest(self) -> None:
        self.idle_since = time.monotonic()
        if self._poller is not None:
            self._poller.cancel()
            self._poller = None
        self._left()

    async def _poll(self) -> None:
        pause = SOONEST
        while True:
            try:
                new = await self.look()
            except StoreError:
                # Somebody writes, for long, or it is gone: who looks at the whole is told.
                new = False
            pause = SOONEST if new else min(LATEST, pause * 1.5)
            self._nudge.clear()
            await asyncio.sleep(SOONEST)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudge.wait(), pause - SOONEST)

    async def close(self) -> None:
        """End every reader, and stop looking."""
        self._pieces.close()
        self.channel.close()
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.cancel()
            await asyncio.gather(poller, return_exceptions=True)


class Watches:
    """The threads that are looked at.

    Args:
        journal: where their messages stand.
        mark_of: see `Watch`.
        here: see `Watch`.
    """

    def __init__(self, journal: Journal, mark_of: MarkOf, here: Callable[[str], bool]) -> None:
        self._journal, self._mark_of, self._here = journal, mark_of, here
        self._all: dict[str, Watch] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._all)

    def find(self, thread: str) -> Watch | None:
        """Return the watch of a thread; None while nobody looks at it."""
        return self._all.get(thread)

    def of(self, thread: str) -> Watch:
        """Return the watch of a thread, from now on if nobody has looked at it yet."""
        watch = self._all.get(thread)
        if watch is None:
            watch = self._all[thread] = Watch(thread, self._journal, self._mark_of, self._here, self._tidy_later)
            if self._closed:
                watch.channel.close()
        watch.idle_since = time.monotonic()
        self._tidy(keep=thread)
        self._tidy_later()
        return watch

    def _tidy_later(self) -> None:
        if self._timer is None and self._all and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._tidy)

    def _tidy(self, keep: str = "") -> None:
        """Drop what nobody has read for a while, and of too many those that were read longest ago."""
        idle = [watch for watch in self._all.values() if not watch.readers and watch.thread != keep]
        idle.sort(key=lambda watch: watch.idle_since)
        late, surplus = time.monotonic() - LINGER, max(0, len(idle) - MOST_IDLE)
        for number, watch in enumerate(idle):
            if number < surplus or watch.idle_since <= late:
                del self._all[watch.thread]
        if not keep:
            self._timer = None
            self._tidy_later()

    async def close(self) -> None:
        """End all of them, and those that are looked at from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for watch in list(self._all.values()):
            await watch.close()
        self._all.clear()


def shown_message(message: Message) -> dict[str, Any]:
    """Return what an event tells of a message; the whole stands in the journal."""
    return {
        "number": message.number,
        "id": message.id,
        "parent": message.parent,
        "type": message.type,
        "source": message.source,
        "destination": message.destination,
        "status": message.status,
        "text": in_line(message.content),
        "at": message.created,
    }
