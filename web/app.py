"""The service: what it is made of, and what it says of itself."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from matrioska.web.chat.chats import Chats
from matrioska.web.chat.routes import chat_routes
from matrioska.web.errors import RequestError, error_response, on_http_exception
from matrioska.web.guard import Door, Guard
from matrioska.web.openapi import openapi
from matrioska.web.queries import Queries, read_query
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.routes import run_routes
from matrioska.web.schemas import Health
from matrioska.web.shown import shown_topology
from matrioska.web.stream import EVENT_STREAM, EventStream, QueryEvents
from matrioska.web.underway import wait_for


def build_app(
    queries: Queries | None,
    chats: Chats,
    *,
    door: Door | None = None,
    desk: Desk | None = None,
) -> Starlette:
    """Return the service as an ASGI application.

    Args:
        queries: the queries under way, over the ensemble that answers them; None where none is configured.
        chats: the chats under way, over what can be asked.
        door: who is let in; None for everybody on this machine, but to what asks for a token always.
        desk: by which runs are seen and steered; None leaves ``/api`` out.
    """
    door = door or Door()
    own = own_routes(queries, chats, guarded=door.token is not None, runs=desk is not None)
    return Starlette(
        routes=[*query_routes(queries), *chat_routes(chats), *(run_routes(desk) if desk else ()), *own],
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={HTTPException: on_http_exception},
    )


def query_routes(queries: Queries | None) -> list[BaseRoute]:
    """Return the routes of the ensemble: ``/query`` and ``/topology``."""

    async def query(request: Request) -> Response:
        try:
            asking = _configured(queries, 503)
            asked = await read_query(request)
            if asked.stream or EVENT_STREAM in request.headers.get("accept", ""):
                return EventStream(lambda tell: asking.ask(asked.query, tell), QueryEvents())
            answer = await wait_for(asking.ask(asked.query), request)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is told in one form
            return error_response(error)
        return JSONResponse(answer.model_dump(mode="json"))

    async def topology(request: Request) -> Response:
        try:
            return JSONResponse(shown_topology(_configured(queries, 404).ensemble.topology).model_dump())
        except RequestError as error:
            return error_response(error)

    return [Route("/query", query, methods=["POST"]), Route("/topology", topology, methods=["GET"])]


def own_routes(queries: Queries | None, chats: Chats, *, guarded: bool, runs: bool) -> list[BaseRoute]:
    """Return the routes by which the service tells of itself: ``/health`` and ``/openapi.json``."""

    async def health(request: Request) -> Response:
        nodes, asked = (len(queries.ensemble.topology.nodes), len(queries)) if queries is not None else (0, 0)
        told = Health(status="ok", nodes=nodes, queries=asked, models=list(chats.offers), chats=len(chats))
        return JSONResponse(told.model_dump())

    async def described(request: Request) -> Response:
        return JSONResponse(openapi(guarded=guarded, runs=runs))

    return [Route("/health", health, methods=["GET"]), Route("/openapi.json", described, methods=["GET"])]


def _configured(queries: Queries | None, status: int) -> Queries:
    """Return the queries.

    Raises:
        RequestError: no ensemble is configured.
    """
    if queries is None:
        raise RequestError(
            status,
            "no_ensemble",
            "No ensemble is configured here.",
            next_step="Write its nodes into [ensemble] of matrioska.toml, or start with --topology FILE.",
        )
    return queries
