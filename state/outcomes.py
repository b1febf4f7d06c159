"""What a task of the engine hands back. Stored as the task's result: plain JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.claims import Claim
from matrioska.state.results import ErrorRecord, Usage


class Outcome(BaseModel):
    """How one stage of one module ended."""

    status: Literal["done", "failed", "blocked"]
    job: str = ""
    """Digest of the stage's inputs; '' when it never started."""
    values: dict[str, Any] = Field(default_factory=dict)
    artifacts: list[ArtifactRef] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    mends: int = 0
    usage: Usage = Field(default_factory=Usage)
    context: dict[str, Any] = Field(default_factory=dict)
    error: ErrorRecord | None = None
    blocked_by: list[str] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)
    """What the stage says about things that other modules own."""
    reused: bool = False
    """Whether an earlier result with the same inputs stood in."""
    delegated: bool = False
    """Whether the module was given the work; else there was nothing to do, or no doing it."""
