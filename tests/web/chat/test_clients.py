"""Client libraries that we did not write, over real HTTP: OpenAI's own, and Hugging Face's, which is none of its kin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import huggingface_hub
import openai
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, TextGenerationError

from matrioska.state.errors import CascadeError, ModelTimeoutError
from tests.web.conftest import chatting
from tests.web.offered import Scripted

Chat = Callable[..., tuple[str, Any]]
TOKEN = "a-token-of-some-length"
QUESTION: list[Any] = [{"role": "user", "content": "Why is the sky blue?"}]
LONG = "Because blue light is scattered more. " * 30
DOWN = CascadeError("No mind could answer: http://10.0.0.5:1/v1 is down.", next_step="Start LM Studio.")


@pytest.fixture
def opened(chat: Chat) -> Iterator[Callable[..., openai.OpenAI]]:
    """Return OpenAI's client of a service that offers this."""
    clients: list[openai.OpenAI] = []

    def made(*offers: Scripted, key: str = "any text", **door: object) -> openai.OpenAI:
        url, _ = chat(*offers, **door)
        clients.append(openai.OpenAI(base_url=f"{url}/v1", api_key=key))
        return clients[-1]

    yield made
    for client in clients:
        client.close()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Hugging Face's library speak at all: the machine's network stays closed by the tests' own rule."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def _until(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_models_are_what_can_be_asked(opened: Any) -> None:
    client = opened(Scripted(), Scripted(id="matrioska"))
    assert [(model.id, model.object, model.owned_by) for model in client.models.list()] == [
        ("matrioska-cascade", "model", "matrioska"),
        ("matrioska", "model", "matrioska"),
    ]
    assert client.models.retrieve("matrioska").id == "matrioska"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_an_answer_has_the_official_shape(opened: Any) -> None:
    offer = Scripted(says=LONG, missing=("Nova",))
    client = opened(offer)
    raw = client.chat.completions.with_raw_response.create(model="matrioska-cascade", messages=QUESTION)
    answer = raw.parse()
    assert offer.asked == ["Why is the sky blue?"]
    assert (answer.object, answer.model) == ("chat.completion", "matrioska-cascade")
    assert abs(answer.created - time.time()) < 600
    choice = answer.choices[0]
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.content == LONG
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (30, 12, 42)
    thread = raw.headers["x-matrioska-thread"]
    assert thread.startswith("why-is-the-sky-blue-")
    assert answer.id == f"chatcmpl-{thread}"
    assert answer.model_extra["matrioska"] == {"thread_id": thread, "missing": ["Nova"]}


def test_a_stream_thinks_aloud_then_answers_then_counts(opened: Any) -> None:
    client = opened(Scripted(says=LONG))
    stream = client.chat.completions.create(
        model="matrioska-cascade", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {
        (chunks[0].id, "chat.completion.chunk", "matrioska-cascade")
    }
    assert chunks[0].choices[0].delta.role == "assistant"
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert "".join(delta.content or "" for delta in deltas) == LONG
    thoughts = [delta.model_extra["reasoning_content"] for delta in deltas if delta.model_extra]
    assert thoughts == [
        "Atlas makes a first analysis …\n\n",
        "Atlas, first analysis: It has two sides.\n\n",
        "Atlas asks Nova: How is it built?\n\n",
        "Nova failed: No word came.\n\n",
        "Nova has no answer.\n\n",
    ]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 42)


def test_a_stream_counts_only_when_asked(opened: Any) -> None:
    stream = opened().chat.completions.create(model="matrioska-cascade", messages=QUESTION, stream=True)
    assert all(chunk.choices and chunk.usage is None for chunk in stream)


async def test_the_client_in_async_code(chat: Chat) -> None:
    url, _ = chat(Scripted(says="Yes, it is."))
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
        assert [model.id async for model in client.models.list()] == ["matrioska-cascade"]
        whole, stream = await asyncio.gather(
            client.chat.completions.create(model="matrioska-cascade", messages=QUESTION),
            client.chat.completions.create(model="matrioska-cascade", messages=QUESTION, stream=True),
        )
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(said) == "Yes, it is."


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (DOWN, openai.InternalServerError, 503),
        (ModelTimeoutError("It took longer than 5 s.", seconds=5), openai.InternalServerError, 504),
        (ValueError("what nobody should read"), openai.InternalServerError, 500),
    ],
)
def test_what_fails_is_raised_and_not_tried_again(opened: Any, error: Exception, kind: Any, status: int) -> None:
    offer = Scripted(says=error)
    with pytest.raises(kind) as caught:
        opened(offer).chat.completions.create(model="matrioska-cascade", messages=QUESTION)
    assert caught.value.status_code == status
    assert caught.value.type == "server_error"
    assert "10.0.0.5" not in caught.value.message
    assert "nobody should read" not in caught.value.message
    # A question that failed has cost as much as one that was answered.
    assert len(offer.asked) == 1


