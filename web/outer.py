"""The service and the monitor behind one door: by the path of a request, the one or the other answers."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from matrioska.web.guard import MONITOR, Door, Guard, is_below


class Outer:
    """ASGI application that hands each request to the service or to the monitor.

    Args:
        service: what answers all paths but the monitor's; it has a guard of its own.
        monitor: what answers below ``/monitor``, websockets too; its lifespan is the whole's.
        door: who may see the monitor.
    """

    def __init__(self, service: ASGIApp, monitor: ASGIApp, door: Door) -> None:
        self._service = service
        self._monitor = Guard(monitor, door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        monitored = scope["type"] == "lifespan" or is_below(scope["path"], MONITOR)
        await (self._monitor if monitored else self._service)(scope, receive, send)
