"""What clients of the runs' API send, and what they are answered besides the views."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.architecture import MAX_GOAL
from matrioska.state.budget import Budget
from matrioska.state.context import RunContext
from matrioska.state.journal import Message
from matrioska.web.runs.views import CheckpointView, RunLine

ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Role = Literal["architect", "boss", "worker", "critic", "assembler"]


#: Most files that come with a request, bytes of all of them, and characters of one in base64.
MOST_FILES, MOST_BYTES = 50, 16_000_000
_MOST_CONTENT = (MOST_BYTES + 2) // 3 * 4


class SentFile(BaseModel):
    """A file that comes with a request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=255, description="By which modules read it: a plain file name.")
    content: str = Field(
        max_length=_MOST_CONTENT, description="Its bytes.", json_schema_extra={"contentEncoding": "base64"}
    )


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
    assets: list[SentFile] = Field(
        default_factory=list,
        max_length=MOST_FILES,
        description=f"Files for the modules to read, of {MOST_BYTES:,} bytes together at most.",
    )
    budget_tokens: int | None = Field(
        default=None, ge=1, description="Tokens, input and output together, at which it pauses and asks."
    )
    budget_cost: float | None = Field(default=None, gt=0, description="US dollars at which it pauses and asks.")
    timeout: float | None = Field(default=None, gt=0, description="Seconds at work at which it pauses and asks.")
    direct: bool | None = Field(default=None, description="Take the task as one module, without planning.")
    project: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="Project whose memory it reads and adds to; null for one of its own.",
    )
    roles: dict[Role, Annotated[str, Field(max_length=300)]] = Field(
        default_factory=dict,
        description="Model by role, in the forms of `model`.",
        json_schema_extra={
            "properties": {role: {"type": "string", "maxLength": 300} for role in get_args(Role)},
            "additionalProperties": False,
        },
    )
    language: str | None = Field(
        default=None, pattern=r"^[a-z]{2}(-[A-Z]{2})?$", description="Language of the deliverable: `en`, `pt-BR`."
    )
    slots: int | None = Field(default=None, ge=1, le=10_000, description="Module stages at work at the same time.")
    review_rounds: int | None = Field(
        default=None, ge=0, le=10, description="Times that a critic looks at the whole; 0 for never."
    )

    def wishes(self) -> RunContext:
        """Return what else the run chooses."""
        chosen = self.model_dump(include={"direct", "project", "language", "slots", "review_rounds"}, exclude_none=True)
        return RunContext.model_validate(chosen | ({"roles": self.roles} if self.roles else {}))

    def budget(self) -> Budget:
        """Return the limits at which it pauses."""
        return Budget.model_validate(self.model_dump(include=set(Budget.model_fields)))


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
