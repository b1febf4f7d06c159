"""A server on loopback that answers in OpenAI's, Anthropic's or Ollama's protocol, and goes wrong on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


class GoneError(Exception):
    """The client has closed the connection."""


@dataclass
class Asked:
    """A request, and the connection to answer it on."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes | str) -> None:
        if self.writer.is_closing() or self.reader.at_eof():
            raise GoneError
        try:
            self.writer.write(data.encode() if isinstance(data, str) else data)
            await self.writer.drain()
        except ConnectionError as error:
            raise GoneError from error

    async def head(self, status: int = 200, kind: str = "text/event-stream", *lines: str) -> None:
        await self.send(
            "\r\n".join([f"HTTP/1.1 {status} X", f"content-type: {kind}", "connection: close", *lines, "\r\n"])
        )

    async def whole(self, status: int, body: Any, *lines: str, kind: str = "application/json") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        await self.head(status, kind, f"content-length: {len(data)}", *lines)
        await self.send(data)

    async def hang(self) -> None:
        """Say nothing until the client has gone."""
        while await self.reader.read(1000):
            pass
        raise GoneError

    def reset(self) -> None:
        self.writer.transport.abort()


Behaviour = Callable[[Asked], Awaitable[None]]


@dataclass
class Server:
    """What it was asked, and what it does next: each behaviour once, the last for ever."""

    behaviours: list[Behaviour]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    left: int = 0
    """Connections that clients closed before the answer had ended."""
    under_way: int = 0
    most: int = 0
    """Requests under way at the same time, at the most."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.idle.clear()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked = Asked(head[0].split()[1], headers, json.loads(body or b"{}"), reader, writer)
            self.asked.append(asked)
            behave = self.behaviours[min(len(self.asked), len(self.behaviours)) - 1]
            await behave(asked)
        except GoneError:
            self.left += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[Server]:
    """Serve, and see to it that no connection is open at the end."""
    server = Server(list(behaviours))
    server.idle.set()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
        await server.idle.wait()
    finally:
        listening.close()


def event(delta: dict[str, Any], finish: str | None = None) -> str:
    """Return a piece of an answer in OpenAI's protocol."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(told)}\n\n"


def usage(asked: int, answered: int) -> str:
    counts = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    told = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": counts}
    return f"data: {json.dumps(told)}\n\n"


async def answer(asked: Asked, *texts: str, finish: str | None = "stop") -> None:
    """Answer in OpenAI's protocol, as a stream or whole, as asked."""
    if not asked.body.get("stream"):
        message = {"role": "assistant", "content": "".join(texts)}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        counts = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        told = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": counts,
        }
        await asked.whole(200, told)
        return
    await asked.head()
    for text in texts:
        await asked.send(event({"role": "assistant", "content": text}))
    await asked.send(event({}, finish) + usage(11, 7) + "data: [DONE]\n\n")


def answers(*texts: str, finish: str | None = "stop") -> Behaviour:
    return lambda asked: answer(asked, *texts, finish=finish)


def fails(status: int, message: str = "no", *lines: str, **error: Any) -> Behaviour:
    """Refuse as OpenAI does."""
    return lambda asked: asked.whole(status, {"error": {"message": message, **error}}, *lines)


def says(body: Any, kind: str = "application/json", status: int = 200, *lines: str) -> Behaviour:
    """Answer with any body at all."""
    return lambda asked: asked.whole(status, body, *lines, kind=kind)


def streams(pieces: Callable[[], Iterable[str | bytes]], pause: float = 0.0) -> Behaviour:
    """Send pieces of a stream, until they end or the client goes."""

    async def behave(asked: Asked) -> None:
        await asked.head()
        for piece in pieces():
            await asked.send(piece)
            await asyncio.sleep(pause)

    return behave


async def hangs(asked: Asked) -> None:
    await asked.hang()


async def hangs_midway(asked: Asked) -> None:
    await asked.head()
    await asked.send(event({"role": "assistant", "content": "Well"}))
    await asked.hang()


async def resets(asked: Asked) -> None:
    asked.reset()


async def resets_midway(asked: Asked) -> None:
    await asked.head(200, "text/event-stream", "content-length: 100000")
    await asked.send(event({"role": "assistant", "content": "Well"}))
    await asyncio.sleep(0.01)
    asked.reset()
