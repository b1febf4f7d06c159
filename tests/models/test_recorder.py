"""Who writes down what is said: the recorder and the voice in force, and what the gateway tells them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import Client, client_of
from matrioska.models.meter import CallRecord, metered
from matrioska.models.recorder import NoRecorder, Voice, current_recorder, current_voice, recorded, take_down, voiced
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ModelError
from matrioska.state.members import Member
from matrioska.state.results import Usage

ASKED = [HumanMessage("How deep?")]


class Kept(NoRecorder):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[CallRecord, Voice]] = []

    def call(self, call: CallRecord, voice: Voice) -> str:
        self.calls.append((call, voice))
        return ""


class Counted:
    """A meter that keeps what it counts."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []

    def admit(self) -> None:
        """Let every call begin."""

    def record(self, call: CallRecord) -> None:
        self.calls.append(call)


def _client(answer: str | Exception = "Deep.", **fields: Any) -> Client:
    return Client(Member(model="object:it", attempts=1, **fields), ScriptedChatModel(script=lambda *_: answer))


async def test_a_call_is_told_to_meter_and_recorder_in_the_voice_in_force() -> None:
    kept, counted = Kept(), Counted()
    with recorded(kept), metered(counted), voiced("reflection", "sage", "atlas", "m1"):
        reply = await _client(temperature=0.5, seed=3).ask(ASKED)
    ((call, voice),) = kept.calls
    assert counted.calls == [call]
    assert voice == Voice("reflection", "sage", "atlas", "m1")
    assert (call.text, call.usage, call.prompt, call.error) == ("Deep.", reply.usage, tuple(ASKED), "")
    assert call.parameters == {"temperature": 0.5, "seed": 3}


async def test_a_failed_call_is_told_with_its_error() -> None:
    kept = Kept()
    with recorded(kept), pytest.raises(ModelError):
        await _client(RuntimeError("gone")).ask(ASKED)
    ((call, _),) = kept.calls
    assert (call.text, call.error) == ("", "model")
    assert call.prompt == tuple(ASKED)


async def test_what_a_member_is_asked_with_holds_no_address_and_no_key() -> None:
    kept = Kept()
    secret = {"base_url": "http://user:secret@host/v1", "api_key_env": "SECRET", "options": {"api_key": "secret"}}
    with recorded(kept):
        await _client(**secret, max_tokens=64).ask(ASKED)
    assert kept.calls[0][0].parameters == {"max_tokens": 64}


async def test_voices_nest_and_each_task_has_its_own() -> None:
    said: dict[str, Voice] = {}

    async def speak(name: str) -> None:
        with voiced("response", name, "boss"):
            await asyncio.sleep(0)
            said[name] = current_voice()

    with voiced("query", "person", "matrioska"):
        await asyncio.gather(speak("a"), speak("b"))
        assert current_voice() == Voice("query", "person", "matrioska")
    assert said == {"a": Voice("response", "a", "boss"), "b": Voice("response", "b", "boss")}
    assert current_voice() == Voice()


def test_a_recorder_begins_without_a_voice_and_ends_with_its_block() -> None:
    outer, inner = Kept(), Kept()
    with recorded(outer), voiced("query", "person", "atlas"):
        with recorded(inner):
            take_down(CallRecord("one", Usage(calls=1)))
        take_down(CallRecord("two", Usage(calls=1)))
    assert [(call.model, voice.source) for call, voice in inner.calls] == [("one", "")]
    assert [(call.model, voice.source) for call, voice in outer.calls] == [("two", "person")]
    assert isinstance(current_recorder(), NoRecorder)


async def test_nobody_need_listen() -> None:
    assert (await client_of(ScriptedChatModel(script=lambda *_: "Deep.")).ask(ASKED)).text == "Deep."
    assert current_recorder().note("status", "Said to nobody.") == ""
