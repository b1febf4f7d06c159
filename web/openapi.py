"""The service's description in OpenAPI 3.1, from the very types that it answers with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from matrioska.state.ensemble import EnsembleAnswer
from matrioska.web.chat.schemas import (
    ChatChunk,
    ChatCompletion,
    ChatErrorBody,
    ChatRequest,
    ShownModel,
    ShownModels,
)
from matrioska.web.runs.described import ANSWERS, REQUESTS, run_paths
from matrioska.web.schemas import ErrorBody, Health, QueryRequest, ShownTopology

_REF = "#/components/schemas/{model}"
_REQUESTS: tuple[type[BaseModel], ...] = (QueryRequest, ChatRequest)
_ANSWERS: tuple[type[BaseModel], ...] = (
    *(EnsembleAnswer, ErrorBody, Health, ShownTopology),
    *(ChatCompletion, ChatChunk, ChatErrorBody, ShownModel, ShownModels),
)
_GUARDED = {
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page.",
    421: "Wrong host.",
}
_BODY_ERRORS = {
    400: "The body is not JSON.",
    408: "The body did not arrive in time.",
    413: "The body is too long.",
    415: "The body is of another type than application/json.",
    500: "A fault in the service.",
}
_QUERY_ERRORS = _BODY_ERRORS | {
    422: "The body has not this form, or the query is empty.",
    503: "No ensemble is configured, no node could answer, too many queries are under way, or the service ends.",
    504: "No node answered in time.",
}
_CHAT_ERRORS = _BODY_ERRORS | {
    400: "The body is not JSON or has not this form, asks nothing, or wants what cannot be given.",
    404: "There is no such model.",
    429: "Too many chats are under way.",
    502: "A model cannot be used, or answered in another form.",
    503: "Nobody could answer, a model's server is down, or the service ends.",
    504: "No model answered in time.",
}
_STREAM = (
    "Server-sent events, each with one JSON object: `chunk`, `asked`, `vote`, `decided` and `synthesis` as they "
    "happen, and at last `done` with an EnsembleAnswer, or `error` with an ErrorBody."
)
_CHAT_STREAM = (
    "Server-sent events, each with one ChatChunk, and `[DONE]` at last; or a ChatErrorBody, after which nothing comes."
)


def openapi(*, guarded: bool, runs: bool = False) -> dict[str, Any]:
    """Return the description.

    Args:
        guarded: whether every request must bear a token.
        runs: whether runs are served; those ask for a token in any case.
    """
    requests = (*_REQUESTS, *(REQUESTS if runs else ()))
    answers = dict.fromkeys((*_ANSWERS, *(ANSWERS if runs else ())))
    _, parts = models_json_schema(
        [*((model, "validation") for model in requests), *((model, "serialization") for model in answers)],
        ref_template=_REF,
    )
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Matrioska", "version": "1", "description": "Many models, asked as one."},
        "paths": _query_paths(guarded) | _chat_paths(guarded) | _own_paths(guarded),
        "components": {"schemas": parts["$defs"]},
    }
    if guarded or runs:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    if guarded:
        described["security"] = [{"token": []}]
    if runs:
        closed = run_paths()
        for operations in closed.values():
            for operation in operations.values():
                operation["security"] = [{"token": []}]
        described["paths"] |= closed
    return described


def _query_paths(guarded: bool) -> dict[str, Any]:
    answered = _content(EnsembleAnswer) | _streamed(_STREAM)
    query = {
        "summary": "Answer a query by the votes of all nodes.",
        "requestBody": {"required": True, "content": _content(QueryRequest)},
        "responses": {"200": {"description": "The answer.", "content": answered}}
        | _errors(_QUERY_ERRORS, ErrorBody, guarded),
    }
    no_ensemble = _errors({404: "No ensemble is configured."}, ErrorBody, guarded)
    return {
        "/query": {"post": query},
        "/topology": {"get": _get("The nodes that vote.", ShownTopology, no_ensemble)},
    }


def _chat_paths(guarded: bool) -> dict[str, Any]:
    # What the answer may hold besides, a client finds in its types: a chunk of a stream is described there too.
    answered = _content(ChatCompletion) | _streamed(_CHAT_STREAM)
    answered["text/event-stream"]["schema"]["x-event"] = {"$ref": _REF.format(model=ChatChunk.__name__)}
    chat = {
        "summary": "Answer a conversation, as OpenAI's chat completions do.",
        "requestBody": {"required": True, "content": _content(ChatRequest)},
        "responses": {"200": {"description": "The answer.", "content": answered}}
        | _errors(_CHAT_ERRORS, ChatErrorBody, guarded),
    }
    one = _get("One model.", ShownModel, _errors({404: _CHAT_ERRORS[404]}, ChatErrorBody, guarded))
    one["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}]
    return {
        "/v1/chat/completions": {"post": chat},
        "/v1/models": {"get": _get("What can be asked.", ShownModels, _errors({}, ChatErrorBody, guarded))},
        "/v1/models/{model}": {"get": one},
    }


def _own_paths(guarded: bool) -> dict[str, Any]:
    return {
        "/health": {"get": _get("Whether the service takes questions.", Health, _errors({}, ErrorBody, guarded))},
        "/openapi.json": {"get": {"summary": "This description.", "responses": {"200": {"description": "OpenAPI."}}}},
    }


def _get(summary: str, model: type[BaseModel], errors: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": _content(model)}} | errors,
    }


def _errors(own: dict[int, str], form: type[BaseModel], guarded: bool) -> dict[str, Any]:
    told = {status: says for status, says in (_GUARDED | own).items() if guarded or status != 401}
    return {str(status): {"description": says, "content": _content(form)} for status, says in sorted(told.items())}


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def _streamed(says: str) -> dict[str, Any]:
    return {"text/event-stream": {"schema": {"type": "string", "description": says}}}