def test_what_fails_in_midstream_is_raised(opened: Any) -> None:
    stream = opened(Scripted(says=DOWN)).chat.completions.create(
        model="matrioska-cascade", messages=QUESTION, stream=True
    )
    thoughts: list[Any] = []
    with pytest.raises(openai.APIError, match="No mind could answer") as caught:
        thoughts.extend(chunk.choices[0].delta for chunk in stream)
    assert (caught.value.type, caught.value.code) == ("server_error", "cascade")
    assert "Start LM Studio." in caught.value.message
    assert "10.0.0.5" not in caught.value.message
    assert len(thoughts) == 6


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_honoured_is_refused(opened: Any, more: dict[str, Any], param: str, stream: bool) -> None:
    offer = Scripted()
    with pytest.raises(openai.BadRequestError) as caught:
        opened(offer).chat.completions.create(model="matrioska-cascade", messages=QUESTION, stream=stream, **more)
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")
    assert not offer.asked


def test_what_only_tunes_a_model_is_passed_over(opened: Any) -> None:
    answer = opened().chat.completions.create(
        model="matrioska-cascade",
        messages=QUESTION,
        temperature=0.2,
        top_p=0.9,
        max_tokens=5,
        stop=["\n"],
        seed=7,
        n=1,
        presence_penalty=1,
        user="me",
        reasoning_effort="high",
        tool_choice="none",
        response_format={"type": "text"},
        extra_body={"num_ctx": 4096, "of_tomorrow": {"a": [1]}},
    )
    assert answer.choices[0].message.content == "Yes."


def test_a_token_is_the_clients_key(opened: Any) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        opened(token=TOKEN, key="another").models.list()
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "invalid_request_error")
    assert [model.id for model in opened(token=TOKEN, key=TOKEN).models.list()] == ["matrioska-cascade"]


def test_a_busy_service_is_asked_again_later(opened: Any, chat: Chat) -> None:
    url, chats = chat()
    chats.most = 0
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="matrioska-cascade", messages=QUESTION)
        assert caught.value.response.headers["retry-after"] == "1"
        assert "x-should-retry" not in caught.value.response.headers
        assert caught.value.code == "rate_limit_exceeded"
        chats.most = 1
        assert client.chat.completions.create(model="matrioska-cascade", messages=QUESTION).choices


def test_several_chats_at_once_are_told_apart(chat: Chat) -> None:
    offer = Scripted(says=lambda question: f"You asked: {question}", seconds=0.2)
    url, chats = chat(offer)

    def ask(number: int) -> str:
        question: list[Any] = [{"role": "user", "content": f"Question {number}?"}]
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
            if number % 2:
                return client.chat.completions.create(model=offer.id, messages=question).choices[0].message.content
            stream = client.chat.completions.create(model=offer.id, messages=question, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == [f"You asked: Question {number}?" for number in range(8)]
    _until(lambda: len(chats) == 0)


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_cancels_the_question(chat: Chat, stream: bool) -> None:
    offer = Scripted(seconds=60.0)
    url, chats = chat(offer)
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="x", timeout=1.0, max_retries=0) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        list(client.chat.completions.create(model=offer.id, messages=QUESTION, stream=stream))
    _until(lambda: len(chats) == 0)
    assert offer.cancelled == ["Why is the sky blue?"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_end_of_the_service_tells_who_waits_and_keeps_the_thread(stream: bool) -> None:
    offer = Scripted(seconds=60.0)
    with ThreadPoolExecutor(1) as pool, chatting(offer) as (url, chats):

        def ask() -> Exception:
            with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client, pytest.raises(openai.APIError) as caught:
                list(client.chat.completions.create(model=offer.id, messages=QUESTION, stream=stream))
            return caught.value

        asked = pool.submit(ask)
        _until(lambda: len(offer.asked) == 1)
        chats.stop()
        error = asked.result(20)
    assert getattr(error, "code", "") == "stopping"
    assert len(chats.cut_off) == 1
    assert chats.cut_off[0].startswith("why-is-the-sky-blue-")


def test_another_library_talks_to_it(chat: Chat, online: None) -> None:
    url, _ = chat(Scripted(says=LONG))
    with huggingface_hub.InferenceClient(base_url=f"{url}/v1", api_key="x") as client:
        answer = client.chat.completions.create(model="matrioska-cascade", messages=QUESTION)
        assert answer.choices[0].message.content == LONG
        assert answer.usage.total_tokens == 42
        stream = client.chat.completions.create(
            model="matrioska-cascade", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == LONG
    assert chunks[-1].usage.total_tokens == 42


async def test_another_library_in_async_code(chat: Chat, online: None) -> None:
    url, _ = chat(Scripted(says=LONG))
    async with huggingface_hub.AsyncInferenceClient(base_url=f"{url}/v1", api_key="x") as client:
        stream = await client.chat.completions.create(model="matrioska-cascade", messages=QUESTION, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(said) == LONG


@pytest.mark.parametrize(("stream", "kind"), [(False, HfHubHTTPError), (True, TextGenerationError)])
def test_another_library_raises_what_fails(chat: Chat, online: None, stream: bool, kind: type[Exception]) -> None:
    url, _ = chat(Scripted(says=DOWN))
    with (
        huggingface_hub.InferenceClient(base_url=f"{url}/v1", api_key="x") as client,
        pytest.raises(kind, match="No mind could answer"),
    ):
        list(client.chat.completions.create(model="matrioska-cascade", messages=QUESTION, stream=stream))
