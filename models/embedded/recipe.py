"""What a recipe is: one kind of deliverable that the embedded model knows how to plan and write.

A recipe works from the `Brief` (what the task's text says) alone, so that every answer can
be computed again from the prompt: the embedded model keeps no state between calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal["webapp", "analysis", "document"]


@dataclass(frozen=True)
class EntityField:
    """A field of an entity."""

    name: str
    """Identifier in code: lower-case ASCII with underscores."""
    label: str
    """Label for people, in the brief's language."""
    type: Literal["text", "longtext", "number", "money", "date", "boolean", "choice", "email", "reference"]
    required: bool = False
    options: tuple[str, ...] = ()
    """Choices, for ``choice``."""
    target: str = ""
    """Name of the entity referred to, for ``reference``."""


@dataclass(frozen=True)
class Entity:
    """A kind of thing that the task speaks of."""

    name: str
    """Identifier in code: singular, lower-case ASCII."""
    label: str
    """Singular, for people."""
    plural: str
    """Plural, for people."""
    fields: tuple[EntityField, ...]


@dataclass(frozen=True)
class Brief:
    """What the embedded model understood of a task."""

    task: str
    """The task's own words."""
    language: Literal["en", "pt"]
    kind: Kind
    title: str
    """Title of the project, in the brief's language."""
    entities: tuple[Entity, ...] = ()
    features: frozenset[str] = frozenset()
    """Stable English names, such as ``login``, ``dashboard``, ``search``, ``rest``, ``csv``, ``charts``."""
    unsupported: tuple[str, ...] = ()
    """Wishes it read but cannot fulfil, in the brief's language, to be said openly."""
    topics: tuple[str, ...] = ()
    """Key phrases of the task, for written deliverables."""
    slug: str = ""
    """Name for storage and file names: follows from the task alone, so that later edits of the title keep data."""
    accent: str = ""
    """Colour asked for, as ``#rrggbb``; '' leaves it to the recipe."""
    notes: tuple[str, ...] = ()
    """What a person added to this one module's spec, in their words: honour it where it can be read."""


class Recipe(Protocol):
    """One kind of deliverable."""

    kind: Kind

    def plan(self, brief: Brief) -> dict[str, Any]:
        """Return the architecture as the architect's prompt asks for it."""
        ...

    def contract(self, brief: Brief, module_id: str, keys: list[str], values: dict[str, Any]) -> dict[str, Any]:
        """Return the whiteboard values that the module writes under ``keys``."""
        ...

    def files(
        self, brief: Brief, module_id: str, contract: dict[str, Any], values: dict[str, Any]
    ) -> list[tuple[str, str]]:
        """Return the module's files as pairs of path and text."""
        ...

    def whole(self, brief: Brief) -> list[tuple[str, str]]:
        """Return the whole deliverable as the files of one module (a direct run)."""
        ...
