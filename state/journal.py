"""What is kept of what was said: conversations, messages, and what processing them took. Plain JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

MessageType = Literal[
    "delegation",
    "response",
    "query",
    "reflection",
    "iteration",
    "synthesis",
    "critique",
    "expansion",
    "status",
    "error",
    "control",
]
Status = Literal["open", "done", "failed"]

#: Longest content of one message, in characters; what is more is cut, and the message says so.
MAX_CONTENT = 1_000_000
#: Longest name of who speaks or is spoken to.
MAX_PARTY = 200
#: Longest name of a model or an error in a metric.
MAX_NAME = 400


class Conversation(BaseModel):
    """One thread: a run, a question, or several in a row."""

    id: str
    """The thread's id; of a run that nobody can resume, one made for it."""
    graph: str
    """``matrioska``, ``ensemble``, ``cascade``, ``single``, or ``compare`` (what a judge says)."""
    title: str = ""
    """The beginning of what was asked."""
    status: Status = "open"
    created: float
    """Seconds since 1970, UTC."""
    updated: float
    messages: int = 0
    tokens: int = 0
    cost: float = 0.0


class Metric(BaseModel):
    """What processing took: one call to a model."""

    service: str
    """``provider:model``."""
    operation: str
    """What the call was for: the step's name."""
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    """US dollars."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """How the model was asked: temperature and the like, never keys or addresses."""
    error: str = ""


class Message(BaseModel):
    """One message."""

    id: str
    conversation: str
    correlation: str
    """Id of what was asked at first: the same for all messages that it led to."""
    parent: str | None
    """Id of the message that this one answers; None only for the first of what was asked."""
    type: MessageType
    source: str
    destination: str
    content: str
    context: dict[str, Any] = Field(default_factory=dict)
    """What the speaker was given: of a call, its prompt."""
    processing: dict[str, Any] = Field(default_factory=dict)
    """Details of how it came about."""
    status: Status = "done"
    created: float
    """Seconds since 1970, UTC."""
    updated: float
    number: int
    """In the order of writing, within the conversation."""
    metrics: list[Metric] = Field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens that went in and out of all calls behind it."""
        return sum(metric.input_tokens + metric.output_tokens for metric in self.metrics)
