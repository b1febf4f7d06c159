"""What a context package is made from, and what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.state.artifacts import SourceFile
from matrioska.state.jobs import Job
from matrioska.state.repository import DecisionRecord, Entry
from matrioska.store.artifacts import ArtifactStore


class Rank(IntEnum):
    """How much a piece is needed. What ranks last gives way first."""

    NEEDED = 0
    """The goal, the manual, the contract: always word for word."""
    READ = 1
    """What the module declared to read: condensed when it does not fit, never left out."""
    HELPFUL = 2
    """Whole files and assets in words: condensed, or left out when even that does not fit."""
    RELATED = 3
    """What the project's repository holds besides: left out when it does not fit."""


class Block(BaseModel):
    """A picture or a sound that goes to the model as such."""

    kind: Literal["image", "audio"]
    name: str
    """Name of the asset or file it shows."""
    media_type: str
    sha256: str
    """Digest of its bytes in the artifact store."""
    tokens: int
    """What it is counted for."""


@dataclass(frozen=True)
class Piece:
    """One entry of a package before it is fitted."""

    section: str
    """The data fence in which it stands."""
    name: str
    """Its name in the record: ``values.palette``, ``artifacts.shop/app.js``."""
    text: str
    """What it says, word for word; '' for a block."""
    rank: Rank
    key: str = ""
    """The section is one JSON object, and this its key; '' where a section is plain text."""
    value: Any = None
    """The JSON value that ``text`` shows, where ``key`` is given."""
    identifiers: frozenset[str] = frozenset()
    """Names that others rely on: they must survive."""
    block: Block | None = None


class Section(BaseModel):
    """One named part of a context package."""

    name: str
    text: str


class ContextPackage(BaseModel):
    """What a module is told, ready for its prompt."""

    sections: list[Section]
    blocks: list[Block] = Field(default_factory=list)


@dataclass(frozen=True)
class Material:
    """Everything that an adapter may draw on for one module."""

    job: Job
    store: ArtifactStore
    modalities: frozenset[str] = frozenset()
    """Kinds of content that the member takes besides text, as its settings say; empty when they say nothing."""
    files: Mapping[str, Sequence[SourceFile]] = field(default_factory=dict)
    """Text files of the modules in ``artifact_reads``, by module."""
    related: Sequence[Entry] = ()
    """Entries of the repository that fit the module, the best first; of every domain."""
    decisions: Sequence[DecisionRecord] = ()
    """Recent decisions of the project that concern the module, the newest first."""
