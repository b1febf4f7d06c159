"""The monitor as an ASGI application: its pages, and what their answers carry."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from nicegui import ui
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matrioska.web.monitor.module import module_page
from matrioska.web.monitor.page import PREFIX, share_assets
from matrioska.web.monitor.question import fitness_page, question_page
from matrioska.web.monitor.run import run_page
from matrioska.web.monitor.threads import threads_page
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

    @ui.page("/")
    async def threads() -> None:
        await threads_page(desk)

    @ui.page("/fitness")
    async def fitness() -> None:
        await fitness_page(desk)

    @ui.page("/run/{thread}")
    async def run(thread: str) -> None:
        await run_page(desk, thread)

    @ui.page("/run/{thread}/module/{module}")
    async def module(thread: str, module: str) -> None:
        await module_page(desk, thread, module)

    @ui.page("/question/{thread}")
    async def question(thread: str) -> None:
        await question_page(desk, thread)


def build_monitor(desk: Desk, *, frames: Sequence[str] = ()) -> ASGIApp:
    """Return the monitor, mounted below ``/monitor``; its lifespan must be run. Once in a process.

    Args:
        desk: whom the pages ask.
        frames: origins whose pages may stand in a frame here: where previews are served.
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
    return _Headers(around, _POLICY.format(frames=" ".join(frames) or "'none'"))


class _Headers:
    """ASGI middleware that adds what every answer of the monitor carries."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self.app = app
        self._added = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self._added]}
            await send(message)

        await self.app(scope, receive, sent)
