"""Everything that can go wrong with a server, through the clients that people use."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from matrioska.models.gateway import Client, Reply
from matrioska.models.gateway import stream as collecting
from matrioska.models.gateway.transport import cap_clients, constructor_arguments
from matrioska.state.errors import (
    ContextWindowError,
    ModelAuthError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnknownModelError,
)
from matrioska.state.fences import fence
from matrioska.state.forms import AnswerForm
from matrioska.state.members import Member
from tests.models.gateway import faulty
from tests.models.gateway.faulty import Asked, Behaviour, Server, answers, event, fails, says, serving, streams, usage

ASKED = [SystemMessage("You are."), HumanMessage(fence("Cats. " * 40, "task"))]
KEY = "sk-test-0123456789"
FORM = AnswerForm("json", "pair", {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})

# The OpenAI client's own remark on values of wrong types, before it goes on with them.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

Make = Callable[[Server, Member], BaseChatModel]


def _openai(server: Server, member: Member, **options: Any) -> BaseChatModel:
    fixed = {"max_retries": 0, "stream_usage": True, "stream_chunk_timeout": 0, "max_tokens": member.max_tokens}
    arguments = {**constructor_arguments(ChatOpenAI), **fixed, **options}
    return ChatOpenAI(model="m", base_url=server.url, api_key=KEY, **arguments)


def _unstreamed(server: Server, member: Member) -> BaseChatModel:
    return _openai(server, member, disable_streaming=True)


def _anthropic(server: Server, member: Member) -> BaseChatModel:
    address = server.url.removesuffix("/v1")
    model = ChatAnthropic(model_name="m", base_url=address, api_key=KEY, max_retries=0, max_tokens_to_sample=100)
    cap_clients(model)
    return model


def _ollama(server: Server, member: Member) -> BaseChatModel:
    return ChatOllama(model="m", base_url=server.url.removesuffix("/v1"), **constructor_arguments(ChatOllama))


def _client(server: Server, make: Make = _openai, **fields: Any) -> Client:
    named = {_anthropic: "anthropic:m", _ollama: "ollama:m"}.get(make, "openai:m")
    settings = {"model": named, "base_url": server.url, "attempts": 3, "deadline": 20.0, "idle_timeout": 10.0}
    member = Member.model_validate({**settings, **fields})
    return Client(member, make(server, member))


async def _ask(client: Client, form: AnswerForm | None = None) -> Reply:
    async with asyncio.timeout(60):
        return await (client.ask(ASKED, form) if form else client.ask(ASKED))


def _endless(piece: str) -> Callable[[], Any]:
    return lambda: itertools.repeat(piece)


def _counting() -> Any:
    return (event({"role": "assistant", "content": f" {number}"}) for number in itertools.count())


_SHORT = {"deadline": 0.5, "attempts": 3}
_IMPATIENT = {"idle_timeout": 0.2, "attempts": 2}
_HTML = "<!doctype html><title>Welcome</title>"

#: behaviour, settings of the member, error, whether it passes, requests that the server gets, words of the message
ERRORS = {
    "wrong key": (fails(401, f"Incorrect API key {KEY}"), {}, ModelAuthError, False, 1, "key was refused"),
    "forbidden": (fails(403), {}, ModelAuthError, False, 1, "HTTP 403"),
    "unknown model": (
        fails(404, "The model `m` does not exist", code="model_not_found"), {}, UnknownModelError, False, 1, "no such model"),
    "wrong address": (fails(404, "Not Found"), {}, ModelError, False, 1, "HTTP 404"),
    "bad request": (fails(400, "temperature is too high"), {}, ModelError, False, 1, "temperature is too high"),
    "prompt too long": (
        fails(400, "This model's maximum context length is 128 tokens"), {}, ContextWindowError, False, 1, "largest part is task"),
    "no credit": (
        fails(429, "You exceeded your quota", code="insufficient_quota"), {}, ModelAuthError, False, 1, "no credit"),
    "payment": (fails(402, "Insufficient Balance"), {}, ModelAuthError, False, 1, "no credit"),
    "overloaded": (fails(429, "slow down"), {}, ModelUnavailableError, True, 3, "failed after 3 attempts: HTTP 429"),
    "overloaded, come back at once": (
        fails(429, "slow down", "retry-after: 0"), {}, ModelUnavailableError, True, 3, "HTTP 429"),
    "overloaded for an hour": (
        fails(429, "slow down", "retry-after: 3600"), {}, ModelUnavailableError, True, 1, "asks to wait 3600 s"),
    "overloaded until a date": (
        fails(503, "slow down", f"retry-after: {formatdate(4e9, usegmt=True)}"), {}, ModelUnavailableError, True, 1, "asks to wait"),
    "overloaded until a date in the past": (
        fails(503, "slow down", f"retry-after: {formatdate(1, usegmt=True)}"), {}, ModelUnavailableError, True, 3, "HTTP 503"),
    "server error": (fails(500), {}, ModelUnavailableError, True, 3, "HTTP 500"),
    "bad gateway as a page": (says(_HTML, "text/html", 502), {}, ModelUnavailableError, True, 3, "HTTP 502"),
    "timeout of a proxy": (says("", "text/plain", 504), {}, ModelUnavailableError, True, 3, "HTTP 504"),
    "error in the stream": (
        streams(lambda: ['data: {"error": {"message": "busy", "type": "server_error"}}\n\n']), {}, ModelUnavailableError, True, 3, "busy"),
    "reset": (faulty.resets, {}, ModelUnavailableError, True, 3, "failed after 3 attempts"),
    "reset mid-answer": (faulty.resets_midway, {}, ModelUnavailableError, True, 3, "failed after 3 attempts"),
    "end without an end": (
        streams(lambda: [event({"role": "assistant", "content": "Half of"})]), {}, ModelUnavailableError, True, 3, "broke off"),
    "hang": (faulty.hangs, _IMPATIENT, ModelTimeoutError, True, 2, "nothing came for 0.2 s"),
    "hang mid-answer": (faulty.hangs_midway, _IMPATIENT, ModelTimeoutError, True, 2, "nothing came for 0.2 s"),
    "hang until the deadline": (faulty.hangs, _SHORT, ModelTimeoutError, True, 1, "longer than its 0.5 s"),
    "slow drip": (streams(_counting, 0.02), _SHORT, ModelTimeoutError, True, 1, "longer than its 0.5 s"),
    "comments without end": (streams(_endless(": still here\n\n"), 0.02), _IMPATIENT, ModelTimeoutError, True, 2, "nothing came"),
    "page": (says(_HTML, "text/html"), {}, ModelResponseError, False, 1, "web page"),
    "page under another name": (says(_HTML, "text/event-stream"), {}, ModelResponseError, False, 1, "nothing of what its protocol says"),
    "empty body": (says("", "text/event-stream"), {}, ModelResponseError, False, 1, "nothing of what its protocol says"),
    "cut JSON": (streams(lambda: ['data: {"choices": [{"delta": {"con\n\n']), {}, ModelResponseError, False, 1, "cannot be read"),
    "list for choices": (streams(lambda: ['data: {"choices": "none"}\n\n']), {}, ModelResponseError, False, 1, ""),
    "number for a message": (
        streams(lambda: ['data: {"choices": [{"index": 0, "delta": 7}]}\n\n']), {}, ModelResponseError, False, 1, ""),
    "endless line": (streams(lambda: itertools.chain(["data: "], itertools.repeat("x" * 65536))), {}, ModelResponseError, False, 1, "line of the response"),
    "packed": (says("{}", "text/event-stream", 200, "content-encoding: gzip"), {}, ModelResponseError, False, 1, "packed"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
async def test_what_fails_is_one_typed_error(case: str) -> None:
    behaviour, fields, kind, passes, requests, words = ERRORS[case]
    async with serving(behaviour) as server:
        with pytest.raises(ModelError) as caught:
            await _ask(_client(server, **fields))
        error = caught.value
        assert type(error) is kind, error
        assert words in error.message
        assert "openai:m" in error.message
        assert KEY not in str(error)
        assert error.model == "openai:m"
        assert error.retryable is passes
        assert error.next_step
        assert len(server.asked) == requests


@pytest.mark.parametrize(
    ("behaviour", "kind", "requests", "words"),
    [
        (fails(401), ModelAuthError, 1, "key was refused"),
        (fails(500), ModelUnavailableError, 3, "HTTP 500"),
        (faulty.resets, ModelUnavailableError, 3, "failed after 3 attempts"),
        (says(_HTML, "text/html"), ModelResponseError, 1, "web page"),
        (says(_HTML, "application/json"), ModelResponseError, 1, ""),
        (says(""), ModelResponseError, 1, ""),
        (says('{"choices": [{"mess'), ModelResponseError, 1, ""),
        (says({"choices": "none"}), ModelResponseError, 1, ""),
        (says({"choices": [{"message": 7}]}), ModelResponseError, 1, ""),
        (says([1, 2]), ModelResponseError, 1, ""),
        (says({"id": "1", "choices": []}), ModelResponseError, 1, ""),
        (says("null"), ModelResponseError, 1, ""),
        (says("x" * (33 * 2**20)), ModelResponseError, 1, "larger than 32 MiB"),
    ],
)  # fmt: skip
async def test_answers_that_do_not_stream_fail_alike(
    behaviour: Behaviour, kind: type[ModelError], requests: int, words: str
) -> None:
    async with serving(behaviour) as server:
        with pytest.raises(ModelError) as caught:
            await _ask(_client(server, _unstreamed))
        assert type(caught.value) is kind, caught.value
        assert words in caught.value.message
        assert len(server.asked) == requests


async def test_a_body_without_length_and_end_is_cut_off() -> None:
    async def floods(asked: Asked) -> None:
        await asked.head(200, "application/json")
        while True:
            await asked.send(b" " * 2**20)

    async with serving(floods) as server:
        with pytest.raises(ModelResponseError, match="larger than 32 MiB"):
            await _ask(_client(server, _unstreamed))
    assert server.left == 1


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with serving(answers("Done.")) as server:
        pass
    with pytest.raises(ModelUnavailableError, match="failed after 3 attempts") as caught:
        await _ask(_client(server))
    assert "server runs" in caught.value.next_step


_LONG = "".join(f"{number}, " for number in range(200_000))

#: behaviour, settings, words of the fault, words of the text
FAULTS = {
    "empty": (answers(""), {}, "is empty", ""),
    "only space": (answers(" \n"), {}, "is empty", ""),
    "cut off by its length": (answers("Half of", finish="length"), {}, "cut off after 7 characters", "Half of"),
    "filtered": (answers("Half of", finish="content_filter"), {}, "was refused", "Half of"),
    "50 MB": (streams(lambda: (event({"role": "assistant", "content": _LONG[at:at + 50_000]}) for at in itertools.cycle(range(0, len(_LONG), 50_000)))), {}, "more than 4000000 characters", "1, 2"),
    "endless": (streams(_counting), {"max_tokens": 100}, "more than 2600 characters", " 1 2 3"),
    "repetition": (streams(_endless(event({"role": "assistant", "content": "and so on and "}))), {}, "repeats itself", "and so on"),
    "line breaks without end": (streams(_endless(event({"role": "assistant", "content": "\n\n"}))), {}, "repeats itself", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
async def test_an_answer_of_no_use_is_paid_for_and_told(case: str) -> None:
    behaviour, fields, fault, text = FAULTS[case]
    async with serving(behaviour) as server:
        reply = await _ask(_client(server, **fields))
        assert fault in reply.fault
        assert text in reply.text
        assert len(reply.text) <= collecting.MAX_ANSWER + 50_000
        assert len(server.asked) == reply.usage.calls == 1
        assert reply.usage.input_tokens > 0
        if "cut off: " in reply.fault:
            assert reply.usage.output_tokens > 100
    # The client hung up at once, instead of letting the server go on.
    assert server.left == ("cut off: " in reply.fault)


async def test_a_refusal_is_told() -> None:
    told = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}  # fmt: skip
    pieces = [
        event({"role": "assistant", "refusal": "I can"}),
        event({"refusal": "not."}),
        event({}, "stop"),
        "data: [DONE]\n\n",
    ]
    async with serving(says(told)) as server:
        assert "refused: I cannot." in (await _ask(_client(server, _unstreamed))).fault
    async with serving(streams(lambda: pieces)) as server:
        assert "refused: I cannot." in (await _ask(_client(server), FORM)).fault


async def test_a_fault_that_passes_is_not_seen(pauses: list[float]) -> None:
    async with serving(fails(503), faulty.resets_midway, answers("Do", "ne.")) as server:
        reply = await _ask(_client(server))
        assert (reply.text, reply.fault, reply.model) == ("Done.", "", "openai:m")
        # What had come before the reset was paid for, and is estimated.
        assert (reply.usage.calls, reply.usage.output_tokens) == (3, 7 + 2)
        assert len(pauses) == 2
        assert len({json.dumps(asked.body) for asked in server.asked}) == 1


async def test_the_servers_pause_is_taken_before_ones_own(pauses: list[float]) -> None:
    async with serving(
        fails(429, "no", "retry-after: 0.01"), fails(429, "no", "retry-after-ms: 10"), answers("Done.")
    ) as server:
        assert (await _ask(_client(server))).text == "Done."
    assert pauses == []


@pytest.mark.parametrize("finish", ["stop", "length"])
async def test_an_answer_to_a_form_is_asked_for_and_counted_once(finish: str) -> None:
    pieces = [
        event({"role": "assistant", "content": '{"a": '}),
        event({"content": '"b"}'}),
        event({}, finish),
        usage(11, 7),
        "data: [DONE]\n\n",
    ]
    async with serving(streams(lambda: pieces)) as server:
        reply = await _ask(_client(server), FORM)
        assert reply.text == '{"a": "b"}'
        assert ("cut off" in reply.fault) is (finish == "length")
        # At a cut the client leaves before the count comes: it is estimated.
        counted = (11, 7) if finish == "stop" else (70, 3)
        assert (reply.usage.calls, reply.usage.input_tokens, reply.usage.output_tokens) == (1, *counted)
        assert server.asked[0].body["response_format"]["type"] == "json_schema"


async def test_counts_that_come_again_with_every_piece_are_totals() -> None:
    said = {"role": "assistant", "content": "Done."}
    pieces = [event(said), usage(11, 3), event({}, "stop"), usage(11, 7), "data: [DONE]\n\n"]
    async with serving(streams(lambda: pieces)) as server:
        reply = await _ask(_client(server))
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 7)


async def test_a_server_that_refuses_forms_is_asked_without_from_then_on() -> None:
    refusal = fails(400, "response_format is not supported", type="invalid_request_error")
    async with serving(refusal, answers("{}")) as server:
        client = _client(server)
        assert (await _ask(client, FORM)).text == "{}"
        assert (await _ask(client, FORM)).text == "{}"
        assert ["response_format" in asked.body for asked in server.asked] == [True, False, False]


def _messages(*events: dict[str, Any]) -> Behaviour:
    """Answer in Anthropic's protocol."""
    return streams(lambda: [f"event: {told['type']}\ndata: {json.dumps(told)}\n\n" for told in events])


