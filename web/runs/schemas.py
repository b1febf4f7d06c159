"""What clients of the runs' API send, and what they are answered besides the views."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.architecture import MAX_GOAL
from matrioska.state.journal import Message
from matrioska.web.runs.views import CheckpointView, RunLine

ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class StartRequest(BaseModel):
    """Body of ``POST /api/runs``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str = Field(min_length=1, max_length=MAX_GOAL, description="What is wanted, in words.")
    thread: ThreadId | None = Field(default=None, description="The run's id; null for one made from the task.")
    approval: Literal["ask", "auto"] = Field(
        default="ask", description="`ask` waits for a person at the plan and at failures; `auto` never waits."
    )
    model: str | None = Field(
        default=None, max_length=300, description="`provider:model`, or a member's name; null for that of the service."
    )


class ForkRequest(BaseModel):
    """Body of ``POST /api/runs/{thread}/fork``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    checkpoint: str = Field(
        min_length=1, max_length=100, description="Id of a checkpoint of its history, or the unique beginning of one."
    )


class RedoRequest(BaseModel):
    """Body of ``POST /api/runs/{thread}/redo``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    module: str = Field(min_length=1, max_length=200, description="Id of the module.")
    spec: dict[str, Any] | None = Field(default=None, description="Fields of its spec to change; null for none.")


class ThreadName(BaseModel):
    """Which run something was done to, or made."""

    thread: str


class RunLines(BaseModel):
    """Body of ``GET /api/runs``."""

    runs: list[RunLine]
    next: str = Field(description="What `after` must say for those that follow; empty at the end.")


class History(BaseModel):
    """Body of ``GET /api/runs/{thread}/history``, the newest first."""

    checkpoints: list[CheckpointView]


class Messages(BaseModel):
    """Body of ``GET /api/runs/{thread}/journal``."""

    messages: list[Message]
    last: int = Field(description="What `after` must say for those that follow.")


class Complaints(BaseModel):
    """Body of the answer to ``POST /api/plan/check``."""

    complaints: list[str] = Field(description="Every fault of the plan, in words; none when it can be carried out.")
