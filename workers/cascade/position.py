"""What a mind knows when it takes a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matrioska.state.cascade import MindReply, MindSpec, MindTree, Thought
from matrioska.workers.cascade.plan import Unit, closing, own_units


@dataclass(frozen=True)
class Position:
    """See the module's text."""

    tree: MindTree
    spec: MindSpec
    parent: MindSpec | None
    children: tuple[MindSpec, ...]
    question: str
    """What the person asked."""
    asked: str
    """What the mind is asked; '' for nothing."""
    context: str
    """What its parent thinks of it so far."""
    delegation: str
    """Id of the journal's message by which it was asked; '' of the root, and without a journal."""
    analysis: Thought
    reflections: tuple[str, ...]
    """What it found on each level so far, until one had nothing to add."""
    exhausted: bool
    """Whether a level had nothing to add."""
    critique: str
    replies: tuple[MindReply, ...]
    """Of the children that were asked; none before their time."""
    thoughts: tuple[Thought, ...]
    """All that it thought so far."""

    @property
    def is_whole(self) -> bool:
        """Whether it is asked the person's own question."""
        return self.asked == self.question

    @property
    def speaks_to(self) -> str:
        """Id of the mind to which it replies; '' for the person."""
        return self.parent.id if self.parent is not None else ""


def position_of(tree: MindTree, unit: Unit, question: str, done: Mapping[str, Any]) -> Position:
    """Return what a unit's mind knows.

    Args:
        tree: all minds.
        unit: the step to be taken.
        question: what the person asked.
        done: what came of the units that it needs, by name.
    """
    spec, children = tree.mind(unit.mind), tree.children(unit.mind)
    parent = tree.mind(spec.parent) if spec.parent is not None else None
    own = {
        before.name: Thought.model_validate(done[before.name])
        for before in own_units(tree, spec)
        if before.name in unit.needs
    }
    asked, context, delegation = question, "", ""
    if parent is not None:
        split = Thought.model_validate(done[f"{parent.id}.split"])
        asked = question if spec.id in split.whole else split.asked.get(spec.id, "")
        context = Thought.model_validate(done[f"{parent.id}.analyse"]).text
        delegation = split.delegations.get(spec.id, "")
    levels = [thought.text for name, thought in own.items() if name.startswith(f"{spec.id}.reflect-")]
    found = [Thought.model_validate(done[name]).reply for name in _replying(tree, children, unit)]
    return Position(
        tree=tree,
        spec=spec,
        parent=parent,
        children=children,
        question=question,
        asked=asked,
        context=context,
        delegation=delegation,
        analysis=own.get(f"{spec.id}.analyse", Thought()),
        reflections=tuple(text for text in levels if text),
        exhausted="" in levels,
        critique=own.get(f"{spec.id}.critique", Thought()).text,
        replies=tuple(reply for reply in found if reply is not None and reply.status != "idle"),
        thoughts=tuple(own.values()),
    )


def _replying(tree: MindTree, children: tuple[MindSpec, ...], unit: Unit) -> list[str]:
    """Return the names of the units in which the children reply, once it is their time."""
    names = [closing(tree, child) for child in children]
    return names if names and names[0] in unit.needs else []
