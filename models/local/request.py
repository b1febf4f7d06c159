"""What is asked of a local model's engine, and what comes back. Plain data, no torch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Request:
    """One answer to be generated."""

    prompt: tuple[int, ...]
    """Token ids of the prompt."""
    max_tokens: int
    """Tokens that the answer may have."""
    temperature: float = 0.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0
    seed: int | None = None
    """Same seed, prompt and settings give the same answer, whatever else runs in the batch."""
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    json_schema: str = ""
    """JSON schema, as JSON text, to which the answer is held; '' for none."""
    grammar: str = ""
    """llguidance (Lark) grammar to which the answer is held; '' for none."""


@dataclass(frozen=True)
class Piece:
    """A part of an answer: what new tokens added to its text."""

    text: str
    """May be '' while a character is incomplete or may still become a stop text."""
    tokens: int
    """Tokens generated so far."""
    finish: Finish | None = None
    """Set on the last piece."""


class Answering(Protocol):
    """An answer under way. Iterate it once, from sync or async code; every error is raised there.

    Raises (while iterating):
        ModelError: this request failed; others in the batch go on.
    """

    def __iter__(self) -> Iterator[Piece]: ...

    def __aiter__(self) -> AsyncIterator[Piece]: ...

    def cancel(self) -> None:
        """Give the row up; it leaves the batch at the next step."""
        ...


class Engine(Protocol):
    """A loaded model that answers many requests at once."""

    def submit(self, request: Request) -> Answering:
        """Queue a request. Thread-safe, returns at once.

        Raises:
            QueueFullError: too many requests wait.
            ContextWindowError: prompt and answer exceed what the device's memory or the model takes.
            ModelError: the grammar is not understood, or the engine was closed.
        """
        ...

    def close(self) -> None:
        """End what runs (each with an error), free the device's memory."""
        ...
