"""Structured output: what each provider's server is really sent, and what answers consist of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import jsonschema_rs
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_ollama import ChatOllama
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from matrioska.models.embedded.chat import EmbeddedChatModel
from matrioska.models.local import LocalLLM
from matrioska.models.structured import (
    answer_text,
    call_arguments,
    is_strict,
    plain_schema,
    refuses_form,
    takes_schemas,
)
from matrioska.models.testing import ScriptedChatModel
from matrioska.nodes.schemas import contract_schema, plan_schema
from matrioska.state.errors import ConfigError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.members import Member

PLAN = AnswerForm("json", "plan", schema=plan_schema(2_000))
FILES = AnswerForm("files", "files", grammar='start: "x"')
SAID = {"/chat/completions": "response_format is not supported", "/messages": "output_config.format: not permitted"}


class _Refuser(BaseHTTPRequestHandler):
    """Keeps what it is sent and refuses it, as servers do that know no structured output."""

    taken: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        words = next((said for end, said in SAID.items() if self.path.endswith(end)), "invalid format: object")
        error: Any = words if self.path == "/api/chat" else {"message": words, "type": "invalid_request_error"}
        body = json.dumps({"error": error}).encode()
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Refuser.taken.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuser) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def _openai(url: str = "http://127.0.0.1:1/v1") -> ChatOpenAI:
    return ChatOpenAI(model="m", base_url=url, api_key="k", max_retries=0)  # type: ignore[arg-type]


async def _sent(model: BaseChatModel, name: str) -> dict[str, Any]:
    """Return what the server is sent for a form, once the model has failed with its own kind of error."""
    arguments = call_arguments(Member(model=name), model, PLAN)
    with pytest.raises(Exception) as failed:
        async for _ in model.astream([HumanMessage("Plan.")], **arguments):
            pass
    assert refuses_form(failed.value), repr(failed.value)
    return _Refuser.taken[-1]


@pytest.mark.parametrize("name", ["openai:m", "vllm:m", "object:m"])
async def test_a_server_of_ones_own_is_sent_the_schema_with_its_bounds(name: str, server: str) -> None:
    sent = (await _sent(_openai(server), name))["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["name"] == "plan"
    assert sent["json_schema"]["schema"] == plain_schema(PLAN.schema or {}, lengths=True)
    assert "maxLength" in json.dumps(sent) and "prefixItems" not in json.dumps(sent)


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://openrouter.ai/api/v1"])
def test_a_hosted_server_is_sent_what_strict_mode_takes(url: str) -> None:
    name = "openai:m" if "openai" in url.split("/")[2] else "openrouter:m"
    sent = call_arguments(Member(model=name), _openai(url), PLAN)["response_format"]["json_schema"]
    assert sent["strict"] is True and is_strict(sent["schema"])
    assert "maxLength" not in json.dumps(sent) and "prefixItems" not in json.dumps(sent)


def test_azure_is_openai() -> None:
    model = AzureChatOpenAI(
        azure_endpoint="https://x.openai.azure.com", azure_deployment="m", api_version="1", api_key="k"
    )  # type: ignore[call-arg,arg-type]
    sent = call_arguments(Member(model="azure_openai:m"), model, PLAN)["response_format"]["json_schema"]
    assert "maxLength" not in json.dumps(sent)


async def test_anthropic_is_sent_an_output_format(server: str) -> None:
    model = ChatAnthropic(model="claude-x", base_url=server, api_key="k", max_retries=0)  # type: ignore[call-arg,arg-type]
    sent = (await _sent(model, "anthropic:claude-x"))["output_config"]["format"]
    assert sent["type"] == "json_schema"
    modules = sent["schema"]["properties"]["modules"]
    assert modules["items"]["additionalProperties"] is False
    # What Anthropic has no keyword for is told in words.
    assert "maxItems" in modules["description"]


async def test_ollama_is_sent_the_schema_as_its_format(server: str) -> None:
    sent = await _sent(ChatOllama(model="m", base_url=server), "ollama:m")
    assert sent["format"] == plain_schema(PLAN.schema or {}, lengths=True)


def test_a_local_model_is_given_the_schema_as_it_is_and_grammars() -> None:
    model, member = LocalLLM(model_name="nowhere"), Member(model="huggingface:nowhere")
    assert call_arguments(member, model, PLAN) == {"json_schema": PLAN.schema}
    assert call_arguments(member, model, FILES) == {"grammar": FILES.grammar}
    by_prompt = Member(model="huggingface:nowhere", structured="prompt")
    assert call_arguments(by_prompt, model, PLAN) == call_arguments(by_prompt, model, FILES) == {}


@pytest.mark.parametrize("form", [TEXT, AnswerForm("json"), FILES], ids=lambda form: form.kind)
def test_forms_without_a_schema_ask_nothing_of_a_server(form: AnswerForm) -> None:
    assert call_arguments(Member(model="openai:m"), _openai(), form) == {}


@pytest.mark.parametrize(
    "model", [EmbeddedChatModel(), ScriptedChatModel(script=lambda *_: "")], ids=["embedded", "scripted"]
)
def test_models_without_structured_output_are_asked_in_words(model: BaseChatModel) -> None:
    assert not takes_schemas(Member(model="x:y"), model)
    assert call_arguments(Member(model="x:y"), model, PLAN) == {}
    with pytest.raises(ConfigError, match="takes none"):
        call_arguments(Member(model="x:y", structured="schema"), model, PLAN)


def test_a_member_may_be_asked_in_words_only() -> None:
    assert call_arguments(Member(model="openai:m", structured="prompt"), _openai(), PLAN) == {}


@pytest.mark.parametrize(
    "schema", [plan_schema(1_000), plan_schema(50_000), contract_schema(["a.contract", "b"], 4_000)]
)
def test_schemas_are_valid_and_plain_ones_strict(schema: dict[str, Any]) -> None:
    for lengths in (True, False):
        plain = plain_schema(schema, lengths=lengths)
        jsonschema_rs.meta.validate(plain)
        assert is_strict(plain)
    jsonschema_rs.meta.validate(schema)


def test_an_open_object_is_not_strict() -> None:
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert is_strict(closed)
    assert not is_strict({**closed, "required": []})
    assert not is_strict({"type": "array", "items": {**closed, "additionalProperties": True}})


class _StatusError(Exception):
    status_code = 400


def test_other_errors_are_no_refusals_of_a_form() -> None:
    assert refuses_form(_StatusError("Failed to parse grammar"))
    assert not refuses_form(_StatusError("maximum context length exceeded"))
    assert not refuses_form(ValueError("response_format"))
    late = _StatusError("response_format")
    late.status_code = 503
    assert not refuses_form(late)


_THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (AIMessage("<think>hm</think>\nyes"), ("hm", "\nyes")),
        (AIMessage("<thinking>hm</thinking>yes"), ("hm", "yes")),
        (AIMessage("[THINK]hm[/THINK]yes"), ("hm", "yes")),
        (AIMessage("hm</think>yes"), ("hm", "yes")),
        (AIMessage("<think>hm, I"), ("hm, I", "")),
        (AIMessage("<think>a</think><think>b</think>yes"), ("a\n\nb", "yes")),
        (AIMessage('{"a": "</think>"}'), ("", '{"a": "</think>"}')),
        (AIMessage("A file:\n```html path=a.html\n</think>\n```"), ("", "A file:\n```html path=a.html\n</think>\n```")),
        (AIMessage([_THINKING, {"type": "text", "text": "yes"}]), ("hm", "yes")),
        (AIMessage([_THINKING, "yes"], response_metadata={"model_provider": "anthropic"}), ("hm", "yes")),
        (AIMessage([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "yes"]), ("hm", "yes")),
        (AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "yes"}]), ("hm", "yes")),
        (AIMessage("yes", additional_kwargs={"reasoning_content": "hm"}), ("hm", "yes")),
        (AIMessageChunk("yes", additional_kwargs={"reasoning_content": "hm"}), ("hm", "yes")),
        (AIMessage("<think>hm</think>yes", additional_kwargs={"reasoning_content": "hm"}), ("hm", "yes")),
        (AIMessage("yes"), ("", "yes")),
        (AIMessage(""), ("", "")),
    ],
    ids=lambda value: ascii(getattr(value, "content", ""))[:40],
)  # fmt: skip
def test_thoughts_and_answer_are_told_apart(message: AIMessage, expected: tuple[str, str]) -> None:
    assert answer_text(message) == expected
