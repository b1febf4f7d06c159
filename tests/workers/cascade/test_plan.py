"""The order of thinking, in trees of any shape."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.cascade import MindSpec, MindTree
from matrioska.state.errors import CascadeError, ModelError
from matrioska.workers.cascade.run import calls_of, units
from tests.minds import QUESTION, Minds, facts

DOWN = ModelError("Nothing listens there.")


@st.composite
def trees(draw: st.DrawFn) -> MindTree:
    """Any tree: each mind hangs below one that came before it."""
    count = draw(st.integers(1, 14))
    minds = [MindSpec(id="m0", reflections=draw(st.integers(0, 2)), critique=draw(st.booleans()))]
    for number in range(1, count):
        parent = draw(st.integers(0, number - 1))
        minds.append(
            MindSpec(
                id=f"m{number}",
                parent=f"m{parent}",
                reflections=draw(st.integers(0, 2)),
                critique=draw(st.booleans()),
            )
        )
    return MindTree(minds=tuple(minds))


@given(tree=trees(), down=st.sets(st.integers(0, 13)))
@settings(max_examples=60, deadline=None)
async def test_in_any_tree_every_mind_is_asked_once_and_after_those_below_it(tree: MindTree, down: set[int]) -> None:
    ids = {spec.id for spec in tree.minds}
    dead = {f"m{number}" for number in down} & ids
    minds = Minds(tree, says=dict.fromkeys(dead, DOWN))
    if dead == ids:
        with pytest.raises(CascadeError):
            await minds.cascade().ask(QUESTION)
        return
    answer = await minds.cascade().ask(QUESTION)
    assert Counter(call for call in minds.calls if call.endswith(".analyse")) == {f"{mind}.analyse": 1 for mind in ids}
    assert facts(answer.answer) == ids - dead
    assert set(answer.missing) == dead
    for spec in tree.minds:
        if spec.parent is not None and f"{spec.parent}.synthesise" in minds.calls:
            last = max(number for number, call in enumerate(minds.calls) if call.startswith(f"{spec.id}."))
            assert last < minds.calls.index(f"{spec.parent}.synthesise")


@given(tree=trees())
@settings(max_examples=100, deadline=None)
def test_units_stand_in_an_order_in_which_they_can_be_done(tree: MindTree) -> None:
    known: set[str] = set()
    for unit in units(tree):
        assert set(unit.needs) <= known
        known.add(unit.name)
    assert units(tree) == units(MindTree.model_validate(tree.model_dump(mode="json")))
    assert sum(unit.closes for unit in units(tree)) == len(tree.minds)
    assert len(known) == len(units(tree)) == sum(calls_of(tree).values())
