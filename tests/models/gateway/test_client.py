"""The door to models: what is tried again, what is cleaned and counted, and who answers instead."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage
from langgraph.errors import GraphInterrupt
from pydantic import SecretStr

from matrioska.models.gateway import Client, Reply, client_of
from matrioska.models.gateway import stream as collecting
from matrioska.models.meter import CallRecord, metered
from matrioska.models.testing import Pieces, ScriptedChatModel
from matrioska.state.errors import (
    BudgetError,
    ConfigError,
    MatrioskaError,
    ModelAuthError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from matrioska.state.members import Member
from tests.models.gateway.doubles import ASKED, Counts, HttpError, scripted

ATTEMPTS = Member(model="embedded").attempts


class RateLimitError(Exception):
    """A client's class without a status."""


def _client(model: ScriptedChatModel, **fields: Any) -> Client:
    return Client(Member(model="object:it", **fields), model)


async def _ask(model: ScriptedChatModel, **fields: Any) -> Reply:
    return await _client(model, **fields).ask(ASKED)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        *((HttpError(status), True) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
        *((HttpError(status), False) for status in (400, 401, 402, 403, 404, 413, 422)),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (httpx.ConnectError("x"), True),
        (httpx.ReadTimeout("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (RateLimitError(), True),
        (ModelError("x", retryable=True), True),
        (ModelError("x"), False),
        (ConfigError("x"), False),
        (ValueError("x"), False),
    ],
    ids=repr,
)
async def test_overload_and_network_faults_are_tried_again_and_refusals_not(error: Exception, again: bool) -> None:
    model = scripted(error)
    with pytest.raises(MatrioskaError) as caught:
        await _ask(model)
    assert model.count() == (ATTEMPTS if again else 1)
    assert getattr(caught.value, "retryable", False) is again


async def test_a_fault_that_passes_costs_a_pause(pauses: list[float]) -> None:
    reply = await _ask(scripted(HttpError(503), HttpError(503), "Done."))
    assert reply.text == "Done."
    assert reply.usage.calls == 3
    assert len(pauses) == 2
    assert all(0 <= pause <= 20 for pause in pauses)


@pytest.mark.parametrize("header", ["nan", "soon", "inf", ""])
async def test_a_pause_that_makes_no_sense_is_not_taken(pauses: list[float], header: str) -> None:
    assert (await _ask(scripted(HttpError(429, {"Retry-After": header}), "Done."))).text == "Done."
    assert len(pauses) == 1


async def test_a_pause_beyond_the_deadline_ends_the_call_with_its_number() -> None:
    model = scripted(HttpError(429, {"Retry-After": "901"}), "Done.")
    with pytest.raises(ModelUnavailableError, match="asks to wait 901 s, and a call may take 900 s") as caught:
        await _ask(model)
    assert caught.value.retry_after == 901
    assert model.count() == 1


async def test_what_failed_is_named_with_the_next_step() -> None:
    with pytest.raises(ModelError, match=r"object:it failed after 4 attempts: HTTP 503: HttpError: HTTP 503") as caught:
        await _ask(scripted(HttpError(503)))
    assert caught.value.retryable
    assert "resume" in caught.value.next_step
    with pytest.raises(ModelAuthError, match="failed after 1 attempt: the key was refused: HTTP 401") as caught:
        await _ask(scripted(HttpError(401)))
    assert not caught.value.retryable
    assert "key" in caught.value.next_step


async def test_errors_tell_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithKey(ScriptedChatModel):
        api_key: SecretStr = SecretStr("sk-1")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-1-longer")
    monkeypatch.setenv("MY_OWN", "hush-hush")
    said = (
        "keys sk-1 and sk-1-longer and hush-hush\x1b[31m at http://me:pass@host/v1?api_key=zzz&model=m "
        "with Bearer abcdefghij and gsk_0123456789"
    )
    with pytest.raises(ModelError) as caught:
        await _ask(WithKey(script=lambda *_: ValueError(said)), api_key_env="MY_OWN")
    assert caught.value.message.endswith(
        "ValueError: keys [key] and [key] and [key][31m at http://[key]@host/v1?api_key=[key]&model=m "
        "with Bearer [key] and [key]."
    )


async def test_credentials_in_a_members_address_are_told_to_nobody() -> None:
    member = Member(model="openai:m@http://me:pass@127.0.0.1:9/v1")
    with pytest.raises(ModelError) as caught:
        await Client(member, scripted(HttpError(400))).ask(ASKED)
    assert "openai:m@http://[key]@127.0.0.1:9/v1" in caught.value.message
    assert "pass" not in str(caught.value) + caught.value.model


@pytest.mark.parametrize("answer", ["", " \n", "\0"])
@pytest.mark.parametrize("streams", [True, False])
async def test_an_empty_answer_is_worth_telling_the_model(answer: str, streams: bool) -> None:
    reply = await _ask(scripted(answer, disable_streaming=not streams))
    assert "empty" in reply.fault
    assert reply.usage.calls == 1


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_is_cleaned_and_bounded(monkeypatch: pytest.MonkeyPatch, streams: bool) -> None:
    assert (await _ask(scripted("a\r\nb\0\x1b[31m\ud800", disable_streaming=not streams))).text == "a\nb[31m"
    monkeypatch.setattr(collecting, "MAX_ANSWER", 5)
    reply = await _ask(scripted("123456", disable_streaming=not streams))
    assert "more than 5 characters" in reply.fault


async def test_reasoning_is_kept_apart() -> None:
    reply = await _ask(scripted("<think>Hm.</think>Done.", disable_streaming=False, piece=3))
    assert (reply.reasoning, reply.text, reply.fault) == ("Hm.", "Done.", "")
    beside = AIMessage("Done.", additional_kwargs={"reasoning_content": "Hm."})
    assert (await _ask(scripted(beside))).reasoning == "Hm."
    reply = await _ask(scripted(Pieces(["<think>Hm, let me"], finish="length"), disable_streaming=False))
    assert "still thinking" in reply.fault


async def test_a_call_has_a_deadline() -> None:
    model = ScriptedChatModel(script=lambda *_: "late", latency=5.0)
    with pytest.raises(ModelTimeoutError, match=r"longer than its 0.05 s") as caught:
        await _ask(model, deadline=0.05)
    assert caught.value.seconds == 0.05


async def test_only_a_model_that_streams_must_not_be_silent() -> None:
    silent = Pieces(["Do", 0.2, "ne."])
    with pytest.raises(ModelTimeoutError, match=r"nothing came for 0.05 s") as caught:
        await _ask(scripted(silent, disable_streaming=False), idle_timeout=0.05, attempts=1)
    assert caught.value.seconds == 0.05
    model = ScriptedChatModel(script=lambda *_: "Done.", latency=0.2)
    assert (await _ask(model, idle_timeout=0.05)).text == "Done."


async def test_a_model_may_take_its_time_as_long_as_it_is_not_silent() -> None:
    steady = Pieces([part for number in range(8) for part in (f"{number} ", 0.05)])
    assert (await _ask(scripted(steady, disable_streaming=False), idle_timeout=0.3)).text == "0 1 2 3 4 5 6 7 "


async def test_a_model_that_never_waits_is_held_to_its_deadline() -> None:
    with pytest.raises(ModelTimeoutError, match="longer than its"):
        await _ask(scripted(Pieces(itertools.repeat("")), disable_streaming=False), deadline=0.05)


async def test_the_servers_count_is_believed() -> None:
    counted = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    usage = (await _ask(scripted(AIMessage("Done.", usage_metadata=counted)), input_price=2.0, output_price=3.0)).usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (1, 11, 7)
    assert usage.cost == pytest.approx((11 * 2 + 7 * 3) / 1e6)


async def test_without_a_count_four_characters_are_a_token() -> None:
    usage = (await _ask(scripted("x" * 40))).usage
    assert (usage.input_tokens, usage.output_tokens) == (len(str(ASKED[0].content)) // 4 + 1, 11)
    assert usage.seconds > 0


async def test_the_meter_hears_of_every_call_once() -> None:
    meter = Counts()
    with metered(meter):
        reply = await _ask(scripted(HttpError(503), "Done."))
        with pytest.raises(ModelError):
            await _ask(scripted(Pieces(["Half of it", HttpError(400)]), disable_streaming=False))
    assert meter.events[0] == meter.events[2] == "admit"
    answered, failed = meter.events[1], meter.events[3]
    assert answered == CallRecord("object:it", reply.usage, "", tuple(ASKED), "Done.")
    assert isinstance(failed, CallRecord)
    # What had come of it was paid for.
    assert (failed.error, failed.usage.calls, failed.usage.output_tokens) == ("model", 1, 3)
    assert len(meter.events) == 4


@pytest.mark.parametrize("refusal", [GraphInterrupt(), BudgetError("used up")], ids=repr)
async def test_what_the_meter_raises_passes(refusal: Exception) -> None:
    model = scripted("Done.")
    meter = Counts(refusal)
    with metered(meter), pytest.raises(type(refusal)) as caught:
        await _ask(model)
    assert caught.value is refusal
    assert model.count() == 0
    assert meter.events == ["admit"]


async def test_an_interrupt_inside_of_a_model_passes() -> None:
    interrupt = GraphInterrupt()
    model = scripted(interrupt)
    with pytest.raises(GraphInterrupt) as caught:
        await _ask(model)
    assert caught.value is interrupt
    assert model.count() == 1


async def test_cancelling_is_no_failure_of_the_model() -> None:
    begun, closed = asyncio.Event(), threading.Event()

    def pieces() -> Any:
        begun.set()
        try:
            yield "Well"
            yield 30.0
        finally:
            closed.set()

    meter = Counts()
    model = ScriptedChatModel(script=lambda *_: Pieces(pieces()), disable_streaming=False)
    client = _client(model, slots=1)
    with metered(meter):
        for _ in range(4):
            begun.clear()
            asking = asyncio.ensure_future(client.ask(ASKED))
            await begun.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert closed.is_set()
            closed.clear()
    model.script = lambda *_: "Done."
    # The slot is free, and the breaker closed.
    assert (await client.ask(ASKED)).text == "Done."
    assert [event.error for event in meter.events if isinstance(event, CallRecord)] == ["stopped"] * 4


async def test_who_waits_for_a_slot_can_be_cancelled() -> None:
    model = ScriptedChatModel(script=lambda *_: "Done.", latency=0.05)
    client = _client(model, slots=1)
    first, second = (asyncio.ensure_future(client.ask(ASKED)) for _ in range(2))
    await asyncio.sleep(0.01)
    second.cancel()
    assert (await first).text == "Done."
    assert (await client.ask(ASKED)).text == "Done."
    assert model.count() == 2


async def test_calls_per_minute_hold_for_attempts_too() -> None:
    model = scripted(HttpError(503), "Done.")
    with pytest.raises(ModelTimeoutError):
        # The second attempt may begin in a minute.
        await _ask(model, requests_per_minute=1, deadline=0.05)
    assert model.count() == 1


async def test_an_object_is_asked_under_its_own_name() -> None:
    class Named(ScriptedChatModel):
        model_name: str = "mine"

    assert (await client_of(Named(script=lambda *_: "Done.")).ask(ASKED)).model == "object:mine"
    assert client_of(scripted("x")).member.model == "object:ScriptedChatModel"