def _lines(*parts: Any) -> Behaviour:
    """Answer in Ollama's protocol."""
    return says(
        "".join(f"{part if isinstance(part, str) else json.dumps(part)}\n" for part in parts), "application/x-ndjson"
    )


_BEGIN = {"type": "message_start", "message": {"id": "1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1}}}  # fmt: skip
_OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
_TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Done."}}
_CLOSE = {"type": "content_block_stop", "index": 0}
_STOP = {"type": "message_stop"}


def _why(reason: str) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }


_PART = {
    "model": "m",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "Done."},
    "done": False,
}
_LAST = {**_PART, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "behaviour", "fault"),
    [
        (_anthropic, _messages(_BEGIN, _OPEN, _TEXT, _CLOSE, _why("end_turn"), _STOP), ""),
        (_anthropic, _messages(_BEGIN, _OPEN, _TEXT, _CLOSE, _why("max_tokens"), _STOP), "cut off"),
        (_anthropic, _messages(_BEGIN, _OPEN, _TEXT, _CLOSE, _why("refusal"), _STOP), "refused"),
        (_ollama, _lines(_PART, _LAST), ""),
        (_ollama, _lines(_PART, {**_LAST, "done_reason": "length"}), "cut off"),
    ],
)
async def test_other_protocols_answer_alike(make: Make, behaviour: Behaviour, fault: str) -> None:
    async with serving(behaviour) as server:
        reply = await _ask(_client(server, make))
        assert reply.text == "Done."
        assert fault in reply.fault if fault else not reply.fault
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 7)


