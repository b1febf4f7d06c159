"""One answer on its way from the engine's thread to the code that reads it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

from matrioska.models.local.request import Piece
from matrioska.state.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Answer:
    """The reader's side is `Answering`; the engine puts pieces in, and ends it once.

    Args:
        on_cancel: called, from whatever thread, when the reader gives up.
    """

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self._on_cancel = on_cancel
        self._changed = threading.Condition()
        self._items: deque[Piece | ModelError] = deque()
        self._wake: Callable[[], object] | None = None
        self._tokens = 0
        self._read = False
        self.ended = False
        """Set with the last piece, with an error, or when it was cancelled."""

    def put(self, piece: Piece) -> None:
        """Pass a piece on; one that has a `finish` ends the answer."""
        self._add(piece, last=piece.finish is not None)

    def fail(self, error: ModelError) -> None:
        """End the answer with an error."""
        self._add(error, last=True)

    def cancel(self) -> None:
        """Give the answer up. Does nothing once it has ended."""
        if self._add(Piece("", self._tokens, "cancelled"), last=True):
            self._on_cancel()

    def __iter__(self) -> Iterator[Piece]:
        self._claim()
        try:
            while True:
                with self._changed:
                    while not self._items:
                        self._changed.wait()
                    item = self._items.popleft()
                yield _piece(item)
                if item.finish:  # type: ignore[union-attr]  # _piece raises errors
                    return
        finally:
            self.cancel()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        self._claim()
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        come.set()
        with self._changed:
            self._wake = lambda: loop.call_soon_threadsafe(come.set)
        try:
            while True:
                await come.wait()
                come.clear()
                with self._changed:
                    items = list(self._items)
                    self._items.clear()
                for item in items:
                    yield _piece(item)
                    if item.finish:  # type: ignore[union-attr]  # _piece raises errors
                        return
        finally:
            self.cancel()

    def _add(self, item: Piece | ModelError, *, last: bool) -> bool:
        with self._changed:
            if self.ended:
                return False
            self.ended = last
            if isinstance(item, Piece):
                self._tokens = item.tokens
            self._items.append(item)
            self._changed.notify_all()
            wake = self._wake
        if wake is not None:
            try:
                wake()
            except RuntimeError:
                # The reader's event loop was closed: nobody reads any more.
                if not last:
                    self.cancel()
        return True

    def _claim(self) -> None:
        with self._changed:
            if self._read:
                raise ModelError("This answer was read already.", next_step="Submit the request again.")
            self._read = True


def _piece(item: Piece | ModelError) -> Piece:
    if isinstance(item, ModelError):
        raise item
    return item


class AnswerText:
    """Turns tokens into text as they come, and ends it before the first stop text.

    Never gives out half a character, nor what may still become a stop text.
    """

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...]) -> None:
        from tokenizers.decoders import DecodeStream

        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._stop = stop
        self._held = ""
        self.stopped = False
        """Whether a stop text came."""

    def add(self, token: int) -> str:
        """Return the text that a token makes certain; '' when none does.

        Raises:
            Exception: of any class, when the tokenizer cannot decode it.
        """
        self._held += self._stream.step(self._tokenizer, token) or ""
        found = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        if found:
            self.stopped = True
            return self._take(min(found))
        return self._take(len(self._held) - self._undecided())

    def rest(self) -> str:
        """Return what was held back in case it became a stop text; half a character is dropped."""
        return "" if self.stopped else self._take(len(self._held))

    def _take(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        return text

    def _undecided(self) -> int:
        """Return how many characters at the end are the beginning of a stop text."""
        longest = max((len(text) for text in self._stop), default=1) - 1
        for count in range(min(longest, len(self._held)), 0, -1):
            if any(text.startswith(self._held[-count:]) for text in self._stop):
                return count
        return 0
