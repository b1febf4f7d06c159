"""The runs' API in OpenAPI: its paths, from the very types that it answers with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from matrioska.web.runs.looking import MOST_MESSAGES
from matrioska.web.runs.routes import MOST_LINES, MOST_NUMBER
from matrioska.web.runs.schemas import (
    Complaints,
    ForkRequest,
    History,
    Messages,
    RedoRequest,
    RunLines,
    StartRequest,
    ThreadName,
)
from matrioska.web.runs.views import Event, ModuleDetail, QuestionView, RunView
from matrioska.web.schemas import ErrorBody

REQUESTS: tuple[type[BaseModel], ...] = (StartRequest, ForkRequest, RedoRequest)
ANSWERS: tuple[type[BaseModel], ...] = (
    *(RunLines, RunView, QuestionView, ModuleDetail, History, Messages, Complaints, ThreadName, Event, ErrorBody),
)
_SAYS = {
    400: "The body is not JSON.",
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "The run is at work already, or not where this can be done.",
    413: "The body is too long.",
    415: "The body is of another type than application/json.",
    421: "Wrong host.",
    422: "What was sent has not this form, or cannot be done.",
    429: "Too many runs are under way.",
    500: "What is saved cannot be read or written, or a fault in the service.",
    502: "A model that the run names cannot be used.",
    503: "The service ends, or a model's server is down.",
}
#: Headers that go with an answer, by its status.
_HEADERS = {
    201: {"Location": "Where the run is."},
    401: {"WWW-Authenticate": "`Bearer`."},
    429: {"Retry-After": "Seconds until it is worth another try."},
}
_ALWAYS = (401, 403, 421, 500)
_BODY = (400, 408, 413, 415, 422)
_EVENTS = (
    "Server-sent events, each with its id, its type and one JSON object. A reader that comes again with the header "
    "`Last-Event-ID` is told exactly what it missed, or `reset` where that is no longer kept: look at the run again. "
    "`state`: a checkpoint was saved, or a question asked; `module`, `step`: progress; `message`: something was "
    "written into the journal; `piece`: text that a model writes; `status`: this process stopped driving the run. "
    "It ends only with the service."
)
_DECISION = (
    '`{"decisions": [{"type": "approve" | "edit" | "respond" | "reject", …}]}`, `[{"type": "accept" | "edit" | '
    '"response" | "ignore", "args": …}]`, `true`, `false`, a text, or `"[ACCEPTED]"` and `"[EDIT_PLAN] …"`. An edit '
    'carries the whole plan. Where a budget is used up: a number, or `{"budget_tokens": …}`.'
)
_QUESTION = (
    "Id of the question that was read, as the run gave it; 409 where it asks another one by now. Without it, whatever "
    "the run asks is answered."
)
_NUMBER = {"type": "integer", "minimum": 0, "maximum": MOST_NUMBER}
_THREAD = {
    "name": "thread",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "description": "Id of the run.",
}


def run_paths() -> dict[str, Any]:
    """Return the paths of the runs' API."""
    run = "/api/runs/{thread}"
    return {
        "/api/runs": {
            "get": _operation(
                "Runs and questions, the one touched last first.",
                RunLines,
                (422,),
                [
                    _query("after", "Id of the thread before the first one wanted."),
                    _query("limit", "So many at the most.", {"type": "integer", "minimum": 1, "maximum": MOST_LINES}),
                ],
            ),
            "post": _operation(
                "Start a run.", ThreadName, (*_BODY, 409, 429, 503), body=_ref(StartRequest), status=201
            ),
        },
        run: {"get": _operation("A run as a whole.", RunView, (404,), [_THREAD])},
        "/api/questions/{thread}": {
            "get": _operation(
                "A question to one model, the cascade or the ensemble, with its minds.", QuestionView, (404,), [_THREAD]
            )
        },
        f"{run}/events": {"get": _events()},
        f"{run}/answer": {
            "post": _act("Answer what the run waits for.", {"description": _DECISION}, [_query("question", _QUESTION)])
        },
        f"{run}/resume": {"post": _act("Go on with what was cut off or stopped, or retry what failed.")},
        f"{run}/stop": {"post": _act("Stop the run at its next step; `resume` goes on.")},
        f"{run}/fork": {
            "post": _operation(
                "Begin a new run at an older checkpoint; `resume` drives it on.",
                ThreadName,
                (*_BODY, 404),
                [_THREAD],
                body=_ref(ForkRequest),
                status=201,
            )
        },
        f"{run}/redo": {"post": _act("Run one module again, and what gets other inputs by that.", _ref(RedoRequest))},
        f"{run}/history": {"get": _operation("The run's checkpoints.", History, (404,), [_THREAD])},
        f"{run}/modules/{{module}}": {
            "get": _operation("One module, opened.", ModuleDetail, (404,), [_THREAD, _path("module", "Its id.")])
        },
        f"{run}/files/{{path}}": {
            "get": _file("A file, as text or as a download.", _path("path", "May hold slashes."))
        },
        f"{run}/archive": {"get": _file("The deliverable, as a zip.", None)},
        f"{run}/journal": {
            "get": _operation(
                "What was said, with prompts and answers.",
                Messages,
                (404, 422),
                [
                    _THREAD,
                    _query("after", "Number of the last message known.", _NUMBER),
                    _query("limit", "So many.", {"type": "integer", "minimum": 1, "maximum": MOST_MESSAGES}),
                ],
            )
        },
        "/api/plan/check": {
            "post": _operation(
                "What is wrong with a plan.",
                Complaints,
                (*_BODY, 404),
                [_query("thread", "The run whose assets it may name; without one, any asset is taken to be there.")],
                # A plan of any form is looked at: whatever is wrong with it is told in words.
                body={"description": "The plan."},
            )
        },
    }


