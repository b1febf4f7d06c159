"""The cascade's data: the tree of minds, and what came of a question. Plain JSON throughout."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.results import Usage

#: Longest question, in characters.
MAX_QUESTION = 100_000
#: Minds in one tree.
MAX_MINDS = 1_000
#: Levels of a tree, the root counted.
MAX_LEVELS = 12

MindId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class MindSpec(BaseModel):
    """One mind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: MindId
    name: Annotated[str, Field(max_length=80)] = ""
    """As people and prompts call it; '' for the id with a capital."""
    parent: MindId | None = None
    """Whose questions it answers; None for the root."""
    speciality: Annotated[str, Field(max_length=200)] = ""
    """What it is asked about, in a few words; parents split questions by it."""
    role: Annotated[str, Field(max_length=4_000)] = ""
    """How it thinks, in its own system prompt."""
    model: str | None = None
    """A member's name, ``provider:model``, or ``ensemble`` for the vote of many; None for the run's own."""
    reflections: Annotated[int, Field(ge=0, le=10)] = 1
    """Rounds of reflection: on its children's replies, or of a leaf on its own first answer."""
    critique: bool = True
    """Whether it criticises what it has before it writes; a leaf without children may do without."""

    @property
    def called(self) -> str:
        """Its name, as people and prompts say it."""
        return self.name or self.id[:1].upper() + self.id[1:]


class MindTree(BaseModel):
    """All minds, the root first, parents before children, children in the order of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minds: tuple[MindSpec, ...]
    mind_timeout: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds that one call of a mind may take; waiting for its children, or for a slot of its member, does not
    count."""

    def mind(self, name: str) -> MindSpec:
        """Return the mind of that id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[name]

    def children(self, name: str) -> tuple[MindSpec, ...]:
        """Return who answers a mind's questions, in order."""
        return self._by_parent.get(name, ())

    @cached_property
    def _by_id(self) -> dict[str, MindSpec]:
        return {spec.id: spec for spec in self.minds}

    @cached_property
    def _by_parent(self) -> dict[str, tuple[MindSpec, ...]]:
        found: dict[str, list[MindSpec]] = {}
        for spec in self.minds:
            if spec.parent is not None:
                found.setdefault(spec.parent, []).append(spec)
        return {parent: tuple(children) for parent, children in found.items()}


class MindReply(BaseModel):
    """What a mind cascades up."""

    mind: str
    question: str = ""
    """What it was asked; '' when its parent had nothing for it."""
    text: str = ""
    """Its answer; '' when it has none."""
    error: str = ""
    """Why it has none, or none of its own."""
    missing: list[str] = Field(default_factory=list)
    """Ids of the minds below it, and of itself, whose word is missing in it."""
    remarks: list[str] = Field(default_factory=list)
    """What the reader should know: written without its children, in another language, cut off…"""
    usage: Usage = Field(default_factory=Usage)
    """Its own calls, without those of its children."""

    @property
    def status(self) -> Literal["answered", "idle", "failed"]:
        """Whether it answered, was not asked, or failed."""
        if self.text:
            return "answered"
        return "failed" if self.error else "idle"


Step = Literal["analyse", "split", "reflect", "critique", "synthesise"]
"""What a mind does, each with one call to its model, in this order."""


class Thought(BaseModel):
    """What one step of one mind brought."""

    text: str = ""
    """What was thought; '' for nothing: the step failed, was not needed, or had nothing to add."""
    error: str = ""
    """Why the step failed; '' when it did not."""
    lacking: list[str] = Field(default_factory=list)
    """Ids of the minds, itself included, that had failed when it was thought: asked again, they may yet answer."""
    asked: dict[str, str] = Field(default_factory=dict)
    """Of split: what each child is asked; without those that have nothing to do."""
    whole: list[str] = Field(default_factory=list)
    """Of split: ids of the children that are asked what the person asked, word for word."""
    delegations: dict[str, str] = Field(default_factory=dict)
    """Of split: id of the journal's message by which each child was asked."""
    remarks: list[str] = Field(default_factory=list)
    """What the reader of the mind's reply should know."""
    usage: Usage = Field(default_factory=Usage)
    """What this step cost."""
    reply: MindReply | None = None
    """What the mind cascades up; of its last step only."""


class CascadeAnswer(BaseModel):
    """The whole result."""

    answer: str
    minds: list[MindReply]
    """In the tree's order."""
    missing: list[str] = Field(default_factory=list)
    """Ids of the minds whose word is missing."""
    usage: Usage = Field(default_factory=Usage)
    seconds: float = 0.0
