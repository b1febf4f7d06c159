"""What the caller of a run may choose. Checked when given; never saved in this form.

Every field may be left out: the run then uses the thread's saved options, the environment,
``matrioska.toml`` or the default, in this order.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ROLES = ("architect", "boss", "worker", "critic", "assembler")


class RunContext(BaseModel):
    """Options of one invocation (``context=`` of invoke, ainvoke, stream and Studio)."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    approval: Literal["ask", "auto"] | None = None
    """``ask`` pauses for a person at the plan and at failures; ``auto`` never pauses."""
    direct: bool | None = None
    """Treat the task as one module, with no planning call."""
    model: Any = None
    """``provider:model``, or a LangChain chat model, for every role without its own."""
    roles: dict[Literal["architect", "boss", "worker", "critic", "assembler"], Any] = Field(default_factory=dict)
    """Model by role, same forms as ``model``."""
    base_path: str | None = None
    """Folder that holds artifacts, checkpoints and results."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] | None = None
    """Language of the deliverable; None lets the architect follow the task."""
    slots: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Module stages that may work at the same time; waiting ones do not count."""
    max_mends: Annotated[int, Field(ge=0, le=10)] | None = None
    """Corrections asked of a module before its faults are reported."""
    plan_repairs: Annotated[int, Field(ge=0, le=10)] | None = None
    """Corrections asked of the architect before its plan is refused."""
    refine_rounds: Annotated[int, Field(ge=0, le=10)] | None = None
    """Times that references which do not resolve go back to their modules."""
    review_rounds: Annotated[int, Field(ge=0, le=10)] | None = None
    """Times that what a critic finds in the whole goes back to the modules; 0 for no critic."""
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] | None = None
    """Name of the project whose context repository the run reads and adds to; None for one of the run's own."""
    embedder: str | None = None
    """``provider:model`` that ranks what the repository holds by meaning; None ranks by words."""
    token_budget: Annotated[int, Field(ge=256)] | None = None
    """Tokens that one module's context package may take; None asks the model's profile."""
    budget_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens, input and output together, after which the run pauses and asks; None for no limit."""
    budget_cost: Annotated[float, Field(gt=0)] | None = None
    """US dollars after which the run pauses and asks."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds at work after which the run pauses and asks. Calls under way are waited for."""


class RunOptions(BaseModel):
    """The options a run goes by once every source has spoken. Saved with the thread."""

    approval: Literal["ask", "auto"] = "ask"
    direct: bool = False
    model: str = "embedded"
    roles: dict[str, str] = Field(default_factory=dict)
    base_path: str = "."
    language: str | None = None
    slots: int = 8
    max_mends: int = 2
    plan_repairs: int = 2
    refine_rounds: int = 2
    review_rounds: int = 1
    project: str | None = None
    embedder: str | None = None
    token_budget: int | None = None
    budget_tokens: int | None = None
    budget_cost: float | None = None
    timeout: float | None = None
