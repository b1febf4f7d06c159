"""An offer that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from matrioska.state.results import Usage
from matrioska.web.chat.offers import OnEvent, Told

#: What the six minds of a small cascade tell while they think.
EVENTS: tuple[Mapping[str, Any], ...] = (
    {"type": "mind", "mind": "atlas", "name": "Atlas", "step": "analyse", "phase": "begin"},
    {"type": "piece", "mind": "atlas", "step": "analyse", "text": "The question"},
    {"type": "mind", "mind": "atlas", "name": "Atlas", "step": "analyse", "phase": "end", "text": "It has\ntwo sides."},
    {"type": "delegation", "mind": "atlas", "to": "nova", "text": "How is it built?"},
    {"type": "mind", "mind": "nova", "name": "Nova", "step": "synthesise", "phase": "failed", "error": "No word came."},
    {"type": "reply", "mind": "nova", "status": "failed", "missing": ["nova"]},
    {"type": "mind", "mind": "atlas", "name": "Atlas", "step": "synthesise", "phase": "end", "text": "In short"},
    {"type": "of tomorrow"},
)


@dataclass
class Scripted:
    """An offer.

    Args:
        says: the answer, or what makes it of the question; an error is raised.
        id: the model's name.
        seconds: how long an answer takes.
    """

    says: str | Exception | Callable[[str], str | Exception] = "Yes."
    id: str = "matrioska-cascade"
    seconds: float = 0.0
    missing: tuple[str, ...] = ()
    about: str = "Answers as it is told to."
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    """Questions whose askers went away."""

    async def answer(self, question: str, thread_id: str, on_event: OnEvent) -> Told:
        """See `Offer`."""
        self.asked.append(question)
        for event in EVENTS:
            on_event(event)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(question)
            raise
        said = self.says(question) if callable(self.says) else self.says
        if isinstance(said, Exception):
            raise said
        return Told(said, Usage(calls=3, input_tokens=30, output_tokens=12), self.missing)
