"""The monitor as an ASGI application: its pages, and what their answers carry."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from nicegui import ui
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matrioska.web.guard import host_name
from matrioska.web.monitor.language import page, remembered, speak_for_nicegui
from matrioska.web.monitor.module import module_page
from matrioska.web.monitor.nowhere import answer_unknown_addresses
from matrioska.web.monitor.page import PREFIX, share_assets
from matrioska.web.monitor.question import fitness_page, question_page
from matrioska.web.monitor.run import run_page
from matrioska.web.monitor.threads import threads_page
from matrioska.web.monitor.uploads import Bounded
from matrioska.web.runs.desk import Desk

# NiceGUI's pages are made of inline scripts, and Vue compiles templates in the browser. What is left to forbid
# is to send anything elsewhere, to load anything from elsewhere, and to be put into another page's frame.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; frame-src {frames}"
)


def register_pages(desk: Desk) -> None:
    """Make the pages known to NiceGUI. Once in a process: NiceGUI has one application."""
    share_assets()
    speak_for_nicegui()
    answer_unknown_addresses()

    @page("/")
    async def threads() -> None:
        await threads_page(desk)

    @page("/fitness")
    async def fitness() -> None:
        await fitness_page(desk)

    @page("/run/{thread}")
    async def run(thread: str) -> None:
        await run_page(desk, thread)

    @page("/run/{thread}/module/{module}")
    async def module(thread: str, module: str) -> None:
        await module_page(desk, thread, module)

    @page("/question/{thread}")
    async def question(thread: str) -> None:
        await question_page(desk, thread)


def build_monitor(desk: Desk, *, frames: Callable[[str], str] | None = None) -> ASGIApp:
    """Return the monitor, mounted below ``/monitor``; its lifespan must be run. Once in a process.

    Args:
        desk: whom the pages ask.
        frames: says what a page that was reached under a name may show in a frame, as policies write it: where
            previews are served. None for nothing.
    """
    register_pages(desk)
    around = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        around,
        mount_path=PREFIX,
        title="Matrioska",
        favicon="🪆",
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
    )
    return _Policed(Bounded(around), frames or (lambda name: "'none'"))


class _Policed:
    """ASGI middleware that adds the pages' policy to every answer, and the cookie of a language that was chosen."""

    def __init__(self, app: ASGIApp, frames: Callable[[str], str]) -> None:
        self.app = app
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        policy = _POLICY.format(frames=self._frames(host_name(Headers(scope=scope).get("host", ""))))

        added = [(b"content-security-policy", policy.encode())]
        if (chosen := remembered(scope["query_string"])) is not None:
            added.append((b"set-cookie", chosen))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, sent)
