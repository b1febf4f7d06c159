"""What is answered at an address where there is nothing."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response
from nicegui import Client, app, ui

from matrioska.i18n import _
from matrioska.web.monitor.language import Page, settle
from matrioska.web.monitor.page import framed, text


def answer_unknown_addresses() -> None:
    """Have a page of ours shown where there is none. Called once, before the first page."""
    app.add_exception_handler(404, _nowhere)


async def _nowhere(request: Request, error: Exception) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("There is nothing here.\n", 404)
    with Client(Page(""), request=request) as client:
        settle(client)
        with framed(_("Not found"), _("There is no such page")):
            text(_("The address has a mistake in it, or what it named is not there any more."))
            ui.link(_("All threads"), "/")
    return client.build_response(request, 404)
