"""The preview's own service: files of deliverables, by addresses that cannot be guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from matrioska.state.errors import MatrioskaError
from matrioska.state.paths import safe_relative_path
from matrioska.web.guard import host_name
from matrioska.web.preview.links import Links
from matrioska.web.preview.pages import page_of

#: Returns the content and the media type of a file of a thread's deliverable.
Reader = Callable[[str, str], Awaitable[tuple[bytes, str]]]

#: What browsers say of a request for a page, ``Sec-Fetch-Dest``.
_OPENED = frozenset({"document", "iframe"})


def build_preview(links: Links, read: Reader, *, hosts: frozenset[str] | None) -> Starlette:
    """Return the service of previews. It knows no cookie and no token, and answers nothing but files.

    Args:
        links: the addresses that open something.
        read: reads a file of a thread's deliverable; raises `MatrioskaError` for what is none.
        hosts: names that a request may be for; None for any.
    """

    async def show(request: Request) -> Response:
        thread, path = request.path_params["thread"], request.path_params["path"]
        if not links.opens(request.path_params["given"], thread):
            return _nothing()
        try:
            content, _ = await read(thread, safe_relative_path(path))
        except MatrioskaError:
            # Which threads and files there are is nobody's business who asks for another.
            return _nothing()
        folder = f"{request.url.scheme}://{request.headers['host']}{links.folder(thread)}"
        opened = request.headers.get("sec-fetch-dest", "document") in _OPENED
        # Long Markdown takes seconds.
        page = await asyncio.to_thread(page_of, path, content, folder, opened=opened)
        return Response(page.content, media_type=page.media_type, headers=page.headers)

    return Starlette(
        routes=[Route("/{given}/{thread}/{path:path}", show, methods=["GET"])],
        middleware=[Middleware(_OwnHosts, hosts=hosts)],
    )


class _OwnHosts:
    """ASGI middleware that answers only for the names of this service."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = host_name(Headers(scope=scope).get("host", ""))
            if not name or (self.hosts is not None and name not in self.hosts):
                await PlainTextResponse("Not here.\n", 421)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _nothing() -> Response:
    return PlainTextResponse("There is nothing here.\n", 404, {"X-Content-Type-Options": "nosniff"})
