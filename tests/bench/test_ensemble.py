"""The ensemble's simulation: the direction of what it finds, with few seeds and wide margins."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import cache
from statistics import fmean

import pytest

from bench.ensemble import QUESTIONS, Choice, Setting, Tallied, World, interval, measure, simulate, spearman
from matrioska.workers.ensemble.kinds import kind_of

SEEDS = range(3)
CHOICE = Choice(queries=600, seeds=len(SEEDS), turns_bad_at=300)


@cache
def runs(setting: Setting) -> list[Tallied]:
    return [asyncio.run(simulate(seed, CHOICE, setting)) for seed in SEEDS]


def right(setting: Setting, way: str) -> float:
    return fmean(found.right[way] for found in runs(setting)) / CHOICE.queries


@pytest.mark.parametrize("alternatives", [2, 4])
def test_learnt_weights_beat_the_best_node_and_the_majority(alternatives: int) -> None:
    setting = Setting(alternatives=alternatives)
    assert right(setting, "log odds") > right(setting, "best node") + 0.05
    assert right(setting, "log odds") > right(setting, "majority")


@pytest.mark.parametrize("checked", [1.0, 0.3])
def test_learnt_fitness_ranks_the_nodes(checked: float) -> None:
    assert fmean(found.rank for found in runs(Setting(checked=checked))) > 0.4


@pytest.mark.parametrize("setting", [Setting(), Setting(alternatives=4), Setting(checked=0.0), Setting(colluding=3)])
def test_early_decisions_save_calls_and_change_nothing(setting: Setting) -> None:
    for found in runs(setting):
        assert found.changed == 0
        assert 0.05 < found.saved_calls / found.calls < 0.6
        assert 0.05 < found.saved_seconds / found.seconds < 0.8


def test_regret_falls() -> None:
    found = [run.regret for run in runs(Setting(nodes=9, per_chunk=3))]
    first, last = (fmean(fmean(regret[part]) for regret in found) for part in (slice(0, 150), slice(450, 600)))
    assert last < 0.9 * first


def test_a_node_that_turns_bad_is_demoted() -> None:
    assert all(found.demoted is not None for found in runs(Setting(fall=True)))


def test_checks_break_a_collusion_and_without_any_its_fitness_is_bounded() -> None:
    checked = Setting(colluding=3)
    assert right(checked, "log odds") > right(checked, "majority") + 0.1
    for found in runs(Setting(colluding=3, checked=0.0)):
        assert max(found.fitness.values()) < 7 / 9


def test_a_world_is_as_it_says() -> None:
    world = World.of(1, Setting(nodes=2, alternatives=3))
    votes = [vote for _ in range(4000) for vote in world.votes(world.nodes, "maths") if vote.node == "n0"]
    share = sum(vote.answer == "0" for vote in votes) / len(votes)
    assert share == pytest.approx(world.accuracy["n0", "maths"], abs=0.03)
    assert {vote.answer for vote in votes} == {"0", "1", "2"}
    assert all(kind_of(text) == kind for kind, text in QUESTIONS.items())


def test_statistics_are_those_of_the_books() -> None:
    assert spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(0.8)
    assert spearman([1, 2, 3], [9, 5, 1]) == pytest.approx(-1.0)
    # Student's t for nine degrees of freedom is 2.262.
    rng = random.Random(0)
    values = [rng.gauss() for _ in range(10)]
    mean, width = interval(values)
    spread = (sum((value - mean) ** 2 for value in values) / 9) ** 0.5
    assert width == pytest.approx(2.262 * spread / 10**0.5, rel=1e-3)


def test_every_section_has_its_rows_and_figures() -> None:
    sections: Iterator[object] = measure(Choice(queries=8, seeds=2, turns_bad_at=4), lambda _: None)
    rows = {section.title.split(":")[1].split(",")[0].strip()[:12]: section for section in sections}  # type: ignore[attr-defined]
    assert len(rows) == 5
    for section in rows.values():
        assert len(section.rows) == len(section.data) and section.verdicts
        assert all(len(row) == len(section.columns) for row in section.rows)
