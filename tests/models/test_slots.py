"""Slots: how many work at once, the most urgent first, never held while waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from matrioska.models.slots import Slots
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


async def test_the_highest_rank_is_served_first() -> None:
    slots, order = Slots(1), list[str]()

    async def work(rank: float, name: str) -> None:
        async with slots.ahold(rank, name):
            order.append(name)
            await asyncio.sleep(0)

    async with slots.ahold(9, "first"):
        waiting = [
            asyncio.ensure_future(work(rank, name)) for rank, name in ((1, "low"), (3, "high"), (2, "mid"), (3, "also"))
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["also", "high", "mid", "low"]


def test_threads_are_served_by_rank_too() -> None:
    slots, order = Slots(1), list[str]()

    def work(rank: float, name: str) -> None:
        with slots.hold(rank, name):
            order.append(name)

    threads = [threading.Thread(target=work, args=(rank, name)) for rank, name in ((1, "low"), (3, "high"), (2, "mid"))]
    with slots.hold(9, "first"):
        for thread in threads:
            thread.start()
        while len(slots._waiting) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["high", "mid", "low"]


@pytest.mark.parametrize("served", [False, True], ids=["waiting", "just served"])
async def test_a_cancelled_waiter_leaves_the_slot_to_others(served: bool) -> None:
    slots = Slots(1)
    holder = slots.ahold(1, "holder")
    await holder.__aenter__()

    async def work() -> None:
        async with slots.ahold(5, "cancelled"):
            raise AssertionError("was served although cancelled")

    waiter = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    if served:
        await holder.__aexit__(None, None, None)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    if not served:
        await holder.__aexit__(None, None, None)
    async with asyncio.timeout(5):
        async with slots.ahold(0, "next"):
            pass


async def test_an_error_inside_gives_the_slot_back() -> None:
    slots = Slots(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with slots.ahold(1, "a"):
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError), slots.hold(1, "b"):
            raise ZeroDivisionError


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


async def test_an_expected_turn_that_nobody_takes_is_given_back() -> None:
    slots = Slots(1)
    with slots.announced("reused"):
        async with slots.ahold(1, "first"):
            slots.expect(5, "reused")
            slots.expect(5, "never announced")
    async with asyncio.timeout(5):
        async with slots.ahold(0, "next"):
            pass


async def test_an_expected_turn_goes_before_who_waits() -> None:
    slots, order = Slots(1), list[str]()

    async def work(rank: float, name: str) -> None:
        async with slots.ahold(rank, name):
            order.append(name)

    with slots.announced("late"):
        async with slots.ahold(9, "first"):
            waiting = asyncio.ensure_future(work(1, "early"))
            await asyncio.sleep(0)
            slots.expect(5, "late")
        await asyncio.sleep(0.01)
        await work(5, "late")
    await waiting
    assert order == ["late", "early"]


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
