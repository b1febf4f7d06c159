"""Queries under way: read from requests, bounded in number, and cancelled with who asked."""

from __future__ import annotations

import asyncio
import json

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from matrioska.state.ensemble import MAX_QUERY, EnsembleAnswer
from matrioska.web.errors import RequestError
from matrioska.web.schemas import QueryRequest
from matrioska.web.shown import shown_answer
from matrioska.workers.ensemble.run import Ensemble, OnEvent, check_query

#: Bytes of a request: the longest query, should every character of it be escaped.
MAX_BODY = 12 * MAX_QUERY + 1_000
#: Queries under way at the same time. Their calls wait for the slots of their models anyway.
MOST_QUERIES = 64
#: Seconds that a request's body may take to arrive.
BODY_TIME = 30.0
Asking = asyncio.Task[EnsembleAnswer]


async def read_query(request: Request) -> QueryRequest:
    """Return a request's query.

    Raises:
        RequestError: it is of another type, too large, too slow, not JSON, or not of the form.
        TaskError: it asks nothing.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(
            415, "media_type", f"The body is {kind[:80] or 'of no type'}.", next_step="Send application/json."
        )
    try:
        async with asyncio.timeout(BODY_TIME):
            body = await _body(request)
    except TimeoutError as error:
        raise RequestError(
            408,
            "too_slow",
            f"The body had not arrived after {BODY_TIME:g} s.",
            next_step="Send it in one go.",
            headers={"Connection": "close"},
        ) from error
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            400, "bad_json", f"The body is not JSON: {str(error)[:200]}.", next_step='Send {"query": "…"}.'
        ) from error
    try:
        asked = QueryRequest.model_validate(raw)
    except ValidationError as error:
        raise _refused(error) from error
    return asked.model_copy(update={"query": check_query(asked.query)})


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise RequestError(
                413,
                "too_large",
                f"The body has more than {MAX_BODY:,} bytes.",
                next_step=f"Ask in at most {MAX_QUERY:,} characters.",
            )
    return b"".join(parts)


def _refused(error: ValidationError) -> RequestError:
    """Return the error for a body of another form, with the first thing that is wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))[:100]
    if first["type"] == "string_too_long":
        return RequestError(
            413, "too_large", f"The {place} has more than {MAX_QUERY:,} characters.", next_step="Ask shorter."
        )
    says = "there is no such field" if first["type"] == "extra_forbidden" else first["msg"]
    return RequestError(
        422,
        "bad_request",
        f"The field {place!r} is wrong: {says}." if place else f"The body is wrong: {says}.",
        next_step='Send {"query": "…"}, and "stream": true for events.',
    )


class Queries:
    """The queries under way.

    Args:
        ensemble: what answers them.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        self._running: set[Asking] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, query: str, on_event: OnEvent | None = None) -> Asking:
        """Begin to answer a query, and return the task that does.

        Raises:
            RequestError: too many are under way, or the service ends.
        """
        if self._stopping:
            raise _ending()
        if len(self._running) >= MOST_QUERIES:
            raise RequestError(
                503,
                "busy",
                f"{MOST_QUERIES} queries are under way already.",
                next_step="Ask again in a moment.",
                headers={"Retry-After": "1"},
            )
        task = asyncio.create_task(self.ensemble.ask(query, on_event=on_event))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: Asking) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Who asked may be gone: what it failed with is then nobody's concern.
            task.exception()

    def stop(self) -> None:
        """Cancel all of them, and begin no more: the service ends."""
        self._stopping = True
        for task in self._running:
            task.cancel()

    async def answer(self, request: Request, query: str) -> EnsembleAnswer:
        """Answer a query; cancel it when its asker goes away.

        Raises:
            ClientDisconnect: the asker went away.
            RequestError: too many queries are under way, or the service ends.
            MatrioskaError: whatever the ensemble raises.
        """
        task = self.begin(query)
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientDisconnect
            return result_of(task)
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)


def result_of(task: Asking) -> EnsembleAnswer:
    """Return what a task that is done answers, as strangers may see it.

    Raises:
        RequestError: it was cancelled, since the service ends.
        MatrioskaError: whatever the ensemble raised.
    """
    if task.cancelled():
        raise _ending()
    return shown_answer(task.result())


def _ending() -> RequestError:
    return RequestError(503, "stopping", "The service ends.", next_step="Ask again once it runs.")


async def _gone(request: Request) -> None:
    """Return once the asker has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
