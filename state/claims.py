"""Claims: what a module says about something that another one owns, and how such disputes ended."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.artifacts import ArtifactRef


class Claim(BaseModel):
    """A module's word on a whiteboard key or a path that is another's."""

    kind: Literal["value", "file"]
    subject: str
    """The whiteboard key, or the path below the deliverable's root."""
    owner: str
    """Id of the module that the plan gives the subject to."""
    module: str
    """Id of the module that claims it."""
    value: Any = None
    """The value claimed, for ``value``."""
    ref: ArtifactRef | None = None
    """The file claimed, for ``file``."""
    argument: str = ""
    """What the module said about it, cut to a readable length."""

    @property
    def key(self) -> str:
        """Name of the subject among all: ``value:<key>`` or ``file:<path>``."""
        return f"{self.kind}:{self.subject}"


class Settlement(BaseModel):
    """How a dispute ended."""

    kind: Literal["value", "file"]
    subject: str
    owner: str
    winner: str
    """Id of the module whose word holds."""
    losers: list[str] = Field(default_factory=list)
    value: Any = None
    """The value that holds, for ``value``."""
    ref: ArtifactRef | None = None
    """The file that holds, for ``file``."""
    by: str
    """``boss``, or ``owner`` when no model was asked or its answer could not be used."""
    why: str = ""

    @property
    def key(self) -> str:
        """See `Claim.key`."""
        return f"{self.kind}:{self.subject}"


class Review(BaseModel):
    """What a critic found in one round."""

    round: int
    findings: list[dict[str, Any]] = Field(default_factory=list)
    """`Finding`s, as JSON."""
    deliverable: str = ""
    """SHA-256 over the files reviewed: what has not changed need not be reviewed again."""
    by: str = ""
    """Model that reviewed."""
    faults: int = 0
    """Errors that the checks found, and modules not done, when it was reviewed."""
    mended: list[str] = Field(default_factory=list)
    """Modules to which findings went back; none when the review ended with this round."""
    before: str = ""
    """SHA-256, in the artifact store, of what stood before the mends; '' when there were none."""
