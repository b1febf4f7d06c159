"""The semaphore that serves the most urgent first, for tasks and for threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from matrioska.models.slots import Slots


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
