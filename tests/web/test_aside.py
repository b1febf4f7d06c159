"""An application that lives in a loop of its own, asked from another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Send
from starlette.websockets import WebSocket

from matrioska.state.errors import ConfigError
from matrioska.web.aside import Aside

_theirs: ContextVar[str] = ContextVar("theirs", default="nothing")


async def _where(request: Request) -> Response:
    said = (await request.body()).decode()
    return PlainTextResponse(f"{threading.current_thread().name}, {_theirs.get()}, {said}")


async def _stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    return StreamingResponse(pieces())


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(f"{await socket.receive_text()} in {threading.current_thread().name}")
    await socket.close()


@asynccontextmanager
async def _opened() -> AsyncIterator[ASGIApp]:
    routes = [Route("/where", _where, methods=["POST"]), Route("/stream", _stream), WebSocketRoute("/echo", _echo)]
    yield Starlette(routes=routes)


def _streaming(aside: Aside, send: Send) -> asyncio.Task[None]:
    """Ask for an answer without end, and never go away."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/stream", "query_string": b"", "headers": []}
    return asyncio.create_task(aside(scope, receive, send))


@pytest.fixture
async def aside() -> AsyncIterator[Aside]:
    opened = Aside(_opened, "the other")
    await opened.begin()
    yield opened
    opened.end()
    await opened.ended()


async def test_it_answers_in_its_own_thread_and_knows_nothing_of_who_asks(aside: Aside) -> None:
    def ask() -> list[str]:
        _theirs.set("a secret")
        client = TestClient(aside)
        with client.websocket_connect("/echo") as socket:
            socket.send_text("hello")
            return [client.post("/where", content="a body").text, socket.receive_text()]

    assert await asyncio.to_thread(ask) == ["the other, nothing, a body", "hello in the other"]


async def test_streams_end_with_it_and_then_it_refuses(aside: Aside) -> None:
    begun = asyncio.Event()

    async def send(message: Message) -> None:
        if message.get("body"):
            begun.set()

    answering = _streaming(aside, send)
    async with asyncio.timeout(20):
        await begun.wait()
        aside.end()
        await answering
        await aside.ended()

    refused = await asyncio.to_thread(lambda: TestClient(aside).post("/where"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")


async def test_what_cannot_be_opened_says_so() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[ASGIApp]:
        raise ConfigError("There is no place.")
        yield

    aside = Aside(opened, "the other")
    with pytest.raises(ConfigError, match="no place"):
        await aside.begin()
    await aside.ended()


async def test_who_goes_away_is_let_go(aside: Aside) -> None:
    begun = asyncio.Event()

    async def send(message: Message) -> None:
        begun.set()

    answering = _streaming(aside, send)
    async with asyncio.timeout(20):
        await begun.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
