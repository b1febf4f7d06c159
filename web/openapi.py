"""The service's description in OpenAPI 3.1, from the very types that it answers with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from matrioska.state.ensemble import EnsembleAnswer
from matrioska.web.schemas import ErrorBody, Health, QueryRequest, ShownTopology

_REF = "#/components/schemas/{model}"
_ANSWERS: tuple[type[BaseModel], ...] = (EnsembleAnswer, ErrorBody, Health, ShownTopology)
_GUARDED = {
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page.",
    421: "Wrong host.",
}
_QUERY_ERRORS = {
    400: "The body is not JSON.",
    408: "The body did not arrive in time.",
    413: "The query is too long.",
    415: "The body is of another type than application/json.",
    422: "The body has not this form, or the query is empty.",
    500: "A fault in the service.",
    503: "No node could answer, too many queries are under way, or the service ends.",
    504: "No node answered in time.",
}
_STREAM = (
    "Server-sent events, each with one JSON object: `chunk`, `asked`, `vote`, `decided` and `synthesis` as they "
    "happen, and at last `done` with an EnsembleAnswer, or `error` with an ErrorBody."
)


def openapi(*, guarded: bool) -> dict[str, Any]:
    """Return the description.

    Args:
        guarded: whether requests must bear a token.
    """
    _, parts = models_json_schema(
        [(QueryRequest, "validation"), *((model, "serialization") for model in _ANSWERS)], ref_template=_REF
    )
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Matrioska's ensemble", "version": "1", "description": "Many small models vote."},
        "paths": {
            "/query": {"post": _query(guarded)},
            "/health": {"get": _get("Whether the service takes queries.", Health, guarded)},
            "/topology": {"get": _get("The nodes that vote.", ShownTopology, guarded)},
            "/openapi.json": {
                "get": {"summary": "This description.", "responses": {"200": {"description": "OpenAPI."}}}
            },
        },
        "components": {"schemas": parts["$defs"]},
    }
    if guarded:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _query(guarded: bool) -> dict[str, Any]:
    answered = _content(EnsembleAnswer) | {"text/event-stream": {"schema": {"type": "string", "description": _STREAM}}}
    return {
        "summary": "Answer a query by the votes of all nodes.",
        "requestBody": {"required": True, "content": _content(QueryRequest)},
        "responses": {"200": {"description": "The answer.", "content": answered}} | _errors(_QUERY_ERRORS, guarded),
    }


def _get(summary: str, model: type[BaseModel], guarded: bool) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": _content(model)}} | _errors({}, guarded),
    }


def _errors(own: dict[int, str], guarded: bool) -> dict[str, Any]:
    told = {status: says for status, says in (_GUARDED | own).items() if guarded or status != 401}
    return {str(status): {"description": says, "content": _content(ErrorBody)} for status, says in sorted(told.items())}


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
