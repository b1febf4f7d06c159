"""Who may ask: names of the host, origins of pages, and tokens.

A service on this machine is within reach of every page that a person opens: a page may send
requests to 127.0.0.1, or have its own name resolve to it (DNS rebinding). The first gives
itself away by its Origin, the second by the Host. Both hold for websockets too, which browsers
let any page open.

The monitor and its interface show prompts and files and start runs that cost money. Other
users of this machine can reach them as well, so they ask for a token even there: as
``Authorization: Bearer …``, or as the cookie that ``/monitor?token=…`` sets.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matrioska.web.errors import RequestError, error_response

#: Names under which this machine speaks to itself.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
#: Where the monitor's pages stand.
MONITOR = "/monitor"
#: Paths that never answer without a token.
CLOSED = (MONITOR, "/api")
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>\d{1,5}))?")
_COOKIE = "matrioska"
_POLICY_VIOLATION = 1008


@dataclass(frozen=True)
class Door:
    """Who is let in.

    Attributes:
        hosts: names that a request may be for, lower case; None for any, where the token keeps strangers out.
        token: what ``Authorization: Bearer …`` must hold on every path; None for nothing.
        monitor_token: what opens the paths of `CLOSED`, and websockets. Where there is a ``token``, that one; '' for
            a random one.
    """

    hosts: frozenset[str] | None = LOOPBACK_HOSTS
    token: str | None = field(default=None, repr=False)
    monitor_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        # The monitor shows what others on this machine are not to see, so it always has one.
        object.__setattr__(self, "monitor_token", self.token or self.monitor_token or secrets.token_urlsafe())

    @property
    def shown_token(self) -> str | None:
        """What the address that is printed holds: None where the person chose the token, and knows it."""
        return None if self.token else self.monitor_token


class Guard:
    """ASGI middleware that refuses strangers, by HTTP and by websocket.

    Args:
        app: what it guards.
        door: who is let in.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._stranger(headers)
        if refusal is None and (entry := self._entry(scope, headers)) is not None:
            await entry(scope, receive, send)
            return
        refusal = refusal or self._untold(scope, headers)
        if refusal is None:
            closed = scope["type"] == "http" and is_closed(scope["path"])
            await self.app(scope, receive, _kept_apart(send) if closed else send)
        elif scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await _refused(refusal, scope, headers)(scope, receive, _kept_apart(send))

    def _stranger(self, headers: Headers) -> RequestError | None:
        """Refuse what is for another host, or comes from a page of another site."""
        host = headers.get("host", "")
        name = host_name(host)
        if not name or (self.door.hosts is not None and name not in self.door.hosts):
            return RequestError(
                421,
                "host",
                f"This service does not answer for the host {host[:100]!r}.",
                next_step="Use the address that `matrioska serve` printed.",
            )
        own = (f"http://{host.lower()}", f"https://{host.lower()}")
        if any(origin.lower() not in own for origin in headers.getlist("origin")) or _is_embedded_elsewhere(headers):
            return RequestError(
                403, "origin", "Pages of other sites may not ask here.", next_step="Ask from a program, or through it."
            )
        return None

    def _untold(self, scope: Scope, headers: Headers) -> RequestError | None:
        """Refuse a request without the token that its path asks for."""
        closed = scope["type"] == "websocket" or is_closed(scope["path"])
        wanted = self.door.monitor_token if closed else self.door.token
        if wanted is None or _bears(headers.get("authorization", ""), wanted):
            return None
        if closed and _same(_cookies(headers).get(cookie_name(headers), ""), cookie_value(wanted)):
            return None
        return RequestError(
            401,
            "token",
            "The token is missing or wrong.",
            next_step="Open the address of the monitor that `matrioska serve` printed, or send the header "
            "'Authorization: Bearer …' with the service's token."
            if closed
            else "Send the header 'Authorization: Bearer …' with the service's token.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _entry(self, scope: Scope, headers: Headers) -> Response | None:
        """Trade the token in the monitor's address for a cookie; None for every other request.

        The address with the token stays in no page, and in no list of visited pages but as a redirect.
        """
        if scope["type"] != "http" or scope["method"] != "GET" or not is_below(scope["path"], MONITOR):
            return None
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if not given or not _same(given[-1], self.door.monitor_token):
            return None
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # One slash in front: two would be the address of another host.
        path = "/" + scope["path"].lstrip("/")
        response = RedirectResponse(path + (f"?{rest}" if rest else ""), status_code=303)
        response.set_cookie(
            cookie_name(headers), cookie_value(self.door.monitor_token), path="/", httponly=True, samesite="strict"
        )
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def is_closed(path: str) -> bool:
    """Whether a path never answers without a token."""
    return any(is_below(path, closed) for closed in CLOSED)


def cookie_name(headers: Headers) -> str:
    """Return the name of the cookie: one for each port, since browsers share cookies between the ports of a host."""
    found = _HOST.fullmatch(headers.get("host", "").lower())
    return f"{_COOKIE}-{(found['port'] if found else None) or 'default'}"


def cookie_value(token: str) -> str:
    """Return what the cookie holds. Other services on this host are sent it, and must not learn the token by that."""
    return hmac.new(token.encode(), b"cookie of the monitor", hashlib.sha256).hexdigest()


def host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets; '' for what is no such header."""
    found = _HOST.fullmatch(host.lower())
    return (found["six"] or found["name"]).rstrip(".") if found else ""


def _is_embedded_elsewhere(headers: Headers) -> bool:
    """Whether a page of another site loads this as a part of itself: browsers then name no Origin, but say so.

    Another port of this machine is the same site to cookies, which go along.
    """
    opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site") in ("same-site", "cross-site") and not opened


def _kept_apart(send: Send) -> Send:
    """Return what sends answers that no page of another site can load, read, or take for what they are not."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            message = {**message, "headers": headers.raw}
        await send(message)

    return sent


def _refused(refusal: RequestError, scope: Scope, headers: Headers) -> Response:
    """Return the refusal: words for a person who opened a page, our one form for programs."""
    if is_below(scope["path"], MONITOR) and "text/html" in headers.get("accept", ""):
        return PlainTextResponse(f"{refusal.message}\n{refusal.next_step}\n", refusal.status, refusal.headers)
    return error_response(refusal, scope["path"])


def is_below(path: str, root: str) -> bool:
    """Whether a path is another one, or stands below it."""
    return path == root or path.startswith(f"{root}/")


def _cookies(headers: Headers) -> dict[str, str]:
    return cookie_parser(headers.get("cookie", ""))


def _bears(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and _same(given.strip(), token)


def _same(given: str, wanted: str) -> bool:
    # Compared in constant time: how long a refusal takes must not tell how much was right.
    return hmac.compare_digest(given.encode(), wanted.encode())
