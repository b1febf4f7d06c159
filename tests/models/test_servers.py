"""Looking at servers: what each kind tells, and that no bad answer is more than a sentence."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from matrioska.models import servers
from matrioska.models.servers import ServedModel, Server, look_at, look_at_all, server_address
from tests.protocols import ModelServer, ollama_app, openai_app, serving


def unasked(*_: str) -> str:
    raise AssertionError("a look costs no answer")


async def test_lm_studio_tells_what_is_loaded() -> None:
    told = {
        "/api/v0/models": {
            "data": [
                {"id": "coder", "state": "loaded", "loaded_context_length": 4096, "max_context_length": 32768},
                {"id": "writer", "state": "not-loaded", "max_context_length": 131072},
            ]
        }
    }
    listed = [{"id": "coder"}, {"id": "writer"}, {"id": "other"}]
    with serving(openai_app, ModelServer(unasked, listed, told)) as server:
        found = await look_at("lmstudio", f"{server.url}/v1")
    assert found.models == (
        ServedModel("coder", 4096, True),
        ServedModel("writer", 131072, False),
        ServedModel("other"),
    )
    assert found.answers


@pytest.mark.parametrize(
    ("provider", "entry", "extra"),
    [
        ("lmstudio", {"id": "m"}, {}),
        ("llamacpp", {"id": "m"}, {}),
        ("llamacpp", {"id": "m"}, {"/props": {"default_generation_settings": None}}),
        ("vllm", {"id": "m", "max_model_len": "many"}, {}),
    ],
)
async def test_a_server_that_tells_no_window(provider: str, entry: dict[str, Any], extra: dict[str, Any]) -> None:
    with serving(openai_app, ModelServer(unasked, [entry], extra)) as server:
        assert (await look_at(provider, f"{server.url}/v1")).models == (ServedModel("m"),)


async def test_llama_cpp_and_vllm_tell_their_windows() -> None:
    props = {"/props": {"default_generation_settings": {"n_ctx": 16384}}}
    with (
        serving(openai_app, ModelServer(unasked, [{"id": "tiny.gguf"}], props)) as llama,
        serving(openai_app, ModelServer(unasked, [{"id": "org/big", "max_model_len": 8192}])) as vllm,
    ):
        found = await look_at_all([("llamacpp", f"{llama.url}/v1", ""), ("vllm", f"{vllm.url}/v1/", "")])
    assert [server.models for server in found] == [(ServedModel("tiny.gguf", 16384),), (ServedModel("org/big", 8192),)]


async def test_ollama_tells_the_window_it_runs_with_before_the_largest() -> None:
    told = {
        "/api/ps": {"models": [{"name": "qwen3:latest", "context_length": 4096}]},
        "/api/show": {"model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960}},
    }
    listed = [{"name": "qwen3:latest"}, {"name": "phi4:14b"}]
    with serving(ollama_app, ModelServer(unasked, listed, told)) as server:
        found = await look_at("ollama", server.url)
    assert found.models == (ServedModel("qwen3:latest", 4096, True), ServedModel("phi4:14b", 40960, False))
    assert found.find("qwen3") == found.models[0]
    assert found.find("phi4") is None


async def test_an_empty_ollama() -> None:
    with serving(ollama_app, ModelServer(unasked, None, {"/api/ps": {"models": None}})) as server:  # type: ignore[arg-type]
        assert await look_at("ollama", server.url) == Server("ollama", server.url)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (PlainTextResponse("<html>hello", media_type="text/html"), "no JSON at /v1/models"),
        (PlainTextResponse("[" * 100_000), "no JSON at /v1/models"),
        (PlainTextResponse("[]"), "no object at /v1/models"),
        (PlainTextResponse('{"data": 7}'), "no list of models in the answer's 'data'"),
        (PlainTextResponse("x" * 3_000_000), "more than 2,000,000 bytes"),
        (PlainTextResponse("no", status_code=401), "HTTP 401"),
        (RedirectResponse("http://169.254.169.254/secrets"), "HTTP 307"),
    ],
)
async def test_another_program_at_the_port(answer: Response, says: str) -> None:
    with serving(openai_app, ModelServer(unasked, extra={"/v1/models": answer})) as server:
        found = await look_at("vllm", f"{server.url}/v1")
    assert not found.answers
    assert says in found.fault


async def test_entries_that_are_no_models_are_left_out() -> None:
    listed: list[Any] = ["m", {"id": 3}, {"name": "m"}, {"id": "m"}]
    with serving(openai_app, ModelServer(unasked, listed)) as server:
        assert (await look_at("vllm", f"{server.url}/v1")).models == (ServedModel("m"),)


async def test_nobody_and_nonsense() -> None:
    assert (await look_at("vllm", "http://127.0.0.1:9/v1")).fault == "nothing listens there"
    assert (await look_at("vllm", "http://[::1/v1")).fault
    assert (await look_at("vllm", "nonsense")).fault


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        async with asyncio.timeout(20):
            found = await look_at_all([("vllm", url, ""), ("lmstudio", url, "")], patience=0.2)
    assert {server.fault for server in found} == {"silent for 0.2 seconds"}


async def test_a_key_is_sent_where_one_is_given() -> None:
    seen: list[str] = []

    def app(server: ModelServer) -> Any:
        inner = openai_app(server)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            seen.append(dict(scope["headers"]).get(b"authorization", b"").decode())
            await inner(scope, receive, send)

        return outer

    with serving(app, ModelServer(unasked)) as server:
        await look_at("vllm", f"{server.url}/v1", "sk-house")
        await look_at("vllm", f"{server.url}/v1")
    assert seen == ["Bearer sk-house", ""]


async def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(openai_app, ModelServer(unasked)) as server:
        assert (await look_at("vllm", f"{server.url}/v1")).answers


def test_where_the_servers_of_this_machine_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    ports = {provider: server_address(provider).split(":")[2] for provider in servers.LOCAL_SERVERS}
    assert ports == {"lmstudio": "1234/v1", "ollama": "11434", "llamacpp": "8080/v1", "vllm": "8000/v1"}
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:7777")
    assert server_address("ollama") == "http://127.0.0.1:7777"
