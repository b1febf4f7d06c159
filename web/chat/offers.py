"""What a chat client can choose as a model, and what comes of asking it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from matrioska.state.results import Usage

OnEvent = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Told:
    """What came of a question, as strangers may see it."""

    text: str
    usage: Usage
    missing: tuple[str, ...] = ()
    """Whose word is missing, in names that people know."""


class Offer(Protocol):
    """What answers under the name of a model."""

    @property
    def id(self) -> str:
        """The model's name."""
        ...

    @property
    def about(self) -> str:
        """What it does with a question."""
        ...

    async def answer(self, question: str, thread_id: str, on_event: OnEvent) -> Told:
        """Answer a question under a thread id of its own.

        Raises:
            MatrioskaError: there is no answer.
        """
        ...
