"""A service on a port of this machine, from its first request to a quiet end."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from matrioska.state.errors import ConfigError, UsageError
from matrioska.web.guard import LOOPBACK_HOSTS, Door
from matrioska.web.underway import Underway

#: Environment variable with the token. Not an option: command lines are seen by every user of a machine.
TOKEN_VARIABLE = "MATRIOSKA_SERVE_TOKEN"  # noqa: S105 - the variable's name
#: Fewest characters of a token.
LEAST_TOKEN = 16
_BEARABLE = re.compile(r"[!-~]+")
#: The largest message of a page to the monitor, in bytes: a plan of thousands of modules, edited.
MAX_MESSAGE = 16_000_000
#: Seconds that open connections get once their queries were cancelled.
_GRACE = 1


class _Server(uvicorn.Server):
    """uvicorn without a hand on the signals: whoever runs it has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def door_of(host: str) -> Door:
    """Return who is let in by a service on a host, with the token of the environment; see `check_door` for errors."""
    token = os.environ.get(TOKEN_VARIABLE) or None
    return Door(check_door(host, token), token)


def check_door(host: str, token: str | None) -> frozenset[str] | None:
    """Return the names that requests may be for; None for any.

    Raises:
        ConfigError: others can reach the host and there is no token, or it is too short, or no header can bear it.
    """
    if token is not None and len(token) < LEAST_TOKEN:
        raise ConfigError(
            f"The token has {len(token)} characters; {LEAST_TOKEN} are the least.",
            next_step="Make one with: python -c 'import secrets; print(secrets.token_urlsafe())'.",
        )
    if token is not None and not _BEARABLE.fullmatch(token):
        raise ConfigError(
            "The token has a blank, an end of line or another character that a header cannot bear.",
            next_step="Use letters, digits and signs of ASCII only.",
        )
    if host.lower() in LOOPBACK_HOSTS or _is(host, "is_loopback"):
        return LOOPBACK_HOSTS | {host.lower()}
    if token is None:
        raise ConfigError(
            f"Others can reach {host}, and there is no token.",
            next_step="Set MATRIOSKA_SERVE_TOKEN to a long random text, or leave --host out.",
        )
    # A wildcard has no name of its own; there the token is what keeps strangers out.
    return None if _is(host, "is_unspecified") else LOOPBACK_HOSTS | {host.lower()}


def _is(host: str, what: str) -> bool:
    try:
        return bool(getattr(ip_address(host), what))
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        UsageError: the port is taken, or the host is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"Cannot listen on {host}:{port}: {reason}.", next_step="Choose another --port, or --port 0 for a free one."
        ) from error


def address_of(listener: socket.socket) -> str:
    """Return the address under which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *parts: Underway[Any],
    also: Sequence[tuple[ASGIApp, socket.socket]] = (),
    quiet: bool = True,
) -> None:
    """Serve until cancelled; then cancel what is under way in all parts, tell who asked, and end.

    Args:
        app: the service.
        listener: what it listens on.
        *parts: what may be under way.
        also: further applications with what they listen on, which live and end with it.
        quiet: whether uvicorn's log is silenced, in the whole process; False leaves it as somebody else has it.

    Raises:
        ConfigError: an application cannot start.
    """
    servers = {_server(served, quiet): place for served, place in ((app, listener), *also)}
    running = [asyncio.create_task(server.serve(sockets=[place])) for server, place in servers.items()]
    try:
        # None ends by itself unless it could not start.
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if not all(server.started for server in servers):
            raise ConfigError("The service could not start.", next_step="Please report it, with the version.")
    finally:
        for part in parts:
            part.stop()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*running)
        for part in parts:
            await part.ended()


def _server(app: ASGIApp, quiet: bool) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            # The faster parser, which uvicorn takes where it finds it, reads headers without end.
            http="h11",
            **({"log_level": "critical"} if quiet else {"log_config": None}),
            # Only the monitor has websockets, and it brings what speaks them.
            ws="websockets-sansio" if find_spec("websockets") else "none",
            ws_max_size=MAX_MESSAGE,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
    )
