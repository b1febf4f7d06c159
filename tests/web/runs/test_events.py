"""Events: replayed exactly, never twice, and never kept for somebody who does not read."""

from __future__ import annotations

import asyncio

from matrioska.web.runs.events import Channel, Pieces
from matrioska.web.runs.views import Event


async def _read(channel: Channel, after: int, count: int) -> list[Event]:
    reading = channel.read(after)
    found = [await asyncio.wait_for(anext(reading), 5) for _ in range(count)]
    await reading.aclose()
    return found


async def test_who_comes_again_is_told_exactly_what_was_missed() -> None:
    channel = Channel()
    for number in range(10):
        channel.tell("step", {"number": number})
    known = channel.last - 4
    assert [event.data["number"] for event in await _read(channel, known, 4)] == [6, 7, 8, 9]
    assert [event.id for event in await _read(channel, known, 4)] == list(range(known + 1, known + 5))


async def test_without_an_id_events_begin_now() -> None:
    channel = Channel()
    channel.tell("old")
    reading = asyncio.create_task(_read(channel, 0, 2))
    await asyncio.sleep(0)
    channel.tell("new")
    channel.tell("newer")
    assert [event.type for event in await reading] == ["new", "newer"]


async def test_a_slow_reader_is_told_to_look_again_and_goes_on() -> None:
    channel = Channel(most=3)
    began = channel.last
    for number in range(9):
        channel.tell("step", {"number": number})
    first, *_ = await _read(channel, began, 1)
    assert (first.type, first.id) == ("reset", channel.last)
    # What is still kept is told to who has a place in it.
    assert [event.data["number"] for event in await _read(channel, channel.last - 3, 3)] == [6, 7, 8]


async def test_ids_of_a_channel_that_was_dropped_are_not_taken_for_this_ones() -> None:
    older = Channel()
    older.tell("step")
    await asyncio.sleep(0.002)
    channel = Channel()
    channel.tell("step")
    for strange in (older.last, channel.last + 5, 7):
        assert (await _read(channel, strange, 1))[0].type == "reset"
    assert channel.last < 2**53


async def test_a_closed_channel_ends_its_readers_behind_what_there_is() -> None:
    channel = Channel()
    known = channel.last
    channel.tell("last")
    channel.close()
    assert [event.type async for event in channel.read(known)] == ["last"]


async def test_pieces_gather() -> None:
    channel = Channel()
    known, pieces = channel.last, Pieces(channel)
    for piece in (None, "Once ", "upon ", None, "Twice\0 ", "upon"):
        pieces.hear("a", piece)
    pieces.hear("b", "Else")
    first, second = await _read(channel, known, 2)
    assert first.data == {"module": "a", "text": "Twice upon", "restart": True}
    assert second.data == {"module": "b", "text": "Else"}
    pieces.hear("a", "more")
    pieces.close()
    assert channel.last == second.id
