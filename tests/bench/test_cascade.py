"""The cascade's bench: its tree, its bound, and that both ways do the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cascade
from matrioska.workers.cascade.plan import calls_of, units


def test_the_critical_path_is_the_longest_chain_of_steps() -> None:
    depth = 3
    tree, longest = cascade.tree_of(depth), dict[str, int]()
    for unit in units(tree):
        longest[unit.name] = 1 + max((longest[need] for need in unit.needs), default=0)
    assert cascade.critical_path(depth, 2.0) == 2.0 * max(longest.values())


def test_depth_five_has_364_minds() -> None:
    assert len(cascade.tree_of(5).minds) == 364


async def test_both_ways_make_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matrioska.graph.cascade.load_tree", None)
    choice = cascade.Choice(latency=0.0)
    made = [await way(2, choice, tmp_path) for way in cascade.WAYS.values()]
    assert made == [sum(calls_of(cascade.tree_of(2)).values())] * 2
