"""What one stage of one module is given. Kept by content, so that its address is its digest.

Two stages with equal jobs need no second run: the digest is what early cut-off compares.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.artifacts import ArtifactRef

StageKind = Literal["agree", "produce", "mend"]


class Project(BaseModel):
    """What every module knows of the whole."""

    name: str
    goal: str
    constraints: list[str]
    language: str

    @classmethod
    def of(cls, architecture: Architecture) -> Project:
        """Return the part of a plan that all its modules share."""
        return cls.model_validate(architecture.model_dump(include=set(cls.model_fields)))


class Job(BaseModel):
    """The whole input of a stage; a module sees nothing else."""

    kind: StageKind
    project: Project
    spec: ModuleSpec
    values: dict[str, Any] = Field(default_factory=dict)
    """Whiteboard values that the module declared to read."""
    wanted: list[str] = Field(default_factory=list)
    """Whiteboard keys that this stage must write."""
    promised: dict[str, Any] = Field(default_factory=dict)
    """Values agreed before, which the files must honour."""
    readable: dict[str, list[ArtifactRef]] = Field(default_factory=dict)
    """Files of the modules named in ``artifact_reads``, by module id."""
    files: list[ArtifactRef] = Field(default_factory=list)
    """The module's present files, for ``mend``."""
    complaints: list[str] = Field(default_factory=list)
    """Faults to mend."""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of the job: equal jobs have equal bytes.

        The size estimate is left out: it orders the schedule and changes nothing else.
        """
        data = self.model_dump(mode="json", exclude={"spec": {"size"}})
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")

    def digest(self) -> str:
        """Return the SHA-256 of `to_bytes`."""
        return hashlib.sha256(self.to_bytes()).hexdigest()
