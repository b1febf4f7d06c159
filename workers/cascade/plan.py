"""In which order a tree of minds thinks: every step of every mind as a unit of work, known before the first begins.

A mind's first analysis and the division of its question come before those of its children, its
other steps after their replies. A step that turns out not to be needed (nothing was asked of the
mind, or a round of reflection had nothing to add) is a unit all the same, and costs no call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matrioska.state.cascade import MindSpec, MindTree, Step


@dataclass(frozen=True)
class Unit:
    """One step of one mind."""

    name: str
    """``<mind>.<step>``, with the round behind it where there are rounds."""
    mind: str
    step: Step
    round: int
    """From 1; 0 for steps without rounds."""
    needs: tuple[str, ...]
    """Names of the units, all of them earlier ones, that must have ended before: those above it, its mind's
    own, and those in which its children reply."""
    closes: bool
    """Whether it is its mind's last, which makes the reply."""


def units(tree: MindTree) -> tuple[Unit, ...]:
    """Return every unit of a tree, in an order that depends on nothing but the tree.

    First all that leads down, level by level, then all that leads up, the deepest level first.
    """
    down, up = list[Unit](), list[list[Unit]]()
    for level in _levels(tree):
        for spec in level:
            own = own_units(tree, spec)
            ahead = sum(unit.step in ("analyse", "split") for unit in own)
            down += own[:ahead]
            up.append(own[ahead:])
    return (*down, *(unit for own in reversed(up) for unit in own))


def calls_of(tree: MindTree) -> Mapping[str, int]:
    """Return how many calls each mind makes at the most, by id, when no answer has to be asked for again."""
    return {spec.id: len(_steps(spec, inner=bool(tree.children(spec.id)))) for spec in tree.minds}


def closing(tree: MindTree, spec: MindSpec) -> str:
    """Return the name of the unit in which a mind replies."""
    return _name(spec, *_steps(spec, inner=bool(tree.children(spec.id)))[-1])


def own_units(tree: MindTree, spec: MindSpec) -> list[Unit]:
    """Return the units of one mind, in order."""
    parent, children = spec.parent, tree.children(spec.id)
    needs = [f"{parent}.analyse", f"{parent}.split"] if parent is not None else []
    steps, found = _steps(spec, inner=bool(children)), list[Unit]()
    for number, (step, round) in enumerate(steps, 1):
        found.append(Unit(_name(spec, step, round), spec.id, step, round, tuple(needs), closes=number == len(steps)))
        needs.append(found[-1].name)
        if step == "split":
            needs += [closing(tree, child) for child in children]
    return found


def _levels(tree: MindTree) -> Iterator[Sequence[MindSpec]]:
    level: Sequence[MindSpec] = tree.minds[:1]
    while level:
        yield level
        level = [child for spec in level for child in tree.children(spec.id)]


def _steps(spec: MindSpec, *, inner: bool) -> list[tuple[Step, int]]:
    """Return a mind's steps with their rounds, in order. A leaf that does nothing but answer needs no synthesis."""
    steps: list[tuple[Step, int]] = [("analyse", 0)]
    if inner:
        steps.append(("split", 0))
    steps += [("reflect", round) for round in range(1, spec.reflections + 1)]
    if spec.critique:
        steps.append(("critique", 0))
    if inner or len(steps) > 1:
        steps.append(("synthesise", 0))
    return steps


def _name(spec: MindSpec, step: Step, round: int) -> str:
    return f"{spec.id}.{step}-{round}" if round else f"{spec.id}.{step}"
