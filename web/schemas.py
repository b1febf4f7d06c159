"""What goes over the wire in our own form, besides the ensemble's own data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.ensemble import MAX_QUERY


class QueryRequest(BaseModel):
    """Body of ``POST /query``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: str = Field(min_length=1, max_length=MAX_QUERY, description="What is asked, in words.")
    stream: bool = Field(
        default=False, description="Answer by server-sent events, as `Accept: text/event-stream` does."
    )


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable identifier.")
    message: str = Field(description="What happened.")
    next_step: str = Field(description="What to do about it; may be empty.")


class ErrorBody(BaseModel):
    """Body of every answer that is no success."""

    error: ErrorDetail


class Health(BaseModel):
    """Body of ``GET /health``."""

    status: Literal["ok"] = Field(description="The service takes queries; its models were not asked.")
    nodes: int = Field(description="Nodes of the topology; 0 where no ensemble is configured.")
    queries: int = Field(description="Queries under way.")
    models: list[str] = Field(description="What chat clients can ask.")
    chats: int = Field(description="Chats under way.")


class ShownNode(BaseModel):
    """A node, without keys, addresses and places on this machine."""

    id: str
    model_a: str
    model_b: str
    tie_break: str | None = None
    cluster: str
    supercluster: str
    fitness: float = Field(description="Share of right answers expected before anything was learnt.")


class ShownTopology(BaseModel):
    """Body of ``GET /topology``."""

    nodes: list[ShownNode]
    synthesizer: str | None = Field(default=None, description="Model that writes the answer; null for none.")
    node_timeout: float = Field(description="Seconds that a node may take for a chunk.")
    max_chunks: int