_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("make", "behaviour", "kind", "requests"),
    [
        (_anthropic, says({"type": "error", "error": {"type": "authentication_error", "message": "x"}}, status=401), ModelAuthError, 1),
        (_anthropic, says({"type": "error", "error": {"type": "not_found_error", "message": "model: m not found"}}, status=404), UnknownModelError, 1),
        (_anthropic, says({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}, status=400), ContextWindowError, 1),
        (_anthropic, says({"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}, status=400), ModelAuthError, 1),
        (_anthropic, says(_OVERLOADED, "application/json", 529, "retry-after: 0"), ModelUnavailableError, 3),
        (_anthropic, _messages(_BEGIN, _OPEN, _OVERLOADED), ModelUnavailableError, 3),
        (_anthropic, _messages(_BEGIN, _OPEN, _TEXT), ModelUnavailableError, 3),
        (_anthropic, says(_HTML, "text/html"), ModelResponseError, 1),
        (_anthropic, says("", "text/event-stream"), ModelResponseError, 1),
        (_anthropic, streams(lambda: ["event: message_start\ndata: {\n\n"]), ModelResponseError, 1),
        (_anthropic, faulty.resets, ModelUnavailableError, 3),
        (_anthropic, streams(lambda: itertools.chain(["data: "], itertools.repeat("x" * 65536))), ModelResponseError, 1),
        (_ollama, says({"error": "model 'm' not found"}, status=404), UnknownModelError, 1),
        (_ollama, says({"error": "busy"}, "application/json", 503, "retry-after: 3600"), ModelUnavailableError, 1),
        (_ollama, says({"error": "the input length exceeds the context length"}, status=400), ContextWindowError, 1),
        (_ollama, _lines(_PART, {"error": "llama runner process has terminated"}), ModelError, 1),
        (_ollama, _lines(_PART), ModelUnavailableError, 3),
        (_ollama, _lines('{"model": '), ModelResponseError, 1),
        (_ollama, says(_HTML, "text/html"), ModelResponseError, 1),
        (_ollama, says("", "application/x-ndjson"), ModelResponseError, 1),
        (_ollama, faulty.resets, ModelUnavailableError, 3),
        (_ollama, streams(lambda: itertools.repeat("x" * 65536)), ModelResponseError, 1),
    ],
)  # fmt: skip
async def test_other_protocols_fail_alike(
    make: Make, behaviour: Behaviour, kind: type[ModelError], requests: int
) -> None:
    async with serving(behaviour) as server:
        with pytest.raises(ModelError) as caught:
            await _ask(_client(server, make))
        assert type(caught.value) is kind, caught.value
        assert caught.value.next_step
        assert KEY not in str(caught.value)
        assert len(server.asked) == requests
