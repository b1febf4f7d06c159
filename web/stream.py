"""A query's progress as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from matrioska.web.errors import error_body
from matrioska.web.queries import Asking, Queries, result_of
from matrioska.web.shown import shown_event

EVENT_STREAM = "text/event-stream"
#: Seconds of silence after which a stream sends a comment, so that nothing in between closes it.
HEARTBEAT = 15.0

_Told = asyncio.Queue[Mapping[str, Any] | None]


class EventStream(StreamingResponse):
    """The response that tells a query's events as they happen; the last is ``done`` or ``error``.

    The query ends with the response: whoever closes the connection cancels it.

    Raises:
        RequestError: too many queries are under way, or the service ends.
    """

    def __init__(self, queries: Queries, query: str) -> None:
        told: _Told = asyncio.Queue()
        self._task = queries.begin(query, told.put_nowait)
        self._task.add_done_callback(lambda _: told.put_nowait(None))
        super().__init__(_events(self._task, told), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._task.cancel()


async def _events(task: Asking, told: _Told) -> AsyncIterator[bytes]:
    while True:
        try:
            event = await asyncio.wait_for(told.get(), HEARTBEAT)
        except TimeoutError:
            yield b": still at work\n\n"
            continue
        if event is None:
            break
        # The answer comes last, in the form that it has without a stream.
        if event["type"] != "done":
            yield _event(str(event["type"]), shown_event(event))
    try:
        last = _event("done", result_of(task).model_dump(mode="json"))
    except Exception as error:  # noqa: BLE001 - the stream has begun: its last event is all that can tell
        last = _event("error", error_body(error).model_dump())
    yield last


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    # As ASCII: some readers of lines also part them at U+2028 and the like.
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
