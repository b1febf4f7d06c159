"""What is under way, told as server-sent events while it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from matrioska.state.ensemble import EnsembleAnswer
from matrioska.web.errors import error_body
from matrioska.web.shown import shown_event
from matrioska.web.underway import result_of

EVENT_STREAM = "text/event-stream"
#: Seconds of silence after which a stream sends a comment, so that nothing in between closes it.
HEARTBEAT = 15.0

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
OnEvent = Callable[[Mapping[str, Any]], None]
_Told = asyncio.Queue[bytes | None]


class Form(Protocol[T_contra]):
    """How events go over the wire."""

    def begun(self) -> Iterable[bytes]:
        """Return what is sent before anything happens."""
        ...

    def happened(self, event: Mapping[str, Any]) -> Iterable[bytes]:
        """Return what tells an event; nothing for one that is nobody's concern."""
        ...

    def ended(self, result: T_contra) -> Iterable[bytes]:
        """Return what tells the result."""
        ...

    def failed(self, error: Exception) -> Iterable[bytes]:
        """Return what tells why there is none."""
        ...


class EventStream(StreamingResponse, Generic[T]):
    """The response that tells what happens as it happens, and at last the result or why there is none.

    The work ends with the response: whoever closes the connection cancels it.

    Args:
        begin: begins the work, given whom to tell its events.
        form: how they go over the wire.
        headers: further headers.

    Raises:
        RequestError: ``begin`` refuses.
    """

    def __init__(
        self, begin: Callable[[OnEvent], asyncio.Task[T]], form: Form[T], headers: Mapping[str, str] | None = None
    ) -> None:
        told: _Told = asyncio.Queue()

        def tell(event: Mapping[str, Any]) -> None:
            for part in form.happened(event):
                told.put_nowait(part)

        self._task = begin(tell)
        self._task.add_done_callback(lambda _: told.put_nowait(None))
        super().__init__(
            _parts(self._task, told, form),
            media_type=EVENT_STREAM,
            headers={"Cache-Control": "no-store", **(headers or {})},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._task.cancel()


async def _parts(task: asyncio.Task[T], told: _Told, form: Form[T]) -> AsyncIterator[bytes]:
    for part in form.begun():
        yield part
    while True:
        try:
            happened = await asyncio.wait_for(told.get(), HEARTBEAT)
        except TimeoutError:
            yield b": still at work\n\n"
            continue
        if happened is None:
            break
        yield happened
    for part in _last(task, form):
        yield part


def _last(task: asyncio.Task[T], form: Form[T]) -> list[bytes]:
    try:
        return list(form.ended(result_of(task)))
    except Exception as error:  # noqa: BLE001 - the stream has begun: its last event is all that can tell
        return list(form.failed(error))


class QueryEvents:
    """A query's events: each by its name, the last is ``done`` or ``error``."""

    def begun(self) -> Iterable[bytes]:
        """See `Form`."""
        return ()

    def happened(self, event: Mapping[str, Any]) -> Iterable[bytes]:
        """See `Form`."""
        # The answer comes last, in the form that it has without a stream.
        return () if event["type"] == "done" else (sent(shown_event(event), str(event["type"])),)

    def ended(self, result: EnsembleAnswer) -> Iterable[bytes]:
        """See `Form`."""
        return (sent(result.model_dump(mode="json"), "done"),)

    def failed(self, error: Exception) -> Iterable[bytes]:
        """See `Form`."""
        return (sent(error_body(error).model_dump(), "error"),)


def sent(data: Mapping[str, Any], name: str = "") -> bytes:
    """Return an event on the wire, with its name where it has one."""
    # As ASCII: some readers of lines also part them at U+2028 and the like.
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()
