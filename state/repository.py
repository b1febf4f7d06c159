"""What the context repository keeps of a project across its runs. Plain JSON in a store: a published format.

A project has sections (one for each module that a run finished) and sections have elements
(values, files, analyses). Beside them stand shared assets, the history of decisions, and terms.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.artifacts import ArtifactRef

#: Version of the saved records. Newer ones are refused by name.
REPOSITORY_FORMAT = 1

#: A project's name is a label of a store's namespace, which takes no dots.
PROJECT_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")

#: Largest asset taken in, in bytes.
MAX_ASSET_BYTES = 200_000_000

Level = Literal["project", "section", "element"]


class Term(BaseModel):
    """A term of the glossary: what it means, and what each domain calls it."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, frozen=True)

    term: Annotated[str, Field(min_length=1, max_length=100)]
    meaning: Annotated[str, Field(max_length=1_000)] = ""
    domains: Annotated[dict[str, Annotated[str, Field(max_length=200)]], Field(max_length=20)] = Field(
        default_factory=dict
    )
    """The word for it by domain, as in ``{"code": "bpm", "audio": "tempo in beats per minute"}``."""


class ProjectRecord(BaseModel):
    """A project as a whole, as its last run left it."""

    format: int = REPOSITORY_FORMAT
    name: str = ""
    goal: str = ""
    constraints: list[str] = Field(default_factory=list)
    guidelines: list[str] = Field(default_factory=list)
    """Style guidelines."""
    timeline: list[str] = Field(default_factory=list)
    language: str = ""
    thread: str = ""
    """The run that wrote it."""
    at: float = 0.0
    """Seconds since the epoch."""


class Entry(BaseModel):
    """One text of a project that later work may be told."""

    id: str
    """Stable within the project: ``<section>``, or ``<section>/<kind>/<name>`` for an element."""
    level: Level
    section: str
    """Id of the module that it came from."""
    kind: Literal["section", "value", "file", "analysis"] = "section"
    title: str
    text: str
    """What a model would be told: a description, a value as JSON, the outline of a file."""
    domain: str = ""
    """Modality of the work it belongs to; '' for every kind of work."""
    thread: str = ""
    at: float = 0.0


class Asset(BaseModel):
    """A file that modules may read by reference. Its bytes stand in the artifact store."""

    model_config = ConfigDict(frozen=True)

    ref: ArtifactRef
    """``ref.path`` is the name by which plans refer to it."""
    domain: str = ""
    """``vision``, ``audio``, ``prose``, ``data`` or ``code``, by its content."""
    description: str = ""
    """What it is, in a line: kind, size, length."""
    at: float = 0.0


class DecisionRecord(BaseModel):
    """Who decided what, when and why."""

    at: float
    thread: str
    who: str
    """``person``, ``architect``, ``boss``, ``critic``, ``owner`` (no model was asked), or a module's id."""
    what: str
    why: str = ""
    about: list[str] = Field(default_factory=list)
    """Modules and whiteboard keys concerned."""
