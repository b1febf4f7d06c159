"""Taking in an answer as it comes: bounded, and cut off early when it goes nowhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage

from matrioska.models.recorder import current_listener

#: Longest answer accepted, in characters: far above any real one, low enough to bound memory.
MAX_ANSWER = 4_000_000
#: Pieces of an answer, empty ones included.
MAX_PIECES = 1_000_000
#: Characters that a token has at the most, on average over an answer, with room to spare.
CHARACTERS_PER_TOKEN = 16
#: How much longer than asked for an answer may get before it is cut off.
SLACK = 1_000

# A passage counts as repeating itself when it stands there so often, and makes up so much text.
_TIMES = 8
_REPEATED = 4_000
_LONGEST_PASSAGE = 2_000
_PROBE = 32
_LOOK_EVERY = 1_000
#: Classes whose protocols always say why an answer ended; one that does not was broken off.
_SAY_WHY_THEY_END = frozenset({"BaseChatOpenAI", "ChatAnthropic", "ChatOllama"})
_WHY_ENDED = ("finish_reason", "stop_reason", "done_reason", "status")


class Collected:
    """An answer, as much of it as has come.

    Args:
        model: who answers.
        max_tokens: tokens that were asked for at the most.
    """

    def __init__(self, model: BaseChatModel, max_tokens: int | None) -> None:
        self.fault = ""
        """Why it was cut off here; '' when it was not."""
        self.finish = ""
        """Why it ended, in the server's words."""
        self._most = min(MAX_ANSWER, max_tokens * CHARACTERS_PER_TOKEN + SLACK) if max_tokens else MAX_ANSWER
        self._says_why = any(cls.__name__ in _SAY_WHY_THEY_END for cls in type(model).__mro__)
        self._pieces: list[BaseMessage] = []
        self._merged: tuple[int, AIMessage] | None = None
        self._tail = ""
        self._size = 0
        self._looked = 0

    @property
    def begun(self) -> bool:
        """Whether anything came."""
        return bool(self._pieces)

    @property
    def broke_off(self) -> bool:
        """Whether it ended without the word that its protocol demands."""
        return self._says_why and not self.finish and not self.fault

    @property
    def message(self) -> AIMessage:
        """The answer in one piece."""
        if self._merged is None or self._merged[0] != len(self._pieces):
            self._merged = len(self._pieces), self._merge()
        return self._merged[1]

    def _merge(self) -> AIMessage:
        first, *others = self._pieces or [AIMessage("")]
        if not others or not isinstance(first, AIMessageChunk):
            return first if isinstance(first, AIMessage) else AIMessage(first.content)
        return first + [piece for piece in others if isinstance(piece, AIMessageChunk)]

    @property
    def usage(self) -> UsageMetadata | None:
        """Tokens, as the server counts them; None when it does not say."""
        pieces = [piece for piece in self._pieces if isinstance(piece, AIMessage) and piece.usage_metadata]
        counts = [piece.usage_metadata for piece in pieces]
        if not counts:
            return None
        # OpenAI's protocol sends totals, by some servers again with every piece. Others send what was added.
        if any(piece.response_metadata.get("model_provider") == "openai" for piece in self._pieces):
            return counts[-1]
        total: UsageMetadata | None = None
        for count in counts:
            total = add_usage(total, count)
        return total

    def add(self, piece: BaseMessage) -> None:
        """Take in the next piece. Sets `fault` when nothing more should come."""
        self._pieces.append(piece)
        metadata = piece.response_metadata
        incomplete = metadata.get("incomplete_details")
        reasons = [incomplete.get("reason")] if isinstance(incomplete, dict) else []
        reasons += [metadata.get(key) for key in _WHY_ENDED]
        self.finish = next((str(reason) for reason in reasons if reason), self.finish)
        text = _written(piece)
        self._size += len(text)
        self._tail += text
        if self._size > self._most or len(self._pieces) > MAX_PIECES:
            self.fault = (
                f"The answer was cut off: it has more than {self._most} characters, which are the most. "
                "Answer with less."
            )
        elif self._size - self._looked >= _LOOK_EVERY:
            self._looked = self._size
            self._tail = self._tail[-(_LONGEST_PASSAGE * _TIMES + _PROBE) :]
            if passage := repeated(self._tail):
                self.fault = (
                    f"The answer was cut off: it repeats itself without end, last with {passage[:80]!r}. "
                    "Say everything once."
                )

    async def take(self, stream: AsyncIterator[BaseMessage], quiet: asyncio.Timeout, idle: float | None) -> None:
        """Take in a stream until it ends or goes nowhere, and close it.

        Args:
            stream: pieces of the answer.
            quiet: the time limit around this call.
            idle: seconds for which it is set anew with each piece; None leaves it alone.
        """
        closing: Any = stream
        async with contextlib.aclosing(closing):
            async for piece in stream:
                if idle is not None:
                    quiet.reschedule(asyncio.get_running_loop().time() + idle)
                self.add(piece)
                if text := str(piece.text):
                    current_listener()(text)
                if self.fault:
                    return
                # A model in this process may have its pieces ready: others get their turn, and limits hold.
                await asyncio.sleep(0)


def _written(piece: BaseMessage) -> str:
    """Return everything that a piece adds, reasoning and arguments of tools included."""
    parts = [piece.content] if isinstance(piece.content, str) else [_inner(block) for block in piece.content]
    parts.append(str(piece.additional_kwargs.get("reasoning_content") or ""))
    parts += [str(call.get("args") or "") for call in getattr(piece, "tool_call_chunks", ())]
    return "".join(parts)


def _inner(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    return "".join(value for key, value in block.items() if isinstance(value, str) and key not in ("type", "id"))


def repeated(text: str) -> str:
    """Return the passage that the end of a text repeats over and over; '' when it does not.

    Looks for the last place where the text's last characters stand before, which gives the
    length of the passage, and compares.
    """
    probe = text[-_PROBE:]
    at = text.rfind(probe, 0, len(text) - 1)
    length = len(text) - _PROBE - at
    if at < 0 or length > _LONGEST_PASSAGE:
        return ""
    passage = text[-length:]
    times = max(_TIMES, -(-_REPEATED // length))
    return passage if text.endswith(passage * times) else ""
