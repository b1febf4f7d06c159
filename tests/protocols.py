"""Servers of models, as small as they come: an author that answers in the protocol of OpenAI, Anthropic or Ollama.

Written from what the protocols' clients send and read, not from our own code.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from langchain_core.messages import HumanMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from matrioska.models.testing import read_call

#: ``(stage, module, prompt) -> answer``.
Answering = Callable[[str, str, str], str]


@dataclass
class ModelServer:
    """A server that answers, and what it was asked."""

    answer: Answering
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "m", "object": "model"}])
    """Entries of its list of models."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Answers to further paths, by path."""
    url: str = ""
    """Where it listens, without a path."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the calls, in order."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Headers of the calls, in order."""
    running: uvicorn.Server | None = None

    def leave(self) -> None:
        """Begin to stop, so that several stop side by side."""
        if self.running is not None:
            self.running.should_exit = True

    @property
    def stages(self) -> list[str]:
        """``"stage module"`` of every call, sorted."""
        return sorted(" ".join(filter(None, read_call([HumanMessage(_said(body))])[:2])) for body in self.requests)

    async def take(self, request: Request) -> tuple[dict[str, Any], str]:
        """Record a call and return its body and the answer."""
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        return body, self.answer(*read_call([HumanMessage(_said(body))]))

    def app(self, *routes: Route) -> Starlette:
        """Return the application with these routes besides the fixed answers."""

        def fixed(value: Any) -> Callable[[Request], Response]:
            return lambda request: value if isinstance(value, Response) else JSONResponse(value)

        more = [Route(path, fixed(value), methods=["GET", "POST"]) for path, value in self.extra.items()]
        return Starlette(routes=[*more, *routes])


def _said(body: dict[str, Any]) -> str:
    """Return the last message's text, in whichever of the two forms the protocols have."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _parts(text: str) -> list[str]:
    return [text[at : at + 200] for at in range(0, len(text), 200)]


def _events(events: list[tuple[str, Any]]) -> StreamingResponse:
    def lines() -> Iterator[str]:
        for name, data in events:
            yield (f"event: {name}\n" if name else "") + f"data: {data if data == '[DONE]' else json.dumps(data)}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def openai_app(server: ModelServer) -> Starlette:
    """Chat completions, as OpenAI, LM Studio, llama.cpp and vLLM serve them below ``/v1``."""

    async def chat(request: Request) -> Response:
        body, text = await server.take(request)
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        base = {"id": "c1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            return JSONResponse({**base, "object": "chat.completion", "choices": [choice], "usage": usage})
        chunk = {**base, "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": p} for p in _parts(text))]
        events = [("", {**chunk, "choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
        events.append(("", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append(("", {**chunk, "choices": [], "usage": usage}))
        return _events([*events, ("", "[DONE]")])

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": server.models})

    return server.app(Route("/v1/chat/completions", chat, methods=["POST"]), Route("/v1/models", models))


def anthropic_app(server: ModelServer) -> Starlette:
    """Messages, as Anthropic serves them."""

    async def messages(request: Request) -> Response:
        body, text = await server.take(request)
        base = {"id": "m1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
        if not body.get("stream"):
            content = [{"type": "text", "text": text}]
            usage = {"input_tokens": 11, "output_tokens": 7}
            return JSONResponse({**base, "content": content, "stop_reason": "end_turn", "usage": usage})
        begun = {**base, "content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}
        deltas = [{"index": 0, "delta": {"type": "text_delta", "text": part}} for part in _parts(text)]
        events: list[tuple[str, dict[str, Any]]] = [
            ("message_start", {"message": begun}),
            ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            *(("content_block_delta", delta) for delta in deltas),
            ("content_block_stop", {"index": 0}),
            (
                "message_delta",
                {
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    # The whole usage comes at the end; what the first event says is a beginning.
                    "usage": {"input_tokens": 11, "output_tokens": 7},
                },
            ),
            ("message_stop", {}),
        ]
        return _events([(name, {"type": name, **data}) for name, data in events])

    return server.app(Route("/v1/messages", messages, methods=["POST"]))


def ollama_app(server: ModelServer) -> Starlette:
    """Chat as Ollama serves it, and its lists of models."""

    async def chat(request: Request) -> Response:
        body, text = await server.take(request)
        base = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}
        if body.get("stream") is False:
            return JSONResponse({**base, "message": {"role": "assistant", "content": text}, **end})

        def lines() -> Iterator[str]:
            for part in _parts(text):
                yield json.dumps({**base, "message": {"role": "assistant", "content": part}, "done": False}) + "\n"
            yield json.dumps({**base, "message": {"role": "assistant", "content": ""}, **end}) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def tags(request: Request) -> Response:
        return JSONResponse({"models": server.models})

    return server.app(Route("/api/chat", chat, methods=["POST"]), Route("/api/tags", tags))


def embeddings_app(server: ModelServer) -> Starlette:
    """Embeddings, as OpenAI's protocol and Ollama's have them: of each text its length, and ones."""
    size = 4

    async def taken(request: Request) -> tuple[dict[str, Any], list[list[float]]]:
        body = await request.json()
        server.requests.append(body)
        server.headers.append(dict(request.headers))
        return body, [[float(len(text)), *([1.0] * (size - 1))] for text in body["input"]]

    async def openai(request: Request) -> Response:
        body, vectors = await taken(request)
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse({"object": "list", "model": body["model"], "data": data, "usage": usage})

    async def ollama(request: Request) -> Response:
        body, vectors = await taken(request)
        return JSONResponse({"model": body["model"], "embeddings": vectors})

    return server.app(Route("/v1/embeddings", openai, methods=["POST"]), Route("/api/embed", ollama, methods=["POST"]))


@contextmanager
def serving(app: Callable[[ModelServer], Starlette], server: ModelServer) -> Iterator[ModelServer]:
    """Let a server listen on a free port of this machine."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app(server), log_level="critical", ws="none", lifespan="off", timeout_graceful_shutdown=1)
    server.running = uvicorn.Server(config)
    thread = threading.Thread(target=server.running.run, kwargs={"sockets": [listener]})
    thread.start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield server
    finally:
        server.leave()
        thread.join(timeout=10)
        listener.close()