def _operation(
    summary: str,
    model: type[BaseModel],
    errors: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    *,
    body: dict[str, Any] | None = None,
    status: int = 200,
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": summary,
        "responses": {str(status): _response(status, summary, model)} | _errors(errors),
    }
    if parameters:
        told["parameters"] = parameters
    if body is not None:
        told["requestBody"] = {"required": True, "content": _json(body)}
    return told


def _act(summary: str, body: dict[str, Any] | None = None, parameters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    errors = (404, 409, 429, 502, 503, *(_BODY if body is not None else (422,)))
    return _operation(summary, ThreadName, errors, [_THREAD, *parameters], body=body, status=202)


def _events() -> dict[str, Any]:
    schema = {"type": "string", "description": _EVENTS, "x-event": _ref(Event)}
    return {
        "summary": "What happens to a run, as it happens.",
        "parameters": [
            _THREAD,
            _query("after", "Id of the last event known; without one, events begin now.", _NUMBER),
            {**_query("Last-Event-ID", "The same, as browsers send it.", _NUMBER), "in": "header"},
        ],
        "responses": {"200": {"description": _EVENTS, "content": {"text/event-stream": {"schema": schema}}}}
        | _errors((404, 422)),
    }


def _file(summary: str, parameter: dict[str, Any] | None) -> dict[str, Any]:
    # A file is never told as anything that a browser would run.
    kinds = ("text/plain", "application/octet-stream") if parameter else ("application/zip",)
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {
        "summary": summary,
        "parameters": [_THREAD, *([parameter] if parameter else [])],
        "responses": {"200": {"description": summary, "content": content}} | _errors((404, 409)),
    }


def _errors(statuses: tuple[int, ...]) -> dict[str, Any]:
    wanted = sorted({*statuses, *_ALWAYS})
    return {str(status): _response(status, _SAYS[status], ErrorBody) for status in wanted}


def _response(status: int, says: str, model: type[BaseModel]) -> dict[str, Any]:
    told = {"description": says, "content": _json(_ref(model))}
    headers = {
        name: {"schema": {"type": "string"}, "description": what} for name, what in _HEADERS.get(status, {}).items()
    }
    return told | ({"headers": headers} if headers else {})


def _query(name: str, says: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}, "description": says}


def _path(name: str, says: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": says}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
