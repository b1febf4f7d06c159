"""The chat model: formats, usage, pace, sameness, plain words."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from matrioska.models.embedded.chat import NOTICE, SECONDS_VARIABLE, EmbeddedChatModel
from matrioska.prompts.render import render
from matrioska.state.errors import ConfigError
from tests.models.embedded.simulation import LIBRARY

_PLAN = {
    "task": LIBRARY,
    "assets": "",
    "memory": "",
    "language": "",
    "previous_plan": "",
    "feedback": "",
    "complaints": [],
}


def test_a_greeting_gets_plain_words_about_what_it_is() -> None:
    answer = EmbeddedChatModel().invoke("hello").content
    assert answer == NOTICE["en"]
    assert "rule-based" in answer and "--model" in answer


def test_a_portuguese_greeting_gets_portuguese() -> None:
    assert EmbeddedChatModel().invoke("Olá, o que você sabe fazer?").content == NOTICE["pt"]


def test_message_blocks_are_read_like_text() -> None:
    text = render("architect", **_PLAN)[1].text
    blocks = [SystemMessage("…"), HumanMessage([{"type": "text", "text": text}])]
    assert EmbeddedChatModel().invoke(blocks).content == EmbeddedChatModel().invoke(text).content


def test_it_reports_usage_and_why_it_stopped() -> None:
    reply = EmbeddedChatModel().invoke(render("architect", **_PLAN))
    assert isinstance(reply, AIMessage) and reply.usage_metadata
    usage = reply.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] == len(reply.text) // 4
    assert reply.response_metadata["model_name"] == "embedded"
    assert reply.response_metadata["finish_reason"] == "stop"


def test_the_same_prompt_gets_the_same_answer_in_another_process() -> None:
    # Another process has another hash seed: an order taken from a set would show.
    code = (
        "from matrioska.models.embedded.chat import EmbeddedChatModel as M;"
        "from matrioska.prompts.render import render;"
        f"print(M().invoke(render('architect', **{_PLAN!r})).content)"
    )
    root = __file__.split("/tests/")[0]
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {(EmbeddedChatModel().invoke(render("architect", **_PLAN)).text + "\n").encode()}


def test_the_pace_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model = EmbeddedChatModel()
    monkeypatch.setenv(SECONDS_VARIABLE, "0.2")
    start = time.perf_counter()
    model.invoke("hello")
    assert time.perf_counter() - start >= 0.2
    monkeypatch.setenv(SECONDS_VARIABLE, "0")
    start = time.perf_counter()
    model.invoke("hello")
    assert time.perf_counter() - start < 0.15


async def test_slow_calls_wait_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, "0.3")
    model = EmbeddedChatModel()
    start = time.perf_counter()
    await asyncio.gather(*(model.ainvoke("hello") for _ in range(5)))
    assert 0.3 <= time.perf_counter() - start < 0.9


@pytest.mark.parametrize("setting", ["soon", "-1", "nan", "inf"])
def test_a_pace_that_is_no_number_of_seconds_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, setting)
    with pytest.raises(ConfigError, match=SECONDS_VARIABLE):
        EmbeddedChatModel().invoke("hello")


def test_importing_it_loads_no_recipe() -> None:
    code = (
        "import sys, matrioska.models.embedded.chat;"
        "print([name for name in sys.modules if name.rpartition('.')[2] in ('webapp', 'analysis', 'written', 'torch')])"
    )
    root = __file__.split("/tests/")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_call_is_cheap() -> None:
    model, prompt = EmbeddedChatModel(), render("architect", **_PLAN)
    model.invoke(prompt)
    start = time.process_time()
    for _ in range(10):
        model.invoke(prompt)
    assert (time.process_time() - start) / 10 < 0.05
