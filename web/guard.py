"""Who may ask: names of the host, origins of pages, and a token where others can reach the service.

A service on this machine is within reach of every page that a person opens: a page may send
requests to 127.0.0.1, or have its own name resolve to it (DNS rebinding). The first gives
itself away by its Origin, the second by the Host.
"""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from matrioska.web.errors import RequestError, error_response

#: Names under which this machine speaks to itself.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d{1,5})?")


class Guard:
    """ASGI middleware that refuses strangers.

    Args:
        app: what it guards.
        hosts: names that a request may be for, lower case; None for any, where the token keeps strangers out.
        token: what ``Authorization: Bearer …`` must hold; None for nothing.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, token: str | None) -> None:
        self.app = app
        self.hosts = hosts
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and (refusal := self._refusal(Headers(scope=scope))):
            await error_response(refusal, scope["path"])(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Headers) -> RequestError | None:
        host = headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            return RequestError(
                421,
                "host",
                f"This service does not answer for the host {host[:100]!r}.",
                next_step="Use the address that `matrioska serve` printed.",
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return RequestError(
                403, "origin", "Pages of other sites may not ask here.", next_step="Ask from a program, or through it."
            )
        if self.token is not None and not _bears(headers.get("authorization", ""), self.token):
            return RequestError(
                401,
                "token",
                "The token is missing or wrong.",
                next_step="Send the header 'Authorization: Bearer …' with the service's token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return None


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets; '' for what is no such header."""
    found = _HOST.fullmatch(host.lower())
    return (found["six"] or found["name"]).rstrip(".") if found else ""


def _bears(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    # Compared in constant time: how long a refusal takes must not tell how much was right.
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
