"""What modules and runs hand over. Stored in checkpoints as plain JSON: a published format."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.artifacts import ArtifactRef


class Usage(BaseModel):
    """What calls to models cost."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    """Seconds spent waiting for models, summed over calls."""
    cost: float = 0.0
    """US dollars, for calls to members whose price is known."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            seconds=round(self.seconds + other.seconds, 6),
            cost=round(self.cost + other.cost, 9),
        )


class ErrorRecord(BaseModel):
    """An error in a form that survives a checkpoint."""

    code: str
    message: str
    next_step: str = ""
    retryable: bool = False
    raw_answer: str = ""
    """The model's answer that could not be used, cut to a readable length."""
    trace: str = ""
    """End of the traceback, for faults that are ours to mend."""


class Phase(StrEnum):
    """Where a module stands; the words of the live table and of progress events."""

    WAITING = "waiting"
    AGREEING = "agreeing"
    AGREED = "agreed"
    PRODUCING = "producing"
    MENDING = "mending"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


class Finding(BaseModel):
    """A fault that a check found, in words that can be sent back to a model."""

    module: str
    """The module that should mend it; '' when none can be named."""
    path: str = ""
    """File concerned, below the root of the deliverable."""
    message: str
    severity: Literal["error", "warning"] = "error"
    """A warning is sent back to its module as well, but does not keep a run from being complete."""


def feedback_of(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Return what modules are told to mend, by module id; findings of no module are left out."""
    feedback: dict[str, list[str]] = {}
    for finding in findings:
        if finding.module:
            told = f"{finding.path}: {finding.message}" if finding.path else finding.message
            feedback.setdefault(finding.module, []).append(told)
    return feedback


class ModuleResult(BaseModel):
    """Everything a module handed over."""

    status: Literal["done", "failed", "blocked"]
    values: dict[str, Any] = Field(default_factory=dict)
    """Whiteboard values it wrote."""
    artifacts: list[ArtifactRef] = Field(default_factory=list)
    """Its files, with paths below its own folder."""
    agree_digest: str = ""
    """Digest of all that the agreed values depend on; '' when there was no agree stage."""
    digest: str = ""
    """Digest of all that the files depend on; equal inputs need no second run."""
    agreed: bool = False
    """Whether the values were promised before the files were written."""
    findings: list[str] = Field(default_factory=list)
    """Complaints that the mends did not settle."""
    usage: Usage = Field(default_factory=Usage)
    mends: int = 0
    """How many mends were made."""
    context: dict[str, Any] = Field(default_factory=dict)
    """Record of the context package: entries with token counts."""
    error: ErrorRecord | None = None
    blocked_by: list[str] = Field(default_factory=list)
    """Modules whose failure blocks this one."""


class Deliverable(BaseModel):
    """The joined result."""

    files: list[ArtifactRef]
    """Paths below the deliverable's root."""
    entry_point: str = ""
    """The file to open first; '' when the deliverable has none."""
    folder: str = ""
    """Absolute folder into which the files were written; '' before delivery."""
    archive: str = ""
    """Absolute path of the zip; '' before delivery."""
