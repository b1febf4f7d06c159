"""The writer's thread: takes entries from everywhere, and keeps whatever has come in by then at once.

An entry is left in a queue and nobody is woken for it; who needs it kept asks for a flush. So a
step costs one transaction and one change of threads, and steps that end together share even that.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from matrioska.store.journal.entries import Entry

#: Seconds after which an entry that nobody waits for is kept: readers in other processes see it then.
LINGER_SECONDS = 0.2
#: Seconds without work after which the thread ends, and with it the connection. The next entry begins another.
IDLE_SECONDS = 5.0
#: Entries kept in one transaction, at most: others want to write too.
MOST_AT_ONCE = 1_000

_Wish = Future[None] | asyncio.Future[None]


class Writer:
    """A queue, and the thread that empties it.

    Args:
        keep: keeps entries for good, in order; must not raise.
        rest: called in the writer's thread when it ends for want of work.
    """

    def __init__(self, keep: Callable[[Sequence[Entry]], None], rest: Callable[[], None]) -> None:
        self._keep = keep
        self._rest = rest
        self._entries: deque[Entry] = deque()
        # A SimpleQueue wakes without a lock that an event loop could wait for.
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def append(self, entry: Entry) -> None:
        """Take an entry; never waits."""
        self._entries.append(entry)
        # After the entry stands in the queue: see `_ends`.
        if self._thread is None:
            self._start()

    def flush(self) -> Future[None]:
        """Return what is done once every entry taken so far is kept. It never fails."""
        wish: Future[None] = Future()
        if self._is_idle():
            wish.set_result(None)
        else:
            self._ask(wish)
        return wish

    def flushed(self) -> asyncio.Future[None]:
        """Return the same, as a future of the running loop."""
        loop = asyncio.get_running_loop()
        wish = loop.create_future()
        if self._is_idle():
            wish.set_result(None)
        else:
            # After this round of the loop: steps that end in the same one go in one transaction.
            loop.call_soon(self._ask, wish)
        return wish

    def _is_idle(self) -> bool:
        # While there is no thread nothing waits: whoever adds an entry begins one.
        return self._thread is None and not self._entries

    def _ask(self, wish: _Wish) -> None:
        self._wishes.put(wish)
        if self._thread is None:
            self._start()

    def stop(self) -> None:
        """Wait until everything is kept and the thread has ended. Another entry begins another."""
        self.flush().result()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._wishes.put(None)
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="matrioska-journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        idle, stopping = 0.0, False
        while True:
            wishes, stop = self._await()
            stopping = stopping or stop
            worked = bool(self._entries or wishes)
            try:
                while self._entries:
                    self._keep([self._entries.popleft() for _ in range(min(len(self._entries), MOST_AT_ONCE))])
            except BaseException:
                # A fault of ours; the next entry begins another thread. Nobody may wait for this one for ever.
                self._thread = None
                raise
            finally:
                _grant(wishes)
            idle = 0.0 if worked else idle + LINGER_SECONDS
            if (stopping or idle >= IDLE_SECONDS) and self._ends():
                return

    def _await(self) -> tuple[list[_Wish], bool]:
        """Wait until somebody wants entries kept, or for a moment; return all wishes, and whether to stop."""
        wishes, stop = list[_Wish](), False
        try:
            wish = self._wishes.get(timeout=LINGER_SECONDS)
            while True:
                if wish is None:
                    stop = True
                else:
                    wishes.append(wish)
                wish = self._wishes.get_nowait()
        except queue.Empty:
            return wishes, stop

    def _ends(self) -> bool:
        """Let the thread end, unless something came in meanwhile."""
        with self._lock:
            # Whoever adds an entry looks for a thread afterwards: either we see the entry here, or they see none.
            thread, self._thread = self._thread, None
            if self._entries or not self._wishes.empty():
                self._thread = thread
                return False
            # Under the lock, so that no other thread begins before this one has let go of the database.
            self._rest()
            return True


def _grant(wishes: Sequence[_Wish]) -> None:
    """Tell all who wait; each event loop is woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for wish in wishes:
        if isinstance(wish, asyncio.Future):
            loops.setdefault(wish.get_loop(), []).append(wish)
        elif wish.set_running_or_notify_cancel():
            wish.set_result(None)
    for loop, waiting in loops.items():
        # A loop that was closed meanwhile has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(waiting: Sequence[asyncio.Future[None]]) -> None:
    for wish in waiting:
        if not wish.done():
            wish.set_result(None)
