"""Members that stand in for each other, and bounds that hold over all who ask one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from matrioska.models.gateway import Client, client_for, line
from matrioska.models.gateway.breaker import Breaker
from matrioska.models.meter import CallRecord, metered
from matrioska.models.testing import Pieces, ScriptedChatModel
from matrioska.state.errors import (
    ConfigError,
    MatrioskaError,
    ModelAuthError,
    ModelError,
    ModelMemoryError,
    ModelUnavailableError,
    QueueFullError,
)
from matrioska.state.members import Member
from tests.models.gateway.doubles import ASKED, Counts, HttpError, scripted

House = Callable[..., dict[str, ScriptedChatModel]]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Let members' names stand for scripted models."""

    def furnish(**models: ScriptedChatModel) -> dict[str, ScriptedChatModel]:
        monkeypatch.setattr(line, "make_model", lambda member: models[member.model.partition(":")[2]])
        return models

    return furnish


def _most_at_once(model: ScriptedChatModel) -> int:
    return max(sum(c.started <= call.started < c.ended for c in model.calls) for call in model.calls)


def test_slots_hold_over_clients_event_loops_and_threads(house: House) -> None:
    model = house(m=ScriptedChatModel(script=lambda *_: "Done.", latency=0.02))["m"]

    async def several() -> None:
        await asyncio.gather(*(client_for(Member(model="vllm:m", slots=3)).ask(ASKED) for _ in range(5)))

    threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.count() == 15
    assert _most_at_once(model) == 3


_FALLBACKS = [HttpError(503), HttpError(401), HttpError(402), ModelMemoryError("too large", needed=2, available=1)]


@pytest.mark.parametrize("error", _FALLBACKS, ids=repr)
async def test_the_fallback_answers_while_a_member_cannot(house: House, error: Exception) -> None:
    models = house(a=scripted(error), b=scripted("Done."))
    members = {"second": Member(model="vllm:b", input_price=1e6, output_price=0.0)}
    first = Member(model="vllm:a", fallback="second", attempts=2)
    meter = Counts()
    with metered(meter):
        reply = await client_for(first, members.__getitem__).ask(ASKED)
    assert (reply.text, reply.model) == ("Done.", "vllm:b")
    assert reply.usage.calls == models["a"].count() + 1
    # Counted at the price of who answered.
    assert reply.usage.cost == pytest.approx(len(str(ASKED[0].content)) // 4 + 1)
    assert meter.events == ["admit", CallRecord("vllm:b", reply.usage, "", tuple(ASKED), "Done.")]


@pytest.mark.parametrize("error", [HttpError(400), ValueError("x"), ConfigError("x")], ids=repr)
async def test_the_fallback_is_not_asked_what_no_model_could_answer(house: House, error: Exception) -> None:
    models = house(a=scripted(error), b=scripted("Done."))
    with pytest.raises(MatrioskaError):
        await client_for(Member(model="vllm:a", fallback="vllm:b")).ask(ASKED)
    assert models["b"].count() == 0


async def test_the_fallback_answers_where_a_key_is_missing() -> None:
    reply = await client_for(Member(model="openai:gpt-4o", fallback="embedded")).ask(ASKED)
    assert (reply.model, reply.usage.calls) == ("embedded", 1)


async def test_a_full_queue_is_not_taken_for_a_dead_server(house: House) -> None:
    models = house(a=scripted(QueueFullError("full")))
    for _ in range(5):
        with pytest.raises(QueueFullError):
            await client_for(Member(model="huggingface:a", attempts=2)).ask(ASKED)
    assert models["a"].count() == 10


async def test_the_errors_of_all_are_told(house: House) -> None:
    house(a=scripted(HttpError(503)), b=scripted(HttpError(401)))
    with pytest.raises(ModelAuthError) as caught:
        await client_for(Member(model="vllm:a", fallback="vllm:b")).ask(ASKED)
    assert "vllm:a failed after 4 attempts" in str(caught.value)
    assert "vllm:b failed after 1 attempt" in str(caught.value)
    assert "check the key" in str(caught.value).casefold()
    # The first may be back later.
    assert caught.value.retryable


async def test_fallbacks_in_a_circle_are_refused(house: House) -> None:
    house(a=scripted(HttpError(401)), b=scripted(HttpError(401)))
    members = {name: Member(model=f"vllm:{name}", fallback=other) for name, other in (("a", "b"), ("b", "a"))}
    with pytest.raises(ConfigError, match="vllm:a → vllm:b → vllm:a"):
        await client_for(members["a"], members.__getitem__).ask(ASKED)


async def test_a_chain_of_fallbacks_ends(house: House) -> None:
    house(**{str(number): scripted(HttpError(401)) for number in range(20)})
    with pytest.raises(ConfigError, match="more than 8"):
        await client_for(
            Member(model="vllm:0", fallback="1"), lambda name: Member(model=f"vllm:{name}", fallback=str(int(name) + 1))
        ).ask(ASKED)


async def test_a_member_out_of_reach_is_left_alone(house: House) -> None:
    models = house(a=scripted(HttpError(503)), b=scripted("Done."))
    alone = Member(model="vllm:a", attempts=1)
    for _ in range(3):
        with pytest.raises(ModelUnavailableError, match="HTTP 503"):
            await client_for(alone).ask(ASKED)
    with pytest.raises(ModelUnavailableError, match=r"tried again in \d+ s") as caught:
        await client_for(alone).ask(ASKED)
    assert caught.value.retryable
    assert models["a"].count() == 3
    helped = Member(model="vllm:a", attempts=1, fallback="vllm:b")
    replies = [await client_for(helped).ask(ASKED) for _ in range(5)]
    assert {reply.model for reply in replies} == {"vllm:b"}
    assert models["a"].count() == 6


@pytest.mark.parametrize("slots", [None, 1])
async def test_while_a_probe_is_under_way_others_fail_at_once(slots: int | None) -> None:
    begun = asyncio.Event()

    def answer(*_: str) -> Pieces | HttpError:
        begun.set()
        return Pieces([60.0]) if model.count() > 1 else HttpError(503)

    model = ScriptedChatModel(script=answer, disable_streaming=False)
    client = Client(Member(model="object:it", attempts=1, slots=slots), model)
    client._line.breaker = Breaker(failures=1, cool_off=0.0)
    with pytest.raises(ModelUnavailableError, match="HTTP 503"):
        await client.ask(ASKED)
    begun.clear()
    probe = asyncio.ensure_future(client.ask(ASKED))
    await begun.wait()
    async with asyncio.timeout(20):
        with pytest.raises(ModelUnavailableError, match="tried again"):
            await client.ask(ASKED)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert model.count() == 2


async def test_a_member_that_answers_with_refusals_is_not_left_alone(house: House) -> None:
    models = house(a=scripted(HttpError(503), HttpError(503), HttpError(400), HttpError(503)))
    for _ in range(5):
        with pytest.raises(ModelError):
            await client_for(Member(model="vllm:a", attempts=1)).ask(ASKED)
    assert models["a"].count() == 5


async def test_equal_members_share_their_model(house: House) -> None:
    models = house(a=scripted("Done."))
    assert client_for(Member(model="vllm:a")).model is models["a"]
    members = [Member(model="vllm:a", options={"x": [1]}, modalities=["code"]) for _ in range(2)]
    assert client_for(members[0])._line is client_for(members[1])._line
