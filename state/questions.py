"""A question and its answer, whoever answers: one model, the cascade or the ensemble."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.results import Usage

Via = Literal["single", "cascade", "ensemble"]
VIAS: tuple[Via, ...] = ("single", "cascade", "ensemble")


class Answered(BaseModel):
    """What came of a question."""

    via: Via
    text: str
    model: str = ""
    """Who wrote the text: ``provider:model``; '' when it was joined without a model."""
    usage: Usage = Field(default_factory=Usage)
    seconds: float = 0.0
    """On the clock, from the question to the answer."""
    thread_id: str = ""
    """Conversation in the journal, and thread of the graph where there is one."""
    missing: list[str] = Field(default_factory=list)
    """Whose word is missing, in names that people know."""
    details: dict[str, Any] = Field(default_factory=dict)
    """`CascadeAnswer` or `EnsembleAnswer` as JSON; empty for a single model."""


class Estimate(BaseModel):
    """What a question is expected to cost, before it is asked."""

    via: Via
    calls: int
    """Calls to models when nothing goes wrong."""
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    """US dollars; None when the price of one of the models is not known."""
