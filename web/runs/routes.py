"""The HTTP API of runs: ``/api/runs…``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from matrioska.state.architecture import MAX_GOAL
from matrioska.web.body import read_json
from matrioska.web.errors import RequestError, error_response, form_error
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.looking import MOST_MESSAGES
from matrioska.web.runs.schemas import (
    MOST_BYTES,
    MOST_FILES,
    Complaints,
    ForkRequest,
    History,
    Messages,
    RedoRequest,
    RunLines,
    StartRequest,
    ThreadName,
)
from matrioska.web.runs.uploads import as_files
from matrioska.web.runs.views import Event
from matrioska.web.stream import EVENT_STREAM, HEARTBEAT

#: Bytes of a body: the longest task, should every character of it be escaped.
MAX_BODY = 12 * MAX_GOAL + 10_000
#: The same, with files in base64.
MAX_START = MAX_BODY + MOST_BYTES * 4 // 3 + 1_000 * MOST_FILES
#: Bytes of a plan, and of an answer that carries one.
MAX_PLAN = 16_000_000
#: Threads of one part of the list.
MOST_LINES = 500
#: Largest number of a message or an event: all of JavaScript's whole numbers.
MOST_NUMBER = 2**53
#: What keeps a browser from taking a file for anything but text, or a download.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

M = TypeVar("M", bound=BaseModel)
Answer = Callable[[Request], Awaitable[Response]]


def run_routes(desk: Desk) -> list[BaseRoute]:
    """Return the routes of the runs' API."""
    run = "/api/runs/{thread}"
    routes: list[tuple[str, str, Answer]] = [
        ("GET", "/api/runs", _list(desk)),
        ("POST", "/api/runs", _start(desk)),
        ("POST", "/api/plan/check", _check(desk)),
        ("GET", "/api/questions/{thread}", _shown(desk.question)),
        ("GET", f"{run}/events", _events(desk)),
        ("POST", f"{run}/answer", _answer(desk)),
        ("POST", f"{run}/resume", _done(desk.resume)),
        ("POST", f"{run}/stop", _done(desk.stop)),
        ("POST", f"{run}/fork", _fork(desk)),
        ("POST", f"{run}/redo", _redo(desk)),
        ("GET", f"{run}/history", _history(desk)),
        ("GET", f"{run}/modules/{{module}}", _module(desk)),
        ("GET", f"{run}/files/{{path:path}}", _file(desk)),
        ("GET", f"{run}/archive", _archive(desk)),
        ("GET", f"{run}/journal", _journal(desk)),
        ("GET", run, _shown(desk.run)),
    ]
    methods: dict[str, dict[str, Answer]] = {}
    for method, path, answer in routes:
        methods.setdefault(path, {})[method] = answer
    return [Route(path, _told(answers), methods=list(answers)) for path, answers in methods.items()]


def _told(answers: dict[str, Answer]) -> Answer:
    """Return what answers a path, whatever happens in our one form."""

    async def answer(request: Request) -> Response:
        try:
            return await answers["GET" if request.method == "HEAD" else request.method](request)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is told in one form
            return error_response(error)

    return answer


