"""The ensemble's data: its topology, the units of a query, votes and what came of them. Plain JSON throughout."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Longest query, in characters.
MAX_QUERY = 100_000

NodeId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class NodeSpec(BaseModel):
    """One node: two models that answer the same question and vote."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: NodeId
    model_a: str
    """A member's name or ``provider:model``; ``gguf:PATH`` for a file."""
    model_b: str
    """The other one; may equal the first, sampled apart."""
    tie_break: str | None = None
    """Who settles what the two disagree on; None lets them criticise each other."""
    cluster: str = ""
    supercluster: str = ""
    fitness: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Share of right answers that is expected before anything is known: the mean of the prior."""


class Topology(BaseModel):
    """All nodes, and the larger model that writes the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: tuple[NodeSpec, ...]
    synthesizer: str | None = None
    """The larger model (``superllm``); None joins the answers without a model."""
    node_timeout: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """Seconds that a node may take for a chunk."""
    max_chunks: Annotated[int, Field(ge=1, le=100)] = 20
    """Units that a query is divided into at the most; what is more stays in the last."""


class Chunk(BaseModel):
    """One unit of a query."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 1, in the order of the query."""
    lead: str
    """What connects it to the one before (", and then", "2."), '' for nothing; no part of what is asked."""
    text: str
    """What is asked, word for word."""
    after: tuple[int, ...] = ()
    """Numbers of chunks whose answers it needs."""

    @property
    def whole(self) -> str:
        """Lead and text, as they stood in the query."""
        return f"{self.lead} {self.text}".strip()


class ModelAnswer(BaseModel):
    """What one of a node's models said."""

    model: str
    text: str = ""
    seconds: float = 0.0
    error: str = ""
    """Why there is no answer; '' when there is."""


class NodeVote(BaseModel):
    """A node's word on one chunk."""

    node: str
    chunk: int
    kind: str
    """Kind of task that the chunk was taken for; fitness is kept for each."""
    answer: str = ""
    """'' when the node gave none."""
    confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    fitness: float = 0.0
    """What the node was expected to get right when it was asked."""
    weight: float = 0.0
    """What the vote counts: the log odds of its fitness × confidence; 0 without an answer."""
    how: Literal["agreed", "critique", "tie_break", "one_model", "failed", "cancelled"] = "failed"
    answers: list[ModelAnswer] = Field(default_factory=list)
    seconds: float = 0.0
    calls: int = 0
    error: str = ""


class ChunkResult(BaseModel):
    """What the nodes decided on one chunk."""

    chunk: Chunk
    answer: str = ""
    confidence: float = 0.0
    """Share of the weight behind the answer; 0 when nobody answered."""
    nodes: list[str] = Field(default_factory=list)
    """Nodes whose answer it is."""
    votes: list[NodeVote] = Field(default_factory=list)
    early: bool = False
    """Whether it was decided before all nodes had answered."""
    saved_calls: int = 0
    """Calls to models that were never made or were cancelled because of that, as far as they are certain."""
    error: str = ""


class Timings(BaseModel):
    """Seconds."""

    decompose: float = 0.0
    nodes: float = 0.0
    synthesis: float = 0.0
    total: float = 0.0


class EnsembleAnswer(BaseModel):
    """The whole result: what ``POST /query`` answers."""

    answer: str
    chunks: list[ChunkResult]
    votes: list[NodeVote]
    """Those of all chunks, flat."""
    timings: Timings
    synthesized_by: str = ""
    """Model that wrote the answer; '' when the chunks' answers were joined without one."""
    missing: list[int] = Field(default_factory=list)
    """Numbers of chunks that nobody answered."""
