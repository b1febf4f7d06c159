"""Clients as the registry makes them: capped, and at home in any event loop."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import client_for, transport
from matrioska.models.gateway.transport import async_client_arguments, capped_client, client_arguments
from matrioska.models.registry import make_model
from matrioska.state.errors import ModelError, ModelResponseError
from matrioska.state.members import Member
from tests.models.gateway.faulty import Asked, Behaviour, Server, answers, says, serving, streams

ASKED = [HumanMessage("Hello.")]
NAMES = ["openai:m", "vllm:m", "lmstudio:m", "anthropic:m", "ollama:m"]


@contextmanager
def serving_aside(*behaviours: Behaviour) -> Iterator[Server]:
    """Serve in a thread of its own, for clients that block and for clients in several event loops."""
    ready, done = threading.Event(), threading.Event()
    found: list[Server] = []

    async def serve() -> None:
        async with serving(*behaviours) as server:
            found.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        done.set()
        thread.join()


def _member(name: str, server: Server, **fields: Any) -> Member:
    url = server.url if name.partition(":")[0] not in ("anthropic", "ollama") else server.url.removesuffix("/v1")
    return Member(model=name, base_url=url, **fields)


_LINE = streams(lambda: itertools.chain(["data: "], itertools.repeat("x" * 65536)))


@pytest.mark.parametrize("name", NAMES)
async def test_every_providers_client_is_capped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")
    async with serving(_LINE) as server:
        with pytest.raises(ModelResponseError, match="line of the response is larger than 8 MiB"):
            await client_for(_member(name, server)).ask(ASKED)
        assert len(server.asked) == 1
        assert server.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_blocks_is_capped_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")
    with (
        serving_aside(_LINE) as server,
        pytest.raises(ModelResponseError, match="line of the response is larger than 8 MiB"),
    ):
        list(make_model(_member(name, server)).stream(ASKED))
    assert server.left == 1


def test_one_client_serves_event_loops_after_and_beside_each_other() -> None:
    with serving_aside(answers("Done.")) as server:
        client = client_for(_member("vllm:m", server))

        async def ask() -> str:
            replies = await asyncio.gather(*(client.ask(ASKED) for _ in range(3)))
            return " ".join(reply.text for reply in replies)

        said = [asyncio.run(ask()) for _ in range(2)]
        threads = [threading.Thread(target=lambda: said.append(asyncio.run(ask()))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == ["Done. Done. Done."] * 5


async def test_a_cancelled_call_leaves_no_connection() -> None:
    begun = asyncio.Event()

    async def hangs(asked: Asked) -> None:
        begun.set()
        await asked.hang()

    async with serving(hangs) as server:
        asking = asyncio.ensure_future(client_for(_member("vllm:m", server)).ask(ASKED))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    # The server's end of the connection has seen it close.
    assert server.left == 1


async def test_no_connection_is_kept_for_another_event_loop() -> None:
    async def keeps(asked: Asked) -> None:
        await asked.send("HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\nDone.")
        await asked.hang()

    async with serving(keeps) as server, httpx.AsyncClient(**async_client_arguments()) as client:
        assert (await client.get(server.url)).text == "Done."
        async with asyncio.timeout(20):
            await server.idle.wait()


async def test_slots_bound_what_a_server_sees() -> None:
    async def slowly(asked: Asked) -> None:
        await asyncio.sleep(0.02)
        await answers("Done.")(asked)

    async with serving(slowly) as server:
        client = client_for(_member("vllm:m", server, slots=2))
        await asyncio.gather(*(client.ask(ASKED) for _ in range(6)))
        assert (len(server.asked), server.most) == (6, 2)


@pytest.mark.parametrize("sdk", ["openai", "anthropic", "ollama", "httpx"])
def test_the_library_of_every_sdk_takes_the_caps(sdk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module(transport._library(sdk))
    monkeypatch.setattr(transport, "MAX_BODY", 10)
    hooks = client_arguments(sdk)["event_hooks"]

    def get(content: Any) -> str:
        served = library.MockTransport(lambda _: library.Response(200, content=content))
        with library.Client(transport=served, event_hooks=hooks) as client:
            return str(client.get("http://127.0.0.1").text)

    assert get(iter([b"12345", b"67890"])) == "1234567890"
    with pytest.raises(ModelResponseError):
        get(iter([b"12345", b"67890", b"1"]))
    with pytest.raises(ModelResponseError):
        # It says so itself.
        get(b"12345678901")


async def test_lines_of_a_stream_may_be_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_LINE", 10)
    lines = "".join(f"{number}\n" for number in range(100))

    async def get(text: str) -> str:
        behaviour = says(text, "text/event-stream")
        async with serving(behaviour) as server, httpx.AsyncClient(**async_client_arguments()) as client:
            return (await client.get(server.url)).text

    assert await get(lines) == lines
    with pytest.raises(ModelResponseError):
        await get(f"{lines}{'x' * 11}")


def test_options_of_a_client_are_passed_on() -> None:
    with capped_client("openai", headers={"x-own": "1"}) as client:
        assert client.headers["x-own"] == "1"
        assert json.dumps(client.timeout.as_dict()) == '{"connect": 10.0, "read": null, "write": null, "pool": null}'


@pytest.mark.parametrize("name", NAMES)
async def test_no_proxy_stands_before_a_server_on_this_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    async with serving(says({"error": {"message": "It was asked."}}, status=400)) as server:
        with pytest.raises(ModelError, match="HTTP 400"):
            await client_for(_member(name, server, api_key_env=None)).ask(ASKED)
