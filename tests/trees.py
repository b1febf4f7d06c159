"""Whole trees of scripted minds as the settings' own: for the tests of the graph, of questions and of the command line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from matrioska.models.testing import Answer
from matrioska.state.cascade import MindSpec, MindTree
from tests.minds import Minds, children_named, fact, facts

#: The six by which it began, by parent.
SIX = {"atlas": None, "nova": "atlas", "echo": "nova", "pixel": "nova", "sage": "atlas", "quantum": "sage"}
_MIND = re.compile(r"^Mind: (.+)$", re.MULTILINE)


def tree_of(parents: dict[str, str | None], **fields: Any) -> MindTree:
    """Return a tree, by each mind's parent; every mind has these fields."""
    return MindTree(minds=tuple(MindSpec(id=mind, parent=parent, **fields) for mind, parent in parents.items()))


def ternary(levels: int, **fields: Any) -> MindTree:
    """Return a tree in which each mind above the lowest level has three children; the root stands on level 0."""
    parents: dict[str, str | None] = {"r": None}
    level = ["r"]
    for _ in range(levels):
        level = [f"{mind}{number}" for mind in level for number in range(3)]
        parents |= {mind: mind[:-1] for mind in level}
    return tree_of(parents, **fields)


@dataclass
class Tree(Minds):
    """`Minds` in place of the settings' tree, which leave out no step.

    What a mind is told to say as None it says as usual.
    """

    tree: MindTree = field(default_factory=lambda: tree_of(SIX))

    def load(self, default_model: str | None = None) -> MindTree:
        """Return the tree, as `load_tree` does."""
        return self.tree

    def made(self) -> list[str]:
        """Return the calls since the last time, sorted, and forget them."""
        made = sorted(self.calls)
        self.calls.clear()
        return made

    def _told(self, mind: str, step: str, prompt: str) -> Answer:
        told = super()._told(mind, step, prompt)
        return self._usual(mind, step, prompt) if told is None else told

    def _usual(self, mind: str, step: str, prompt: str) -> Answer:
        # Without a second thought a leaf's first one is its answer.
        return fact(mind) if step in ("reflect", "critique") else super()._usual(mind, step, prompt)


def mind_says(step: str, module: str, prompt: str) -> str:
    """Return what any mind answers, for one model that thinks for all: it knows itself by its prompt."""
    if step == "split":
        return json.dumps({child: f"What does {child} know?" for child in children_named(prompt)})
    return f"In {step}: {' '.join(fact(mind) for mind in sorted({mind_named(prompt), *facts(prompt)}))}"


def mind_named(prompt: str) -> str:
    """Return the id of the mind that a prompt is for; '' when it is for none."""
    found = _MIND.search(prompt)
    return found[1].lower() if found else ""


def knows(text: str, *minds: str) -> bool:
    """Whether the facts of all these minds, or of all six, stand in a text."""
    return facts(text) >= set(minds or SIX)
