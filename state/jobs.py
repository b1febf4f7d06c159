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
from matrioska.state.repository import Asset, Term

StageKind = Literal["agree", "produce", "mend"]

_LATER_JOB = ("assets",)
_LATER_SPEC = ("asset_reads", "worker_options")
_LATER_PROJECT = ("guidelines", "timeline", "glossary")


class Project(BaseModel):
    """What every module knows of the whole."""

    name: str
    goal: str
    constraints: list[str]
    language: str
    guidelines: list[str] = Field(default_factory=list)
    timeline: list[str] = Field(default_factory=list)
    glossary: list[Term] = Field(default_factory=list)

    @classmethod
    def of(cls, architecture: Architecture) -> Project:
        """Return the part of a plan that all its modules share."""
        return cls.model_validate(architecture.model_dump(include=set(cls.model_fields)))

    def brief(self) -> dict[str, Any]:
        """Return what every kind of work is told of the project, whatever its domain."""
        return self.model_dump(include={"name", "goal", "constraints", "language"})


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
    assets: list[Asset] = Field(default_factory=list)
    """Assets named in ``asset_reads``."""
    files: list[ArtifactRef] = Field(default_factory=list)
    """The module's present files, for ``mend``."""
    complaints: list[str] = Field(default_factory=list)
    """Faults to mend."""

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of the job: equal jobs have equal bytes.

        The size estimate is left out: it orders the schedule and changes nothing else. So are the
        fields that came later, where they say nothing: digests of older runs stay what they were.
        """
        data = self.model_dump(mode="json", exclude={"spec": {"size"}, "assets": {"__all__": {"at"}}})
        for holder, names in ((data, _LATER_JOB), (data["spec"], _LATER_SPEC), (data["project"], _LATER_PROJECT)):
            for name in names:
                if not holder[name]:
                    del holder[name]
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")

    def digest(self) -> str:
        """Return the SHA-256 of `to_bytes`."""
        return hashlib.sha256(self.to_bytes()).hexdigest()
