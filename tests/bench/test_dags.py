"""The bounds are bounds, and the graphs are graphs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.dags import Dag, from_records, load_dags, misjudged
from bench.shapes import generated, width_ten

DIAMOND = Dag("diamond", ((), (0,), (0,), (1, 2)), (1.0, 2.0, 3.0, 1.0))


def test_paths_of_a_diamond() -> None:
    assert DIAMOND.critical_path == 5.0
    assert DIAMOND.heads == [0.0, 1.0, 1.0, 4.0]
    assert DIAMOND.tails == [4.0, 1.0, 1.0, 0.0]
    assert DIAMOND.work == 7.0


def test_simple_bound_is_the_larger_of_path_and_work() -> None:
    assert DIAMOND.simple_bound(None) == 5.0
    assert DIAMOND.simple_bound(2) == 5.0
    assert DIAMOND.simple_bound(1) == 7.0


def test_tight_bound_sees_that_a_wide_middle_has_a_head_and_a_tail() -> None:
    fork = Dag("fork", ((), (0,), (0,), (0,), (0,), (1, 2, 3, 4)), (1.0,) * 6)
    assert fork.simple_bound(2) == 3.0
    # One before the middle, four on two slots, one after it.
    assert fork.tight_bound(2) == 4.0
    assert fork.tight_bound(None) == 3.0


def test_scaling_sets_the_critical_path_and_keeps_the_shape() -> None:
    scaled = DIAMOND.scaled(2.0)
    assert scaled.critical_path == pytest.approx(2.0)
    assert scaled.deps == DIAMOND.deps
    assert scaled.tight_bound(2) / DIAMOND.tight_bound(2) == pytest.approx(2.0 / 5.0)


def test_a_predecessor_stands_before_its_followers() -> None:
    with pytest.raises(ValueError, match="before one that it depends on"):
        Dag("wrong", ((1,), ()), (1.0, 1.0))


def test_records_come_in_any_order(tmp_path: Path) -> None:
    tasks = [{"id": "b", "deps": ["a"], "seconds": 2}, {"id": "a", "deps": [], "seconds": 0}]
    file = tmp_path / "dags.json"
    file.write_text(json.dumps([{"name": "two", "tasks": tasks}]))
    (dag,) = load_dags(file)
    assert dag.deps == ((), (0,))
    assert dag.seconds[1] == 2.0 and dag.seconds[0] > 0.0


def test_a_cycle_is_refused() -> None:
    tasks = [{"id": "a", "deps": ["b"], "seconds": 1}, {"id": "b", "deps": ["a"], "seconds": 1}]
    with pytest.raises(ValueError, match="cycle"):
        from_records("ring", tasks)


def test_there_are_twenty_generated_graphs_and_they_are_always_the_same() -> None:
    graphs = generated()
    assert len(graphs) >= 20
    assert len({dag.name for dag in graphs}) == len(graphs)
    assert graphs == generated()
    for dag in graphs:
        assert dag.tight_bound(8) >= dag.simple_bound(8) >= dag.critical_path


def test_estimates_are_wrong_within_their_factor() -> None:
    dag = width_ten(50)
    for guess, truth in zip(misjudged(dag, 2.0), dag.seconds, strict=True):
        assert truth / 2.0 <= guess <= truth * 2.0
