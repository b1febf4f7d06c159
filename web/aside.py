"""An application that lives in an event loop of its own, beside a server whose loop is somebody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from matrioska.web.errors import RequestError, error_response

Opened = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class Aside:
    """ASGI application that hands each request to another one, which lives in a thread with a loop of its own.

    Whatever blocks that loop, database work above all, holds up nobody else's, and what is known in the context of
    the server's own work is not known there.

    Args:
        opened: opens the application, in its own loop, for as long as it lives.
        name: what the thread is called.
    """

    def __init__(self, opened: Opened, name: str) -> None:
        self._opened = opened
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ready: Future[None] = Future()
        self._app: ASGIApp | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    async def begin(self) -> None:
        """Open the application; comes back once it answers.

        Raises:
            Exception: whatever opening it raised.
        """
        self._thread.start()
        await asyncio.wrap_future(self._ready)

    def end(self) -> None:
        """Have it end, and what it answers with it. May be called from anywhere, and more than once."""
        if self._loop is not None and self._over is not None:
            # The loop may be gone already.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._over.set)

    async def ended(self) -> None:
        """Wait until everything that it held open is closed."""
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        _allow_blocking()
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._opened() as self._app:
                self._ready.set_result(None)
                await self._over.wait()
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self._app = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        app, loop = self._app, self._loop
        if app is None or loop is None or (self._over is not None and self._over.is_set()):
            await _refuse(scope, receive, send)
            return
        here = asyncio.get_running_loop()

        async def answer() -> None:
            await app(dict(scope), _across(receive, here), _across(send, here))

        # In an empty context: that of the server's own work would lend its store to the runs that begin here.
        there: Future[None] = Context().run(asyncio.run_coroutine_threadsafe, answer(), loop)
        try:
            await asyncio.wrap_future(there)
        except asyncio.CancelledError:
            # The application ended meanwhile, unless whoever asked went away.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise


def _across(call: Callable[..., Awaitable[Any]], loop: asyncio.AbstractEventLoop) -> Callable[..., Awaitable[Any]]:
    """Return a function that is called from any loop and works in that one."""

    async def work(*args: Any) -> Any:
        return await call(*args)

    async def crossing(*args: Any) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(*args), loop))

    return crossing


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    ending = RequestError(503, "stopping", "The service ends.", next_step="Ask again once it runs.")
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
    else:
        await error_response(ending, scope["path"])(scope, receive, send)


def _allow_blocking() -> None:
    """Lift, in this thread, the detection of blocking calls with which `langgraph dev` keeps its loop free.

    It looks for a running loop and does not ask whose; it has a switch for each thread, but no public name for it.
    """
    with suppress(ImportError):
        from blockbuster import blockbuster

        blockbuster._skip.value = True