def _list(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        limit = _number(request, "limit", default=100, most=MOST_LINES, least=1)
        lines = await desk.runs(request.query_params.get("after", ""), limit)
        return _json(RunLines(runs=lines, next=lines[-1].thread if len(lines) == limit else ""))

    return answer


def _start(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        asked = await _body(request, StartRequest, example='{"task": "…"}', most=MAX_START)
        async with as_files(asked.assets) as files:
            thread = await desk.start(
                asked.task,
                thread=asked.thread,
                approval=asked.approval,
                model=asked.model,
                assets=files,
                budget=asked.budget(),
                wishes=asked.wishes(),
            )
        return _json(ThreadName(thread=thread), 201, {"Location": f"/api/runs/{thread}"})

    return answer


def _check(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        plan = await _any(request, example='{"modules": […]}')
        return _json(Complaints(complaints=await desk.check_plan(plan, request.query_params.get("thread"))))

    return answer


def _answer(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        thread = _thread(request)
        decision = await _any(request, example='{"decisions": [{"type": "approve"}]}')
        await desk.answer(thread, decision, request.query_params.get("question"))
        return _json(ThreadName(thread=thread), 202)

    return answer


def _fork(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        asked = await _body(request, ForkRequest, example='{"checkpoint": "…"}')
        thread = await desk.fork(_thread(request), asked.checkpoint)
        return _json(ThreadName(thread=thread), 201, {"Location": f"/api/runs/{thread}"})

    return answer


def _redo(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        thread = _thread(request)
        asked = await _body(request, RedoRequest, example='{"module": "…"}', most=MAX_PLAN)
        await desk.redo(thread, asked.module, asked.spec)
        return _json(ThreadName(thread=thread), 202)

    return answer


def _history(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        return _json(History(checkpoints=await desk.history(_thread(request))))

    return answer


def _module(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        return _json(await desk.module(_thread(request), request.path_params["module"]))

    return answer


def _journal(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        after = _number(request, "after")
        limit = _number(request, "limit", default=MOST_MESSAGES, most=MOST_MESSAGES, least=1)
        found = await desk.journal(_thread(request), after, limit)
        return _json(Messages(messages=found, last=found[-1].number if found else after))

    return answer


def _file(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        content, _ = await desk.file(_thread(request), request.path_params["path"])
        try:
            text = None if b"\0" in content else content.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        if text is not None:
            return Response(content, media_type="text/plain; charset=utf-8", headers=_INERT)
        headers = {**_INERT, "Content-Disposition": "attachment"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    return answer


def _archive(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        thread = _thread(request)
        path = await desk.archive(thread)
        return FileResponse(path, media_type="application/zip", filename=f"{thread}.zip", headers=_INERT)

    return answer


def _events(desk: Desk) -> Answer:
    async def answer(request: Request) -> Response:
        thread = _thread(request)
        given = request.headers.get("last-event-id")
        after = _number(request, "after") if given is None else _read_number("Last-Event-ID", given)
        # Whether there is such a thread is told before the stream begins.
        await desk.line(thread)
        return StreamingResponse(
            _stream(desk, thread, after), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"}
        )

    return answer


async def _stream(desk: Desk, thread: str, after: int) -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    async with aclosing(desk.events(thread, after)) as events:
        coming: asyncio.Task[Event] = asyncio.ensure_future(anext(events))
        try:
            while True:
                await asyncio.wait({coming}, timeout=HEARTBEAT)
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                yield sent_event(coming.result())
                coming = asyncio.ensure_future(anext(events))
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def sent_event(event: Event) -> bytes:
    """Return an event on the wire, under its id."""
    # As ASCII: some readers of lines also part them at U+2028 and the like.
    return f"id: {event.id}\nevent: {event.type}\ndata: {json.dumps(event.data)}\n\n".encode()


def _shown(look: Callable[[str], Awaitable[BaseModel]]) -> Answer:
    async def answer(request: Request) -> Response:
        return _json(await look(_thread(request)))

    return answer


def _done(act: Callable[[str], Awaitable[None]]) -> Answer:
    async def answer(request: Request) -> Response:
        thread = _thread(request)
        await act(thread)
        return _json(ThreadName(thread=thread), 202)

    return answer


def _thread(request: Request) -> str:
    return str(request.path_params["thread"])


def _json(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    told = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(model.model_dump(mode="json"), status, told)


async def _body(request: Request, form: type[M], *, example: str, most: int = MAX_BODY) -> M:
    """Return a request's body in its form.

    Raises:
        RequestError: it is of another type, too large, too slow, not JSON, or not of the form.
    """
    raw = await read_json(request, most=most, advice="Send less.", example=example)
    try:
        return form.model_validate(raw)
    except ValidationError as error:
        raise form_error(error, f"Send {example}.") from error


async def _any(request: Request, *, example: str) -> Any:
    return await read_json(request, most=MAX_PLAN, advice="Send less.", example=example)


def _number(request: Request, name: str, *, default: int = 0, most: int = MOST_NUMBER, least: int = 0) -> int:
    given = request.query_params.get(name)
    return default if given is None else _read_number(name, given, most=most, least=least)


def _read_number(name: str, given: str, *, most: int = MOST_NUMBER, least: int = 0) -> int:
    """Return a number that a request gives.

    Raises:
        RequestError: it is none, or out of bounds.
    """
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(most)) and least <= int(given) <= most):
        raise RequestError(
            422,
            "bad_request",
            f"{name} is {given[:40]!r}.",
            next_step=f"Give a whole number from {least} to {most}.",
        )
    return int(given)
