"""The monitor in a LangGraph server: mounted where `langgraph dev` runs, in front of the server's own paths."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.lifespan.on import LifespanOn

from matrioska.i18n import _, told
from matrioska.state.errors import ConfigError, MatrioskaError
from matrioska.store.settings import load_settings
from matrioska.web.aside import Aside
from matrioska.web.errors import on_http_exception
from matrioska.web.guard import Door, Guard, is_closed
from matrioska.web.runs.desk import Desk, open_desk
from matrioska.web.runs.routes import run_routes
from matrioska.web.server import door_of, serve

#: Environment variable in which `langgraph dev` tells its own address; other LangGraph servers tell none.
ADDRESS = "LANGGRAPH_API_URL"


class Beside:
    """ASGI middleware that hands the monitor's paths, and those of its interface, to the monitor.

    It must be the outermost one: a LangGraph server lets pages of every origin ask, and writes addresses,
    which may hold the monitor's token, into its log.
    """

    mounted: Aside | None = None
    """The monitor; None while there is none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        asked = scope["type"] in ("http", "websocket") and is_closed(scope["path"])
        await (Beside.mounted if asked and Beside.mounted is not None else self.app)(scope, receive, send)


@asynccontextmanager
async def monitor_beside() -> AsyncIterator[None]:
    """Mount the monitor for as long as the server runs, where it is installed and the server is `langgraph dev`.

    A monitor that cannot be opened is said to be missing; the server goes on.
    """
    address = os.environ.get(ADDRESS, "")
    if not address or find_spec("nicegui") is None:
        yield
        return
    mounted = Aside(lambda: _opened(address), "matrioska monitor")
    try:
        await mounted.begin()
    except MatrioskaError as error:
        reason = f"{told(error.message)} {told(error.next_step)}"
        _say(_("Matrioska's monitor is not there: {reason}").format(reason=reason))
        yield
        return
    Beside.mounted = mounted
    try:
        with _ending_with_the_server(mounted):
            yield
    finally:
        mounted.end()
        await mounted.ended()
        Beside.mounted = None


@asynccontextmanager
async def _opened(address: str) -> AsyncIterator[ASGIApp]:
    """Open the desk of the server's base path, the monitor and its previews.

    Raises:
        ConfigError: the address or the token does not let a monitor be opened.
        StoreError: the base path cannot be used.
    """
    from matrioska.web.monitor.door import entrance, listen_beside, open_door

    host, port = _place(address)
    door = door_of(host)
    async with open_desk(load_settings().base_path or ".") as desk:
        with listen_beside(host, port) as beside:
            whole, previews = open_door(_interface(desk, door), desk, beside, door)
            async with _living(whole):
                serving = asyncio.create_task(serve(previews, beside, desk.drives, quiet=False))
                shown = entrance(address, door.shown_token)
                _say(_("Matrioska's monitor: {address}").format(address=shown))
                try:
                    yield whole
                finally:
                    serving.cancel()
                    with suppress(asyncio.CancelledError):
                        await serving


def _place(address: str) -> tuple[str, int]:
    """Return host and port of the server.

    Raises:
        ConfigError: it stands below a path.
    """
    place = urlsplit(address)
    if place.path.strip("/"):
        raise ConfigError(
            "The monitor cannot stand below a mount_prefix.", next_step="Leave mount_prefix out of langgraph.json."
        )
    return place.hostname or "", place.port or 0


def _interface(desk: Desk, door: Door) -> Starlette:
    """Return the HTTP API of runs, behind its guard."""
    return Starlette(
        routes=run_routes(desk),
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={HTTPException: on_http_exception},
    )


@asynccontextmanager
async def _living(app: ASGIApp) -> AsyncIterator[None]:
    """Run an application's lifespan.

    Raises:
        ConfigError: it could not start.
    """
    config = uvicorn.Config(app, lifespan="on", log_config=None, proxy_headers=False)
    config.load()
    lifespan = LifespanOn(config)
    await lifespan.startup()
    if lifespan.should_exit:
        raise ConfigError("The monitor could not start.", next_step="Please report it, with the version.")
    try:
        yield
    finally:
        await lifespan.shutdown()


@contextmanager
def _ending_with_the_server(mounted: Aside) -> Iterator[None]:
    """Have the monitor end when the server is told to.

    A server that ends, or begins anew since a file changed, first waits for every answer that is under way, and a
    stream of events ends with the monitor alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def told_to_end(number: int, frame: FrameType | None) -> None:
        mounted.end()
        if callable(servers := before[signal.Signals(number)]):
            servers(number, frame)

    for number in before:
        signal.signal(number, told_to_end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
