"""Many who look at one run: each sees all of it, and one who is too slow is told so, and sees the rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from matrioska.web.runs import watches
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.events import Channel
from matrioska.web.runs.sharing import Shared
from matrioska.web.runs.views import Event, RunView
from tests.support import Author, plan, spec
from tests.web.runs.desks import PATIENCE, desk_of, rests, until

WIDE = plan(*(spec(f"m{number}") for number in range(12)), *(spec(f"n{number}", f"m{number}") for number in range(12)))


async def _collect(desk: Desk, after: int, into: list[Event]) -> None:
    async for event in desk.events("wide", after):
        into.append(event)


async def _waiting(desk: Desk) -> RunView:
    await desk.start("Many parts", thread="wide", approval="ask")
    return await until(desk, "wide", lambda view: view.waiting == "approval")


async def test_every_reader_gets_every_message_of_the_journal_once(tmp_path: Path) -> None:
    async with desk_of(Author(WIDE), tmp_path) as desk:
        view = await _waiting(desk)
        said_before = {message.number for message in await desk.journal("wide")}
        told: list[list[Event]] = [[] for _ in range(5)]
        readers = [asyncio.create_task(_collect(desk, view.events, events)) for events in told]
        await desk.answer("wide", True)
        ended = await rests(desk, "wide")
        async with asyncio.timeout(PATIENCE):
            while any(not events or events[-1].id < ended.events for events in told):  # noqa: ASYNC110 - of 5 lists
                await asyncio.sleep(0.02)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        said = {message.number for message in await desk.journal("wide")} - said_before
    assert len(said) > 24 * 2
    for events in told:
        assert [event.id for event in events] == list(range(view.events + 1, events[-1].id + 1))
        numbers = Counter(event.data["number"] for event in events if event.type == "message")
        assert numbers == Counter(said)


async def test_a_reader_who_is_too_slow_is_told_to_look_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "Channel", partial(Channel, 20))
    async with desk_of(Author(WIDE), tmp_path) as desk:
        view = await _waiting(desk)
        slow, quick = desk.events("wide", view.events), list[Event]()
        reader = asyncio.create_task(_collect(desk, view.events, quick))
        await desk.answer("wide", True)
        first = await asyncio.wait_for(anext(slow), PATIENCE)
        await rests(desk, "wide")
        second = await asyncio.wait_for(anext(slow), PATIENCE)
        seen = await desk.run("wide")
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await slow.aclose()
    assert first.id > view.events
    # Nobody waits for one who does not read, and nothing is kept for him.
    assert second.type == "reset" and second.id - first.id > 20
    assert {module.state for module in seen.modules} == {"done"} and seen.events >= second.id
    assert quick[-1].id > first.id


async def test_who_asks_during_a_look_gets_the_next_one_with_all_others() -> None:
    begun, under_way, go = list[int](), asyncio.Event(), asyncio.Event()

    async def look(thread: str) -> int:
        begun.append(number := len(begun))
        under_way.set()
        await go.wait()
        return number

    shared = Shared(look)
    first = asyncio.create_task(shared.at("a"))
    await under_way.wait()
    others = [asyncio.create_task(shared.at("a")) for _ in range(3)]
    await asyncio.sleep(0)
    others[0].cancel()
    go.set()
    assert await first == 0
    assert await asyncio.gather(*others[1:]) == [1, 1]
    assert begun == [0, 1]
    assert await shared.at("a") == 2


async def test_a_look_that_fails_fails_for_all_who_share_it_and_the_next_is_a_new_one() -> None:
    faults = [ValueError("once")]

    async def look(thread: str) -> str:
        await asyncio.sleep(0)
        if faults:
            raise faults.pop()
        return thread

    shared = Shared(look)
    found = await asyncio.gather(shared.at("a"), shared.at("a"), shared.at("b"), return_exceptions=True)
    assert [str(each) for each in found] == ["once", "once", "b"]
    assert await shared.at("a") == "a"
