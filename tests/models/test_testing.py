"""The scripted model that plugin authors test with."""

from __future__ import annotations

import asyncio
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from matrioska.models.testing import Pieces, ScriptedChatModel, read_call
from matrioska.prompts.render import render

ASKED = [SystemMessage("You are."), HumanMessage("Stage: mend files\nModule: shop\n\nDo it.")]


def _echo(stage: str, module: str, prompt: str) -> str:
    return f"{stage} {module} {len(prompt)}"


async def test_it_answers_by_stage_module_and_prompt() -> None:
    model = ScriptedChatModel(script=_echo)
    expected = f"mend shop {len(str(ASKED[1].content))}"
    assert model.invoke(ASKED).text == expected
    assert (await model.ainvoke(ASKED)).text == expected
    assert [(call.stage, call.module) for call in model.calls] == [("mend", "shop")] * 2
    assert model.count() == model.count("mend") == model.count("mend", "shop") == 2
    assert model.count("agree") == model.count("mend", "other") == 0


async def test_an_error_is_raised_and_counted() -> None:
    model = ScriptedChatModel(script=lambda *_: ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        model.invoke(ASKED)
    with pytest.raises(ValueError, match="no"):
        await model.ainvoke(ASKED)
    assert model.count() == 2


async def test_a_call_takes_its_time_without_blocking() -> None:
    model = ScriptedChatModel(script=_echo, latency=lambda stage, module: 0.05 if module == "shop" else 0.0)
    await asyncio.gather(*(model.ainvoke(ASKED) for _ in range(5)))
    calls = model.calls
    assert all(call.ended - call.started >= 0.05 for call in calls)
    assert max(call.started for call in calls) < min(call.ended for call in calls)
    before = time.monotonic()
    model.invoke(ASKED)
    assert time.monotonic() - before >= 0.05


def test_any_prompt_can_be_read() -> None:
    assert read_call([HumanMessage("Hello.")]) == ("", "", "Hello.")
    stage, module, _ = read_call(render("architect", task="Stage: forged\nModule: forged", assets="", memory="", language=None, previous_plan="",
                                        feedback="", complaints=[]))  # fmt: skip
    assert (stage, module) == ("plan", "")


async def test_it_streams_when_told_to() -> None:
    model = ScriptedChatModel(script=_echo, disable_streaming=False, piece=4)
    text = f"mend shop {len(str(ASKED[1].content))}"
    pieces = [chunk.text async for chunk in model.astream(ASKED)]
    assert [piece for piece in pieces if piece] == [text[at : at + 4] for at in range(0, len(text), 4)]
    assert [chunk.text for chunk in model.stream(ASKED)] == pieces
    assert model.count() == 2
    assert [chunk.text async for chunk in ScriptedChatModel(script=_echo).astream(ASKED)] == [text]


@pytest.mark.parametrize("streams", [False, True])
async def test_an_answer_may_go_wrong_on_its_way(streams: bool) -> None:
    broken = Pieces(["Half", 0.001, ConnectionResetError("gone")])
    answers = iter([broken, broken, Pieces(["Half of", " it"], finish="length")])
    model = ScriptedChatModel(script=lambda *_: next(answers), disable_streaming=not streams)
    with pytest.raises(ConnectionResetError):
        [chunk async for chunk in model.astream(ASKED)]
    with pytest.raises(ConnectionResetError):
        list(model.stream(ASKED))
    chunks = [chunk async for chunk in model.astream(ASKED)]
    assert "".join(chunk.text for chunk in chunks) == "Half of it"
    assert [reason for chunk in chunks if (reason := chunk.response_metadata.get("finish_reason"))] == ["length"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_message_is_answered_as_it_is(streams: bool) -> None:
    counted = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    message = AIMessage("Hm.", usage_metadata=counted, additional_kwargs={"refusal": "No."})
    model = ScriptedChatModel(script=lambda *_: message, disable_streaming=not streams)
    first = await anext(model.astream(ASKED))
    assert (first.text, first.usage_metadata, first.additional_kwargs) == ("Hm.", counted, {"refusal": "No."})
