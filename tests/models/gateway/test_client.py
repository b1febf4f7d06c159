"""The door to models: which failures are tried again, what is cleaned, what is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import SecretStr
from tenacity import RetryCallState

from matrioska.models.gateway import client as gateway
from matrioska.models.gateway.client import ask, is_retryable
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import AnswerError, ConfigError, ModelError

ASKED = [HumanMessage("Stage: produce\nModule: a\n\nDo it.")]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses between attempts instead of taking them."""
    taken: list[float] = []
    pause = gateway._pause

    def instead(state: RetryCallState) -> float:
        taken.append(pause(state))
        return 0.0

    monkeypatch.setattr(gateway, "_pause", instead)
    return taken


class HttpError(Exception):
    """As the clients of providers have them."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.response = httpx.Response(status, headers=headers)
        super().__init__(f"HTTP {status}")


class RateLimitError(Exception):
    """A client's class without a status."""


def _model(*answers: str | Exception) -> ScriptedChatModel:
    left = list(answers)
    return ScriptedChatModel(script=lambda *_: left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(
    ("error", "again"),
    [
        *((HttpError(status), True) for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        *((HttpError(status), False) for status in (400, 401, 403, 404, 422)),
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
        (asyncio.CancelledError(), False),
    ],
    ids=repr,
)
async def test_overload_and_network_faults_are_tried_again_and_refusals_not(error: BaseException, again: bool) -> None:
    assert is_retryable(error) is again
    if isinstance(error, Exception):
        model = _model(error)
        with pytest.raises((ModelError, ConfigError)):
            await ask(model, ASKED)
        assert model.count() == (gateway.ATTEMPTS if again else 1)


async def test_a_fault_that_passes_costs_a_pause(pauses: list[float]) -> None:
    reply = await ask(_model(HttpError(503), HttpError(503), "Done."), ASKED)
    assert reply.text == "Done."
    assert reply.usage.calls == 3
    assert len(pauses) == 2
    assert all(0 < pause <= 21 for pause in pauses)


@pytest.mark.parametrize(
    ("header", "low", "high"), [("7", 7, 7), ("3600", 60, 60), ("-1", 0, 0), ("nan", 0, 0), ("soon", 0.01, 21)]
)
async def test_the_server_says_how_long_to_wait(pauses: list[float], header: str, low: float, high: float) -> None:
    await ask(_model(HttpError(429, {"Retry-After": header}), "Done."), ASKED)
    assert low <= pauses[0] <= high


async def test_what_failed_is_named_with_the_next_step() -> None:
    with pytest.raises(ModelError, match=r"failed after 4 attempts: HttpError: HTTP 503") as caught:
        await ask(_model(HttpError(503)), ASKED)
    assert caught.value.retryable
    assert "resume" in caught.value.next_step
    with pytest.raises(ModelError, match="failed after 1 attempt: HttpError: HTTP 401") as caught:
        await ask(_model(HttpError(401)), ASKED)
    assert not caught.value.retryable
    assert "key" in caught.value.next_step


async def test_errors_tell_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithKey(ScriptedChatModel):
        api_key: SecretStr = SecretStr("sk-1")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-1-longer")
    with pytest.raises(ModelError) as caught:
        await ask(WithKey(script=lambda *_: ValueError("keys sk-1 and sk-1-longer\x1b[31m")), ASKED)
    assert "ValueError: keys [key] and [key][31m" in str(caught.value)


@pytest.mark.parametrize("answer", ["", " \n", "\0"])
async def test_an_empty_answer_is_worth_telling_the_model(answer: str) -> None:
    with pytest.raises(AnswerError, match="empty"):
        await ask(_model(answer), ASKED)


async def test_an_answer_is_cleaned_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ask(_model("a\r\nb\0\x1b[31m\ud800"), ASKED)).text == "a\nb[31m"
    monkeypatch.setattr(gateway, "MAX_ANSWER", 5)
    with pytest.raises(AnswerError, match="6 characters; 5 are the most"):
        await ask(_model("123456"), ASKED)


async def test_one_attempt_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "DEADLINE", 0.01)
    model = ScriptedChatModel(script=lambda *_: "late", latency=5.0)
    with pytest.raises(ModelError, match="TimeoutError"):
        await ask(model, ASKED, attempts=2)


async def test_the_servers_count_is_believed() -> None:
    class Counts(ScriptedChatModel):
        def _finish(self, call: Any, started: float) -> ChatResult:
            usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("Done.", usage_metadata=usage))])

    usage = (await ask(Counts(script=lambda *_: ""), ASKED)).usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (1, 11, 7)


async def test_without_a_count_four_characters_are_a_token() -> None:
    usage = (await ask(_model("x" * 40), ASKED)).usage
    assert (usage.input_tokens, usage.output_tokens) == (len(str(ASKED[0].content)) // 4, 10)
    assert usage.seconds > 0


async def test_cancelling_is_not_an_error_of_the_model() -> None:
    model = ScriptedChatModel(script=lambda *_: "late", latency=30.0)
    asking = asyncio.ensure_future(ask(model, ASKED))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert model.count() == 0
