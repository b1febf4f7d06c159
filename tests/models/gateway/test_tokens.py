"""Counting tokens, and prompts that cannot fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from matrioska.models.gateway import Client
from matrioska.models.gateway import tokens as counting
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ContextWindowError
from matrioska.state.fences import fence
from matrioska.state.members import Member


def _client(**fields: object) -> Client:
    model = ScriptedChatModel(script=lambda *_: "Done.")
    return Client(Member.model_validate({"model": "object:it", **fields}), model)


def _asked(small: int, large: int) -> list[SystemMessage | HumanMessage]:
    sections = fence("a" * small, "task") + "\n" + fence("b" * large, "neighbour_values")
    return [SystemMessage("You are."), HumanMessage(f"Do it.\n\n{sections}")]


async def test_a_prompt_that_cannot_fit_is_not_sent() -> None:
    client = _client(context_window=1000)
    with pytest.raises(ContextWindowError, match="largest part is neighbour_values") as caught:
        await client.ask(_asked(100, 20_000))
    error = caught.value
    assert (error.part, error.window, error.retryable) == ("neighbour_values", 1000, False)
    assert error.tokens > 5000
    assert "an estimate" in error.message
    assert "Shorten neighbour_values" in error.next_step
    assert isinstance(client.model, ScriptedChatModel)
    assert client.model.count() == 0


async def test_an_estimate_refuses_nothing_that_may_fit() -> None:
    # By the rule of thumb 1,250 tokens; in the best case half of them.
    assert (await _client(context_window=1000).ask(_asked(0, 5_000))).text == "Done."


async def test_the_system_message_is_a_part_too() -> None:
    with pytest.raises(ContextWindowError) as caught:
        await _client(context_window=256).ask([SystemMessage("x" * 9_000), HumanMessage("Hi.")])
    assert caught.value.part == "system message"


async def test_an_exact_count_is_held_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matrioska.models.gateway.line.counter_of", lambda *_: len)
    model = ScriptedChatModel(script=lambda *_: "Done.")
    client = Client(Member(model="openai:it", context_window=1000), model)
    assert client.counts_exactly
    assert client.count_tokens("abc") == 3
    with pytest.raises(ContextWindowError) as caught:
        await client.ask(_asked(100, 800))
    assert "estimate" not in caught.value.message
    assert (await client.ask(_asked(100, 400))).text == "Done."


def test_the_window_is_the_members_before_the_models_own() -> None:
    model = ScriptedChatModel(script=lambda *_: "", profile={"max_input_tokens": 4096})
    assert Client(Member(model="object:it"), model).window == 4096
    assert Client(Member(model="object:it", context_window=512), model).window == 512
    assert _client().window is None


def test_tokens_are_estimated_where_nobody_counts() -> None:
    assert not _client().counts_exactly
    assert _client().count_tokens("x" * 40) == 11


def test_tiktoken_is_used_only_when_its_data_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    counting._openai_counter.cache_clear()
    model = ScriptedChatModel(script=lambda *_: "")
    assert not Client(Member(model="openai:gpt-4o"), model).counts_exactly
    # tiktoken's own name for the data of o200k_base.
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"")
    assert counting._cached("o200k_base")
    assert not counting._cached("cl100k_base")
