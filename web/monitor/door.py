"""The service, the monitor and its previews, each behind its guard."""

from __future__ import annotations

import socket

from starlette.types import ASGIApp

from matrioska.state.errors import UsageError
from matrioska.web.guard import MONITOR, Door
from matrioska.web.monitor.mount import build_monitor
from matrioska.web.monitor.preview import serve_previews
from matrioska.web.outer import Outer
from matrioska.web.preview.app import build_preview
from matrioska.web.preview.links import Links
from matrioska.web.runs.desk import Desk
from matrioska.web.server import listen


def entrance(address: str, token: str | None) -> str:
    """Return the address that a person opens.

    Args:
        address: where the service is.
        token: what the address holds; None where the person has one and is not to see it on the screen.
    """
    return f"{address}{MONITOR}" + (f"?token={token}" if token else "?token=…")


def listen_beside(host: str, port: int) -> socket.socket:
    """Return a socket for previews: of the next port where it is free, so that it can be passed on, or of any."""
    try:
        return listen(host, port + 1 if port else 0)
    except UsageError:
        return listen(host, 0)


def open_door(
    service: ASGIApp,
    desk: Desk,
    previews: socket.socket,
    door: Door,
) -> tuple[ASGIApp, ASGIApp]:
    """Return the whole of the service, and the service of previews, which has an origin of its own.

    Args:
        service: what answers besides the monitor.
        desk: whom the monitor asks.
        previews: what the service of previews listens on.
        door: who is let in.
    """
    links = Links(previews.getsockname()[1])
    serve_previews(links)
    monitor = build_monitor(desk, frames=links.framed_by)
    whole = Outer(service, monitor, door)
    return whole, build_preview(links, desk.file, hosts=door.hosts)
