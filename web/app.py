"""The service: ``POST /query``, and what it says of itself."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from matrioska.web.errors import error_response, on_http_exception
from matrioska.web.guard import LOOPBACK_HOSTS, Guard
from matrioska.web.openapi import openapi
from matrioska.web.queries import Queries, read_query
from matrioska.web.schemas import Health
from matrioska.web.shown import shown_topology
from matrioska.web.stream import EVENT_STREAM, EventStream


def build_app(
    queries: Queries, *, hosts: frozenset[str] | None = LOOPBACK_HOSTS, token: str | None = None
) -> Starlette:
    """Return the service as an ASGI application.

    Args:
        queries: the queries under way, over the ensemble that answers them.
        hosts: names that a request may be for; None for any.
        token: what every request must bear; None for none.
    """

    async def query(request: Request) -> Response:
        try:
            asked = await read_query(request)
            if asked.stream or EVENT_STREAM in request.headers.get("accept", ""):
                return EventStream(queries, asked.query)
            answer = await queries.answer(request, asked.query)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is told in one form
            return error_response(error)
        return JSONResponse(answer.model_dump(mode="json"))

    async def health(request: Request) -> Response:
        told = Health(status="ok", nodes=len(queries.ensemble.topology.nodes), queries=len(queries))
        return JSONResponse(told.model_dump())

    async def topology(request: Request) -> Response:
        return JSONResponse(shown_topology(queries.ensemble.topology).model_dump())

    async def described(request: Request) -> Response:
        return JSONResponse(openapi(guarded=token is not None))

    return Starlette(
        routes=[
            Route("/query", query, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
            Route("/topology", topology, methods=["GET"]),
            Route("/openapi.json", described, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts, token=token)],
        exception_handlers={HTTPException: on_http_exception},
    )
