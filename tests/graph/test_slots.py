"""Slots: how many work at once, the most urgent first, never held while waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrioska.models.testing import Call
from matrioska.state.errors import ConfigError
from tests.graph.conftest import Start
from tests.support import MODES, Author, Driven, chain, opened, plan, reader, spec


def most_at_once(calls: list[Call]) -> int:
    """Return how many calls were under way together at the most."""
    edges = sorted([(c.started, 1) for c in calls] + [(c.ended, -1) for c in calls])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_than_the_slots_work_at_once(start: Start, slots: int) -> None:
    author = Author(plan(*(spec(f"m{n}") for n in range(9))), latency=0.01)
    start(author, slots=slots).run("Do it.")
    calls = [call for call in author.model.calls if call.stage == "produce"]
    assert len(calls) == 9
    assert most_at_once(calls) == slots


def test_who_becomes_free_competes_with_who_waits(start: Start) -> None:
    """A slot goes to the longest remaining path, also when that path becomes free only now."""
    author = Author(
        plan(
            spec("root"),
            spec("short", "root"),
            spec("head", "root"),
            spec("tail", "head", size=5),
            spec("long", "root", size=3),
        ),
        latency=lambda stage, module: 0.2 if module == "root" else 0.0,
    )
    start(author, slots=1).run("Do it.")
    order = [call.module for call in author.model.calls if call.stage == "produce"]
    assert order == ["root", "head", "tail", "long", "short"]


DIAMOND = plan(
    reader("top"), *(reader(f"m{n:02}", "top") for n in range(18)), reader("end", *(f"m{n:02}" for n in range(18)))
)


@pytest.mark.parametrize("shape", [chain(20), DIAMOND], ids=["chain", "diamond"])
def test_one_slot_never_deadlocks(start: Start, shape: dict[str, object]) -> None:
    author = Author(shape)
    assert start(author, slots=1).run("Do it.")["status"] == "complete"
    assert most_at_once(author.model.calls) == 1


@pytest.mark.parametrize("mode", MODES)
def test_sixty_independent_modules_work_side_by_side(mode: str, tmp_path: Path) -> None:
    author = Author(plan(*(spec(f"m{n:02}") for n in range(60))), latency=0.5)
    with opened("sqlite", tmp_path) as graph:
        Driven(graph, mode, tmp_path, author.model, options={"slots": 100}).run("Do it.")
    # Far beyond what a pool of the default size could do.
    assert most_at_once(author.model.calls) > 20


@pytest.mark.parametrize("saver", ["sqlite", "memory", "none"])
def test_a_small_pool_cannot_stop_a_sync_run(saver: str, tmp_path: Path) -> None:
    author = Author(chain(5))
    with opened(saver, tmp_path) as graph:
        driven = Driven(graph, "sync", tmp_path, author.model)
        result = driven.run("Do it.", {**driven.config, "max_concurrency": 1})
    assert result["status"] == "complete"


@pytest.mark.parametrize("saver", ["sqlite", "none"])
def test_an_async_run_refuses_what_would_stop_it(saver: str, tmp_path: Path) -> None:
    author = Author(chain(5))
    with opened(saver, tmp_path) as graph:
        driven = Driven(graph, "async", tmp_path, author.model)
        with pytest.raises(ConfigError, match="slots"):
            driven.run("Do it.", {**driven.config, "max_concurrency": 1})
    assert author.calls() == []
