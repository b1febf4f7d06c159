"""Errors on the wire: a status, one form for each door, and what to do about it.

Paths below ``/v1`` speak as OpenAI's service does, since its clients read them; all others speak our own form.
"""

from __future__ import annotations

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from matrioska.state.errors import (
    BudgetError,
    CascadeError,
    ConfigError,
    EnsembleError,
    EnsembleTimeoutError,
    MatrioskaError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    PlanError,
    ThreadBusyError,
    ThreadNotFoundError,
    UsageError,
)
from matrioska.web.chat.schemas import ChatErrorBody, ChatErrorDetail
from matrioska.web.schemas import ErrorBody, ErrorDetail
from matrioska.web.shown import shown_reason

_CODES = {404: "not_found", 405: "method_not_allowed"}
_STEPS = {
    404: "The paths are those of /openapi.json: /api/runs, /v1/models, /v1/chat/completions, /query and others.",
    405: "The methods of each path are those of /openapi.json.",
}
#: Codes that clients of OpenAI's service know under another name.
_CHAT_CODES = {"token": "invalid_api_key", "busy": "rate_limit_exceeded"}
#: Statuses of errors, the narrower class before the wider one.
_STATUSES: tuple[tuple[type[MatrioskaError], int], ...] = (
    (EnsembleTimeoutError, 504),
    (ModelTimeoutError, 504),
    (EnsembleError, 503),
    (CascadeError, 503),
    (BudgetError, 503),
    (ModelUnavailableError, 503),
    (ModelError, 502),
    (ConfigError, 500),
    (ThreadBusyError, 409),
    (ThreadNotFoundError, 404),
    (UsageError, 422),
    (PlanError, 422),
)


class RequestError(MatrioskaError):
    """A request that cannot be answered as it is.

    Attributes:
        status: HTTP status.
        headers: headers that go with it.
        param: the field of the request that is at fault; None for none.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        next_step: str = "",
        headers: dict[str, str] | None = None,
        param: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.headers = headers or {}
        self.param = param
        super().__init__(message, next_step=next_step)


def form_error(error: ValidationError, next_step: str) -> RequestError:
    """Return the error for a body of another form, with the first thing that is wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))[:100]
    says = "there is no such field" if first["type"] == "extra_forbidden" else first["msg"]
    return RequestError(
        422,
        "bad_request",
        f"The field {place!r} is wrong: {says}." if place else f"The body is wrong: {says}.",
        next_step=next_step,
    )


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_body(error: Exception) -> ErrorBody:
    """Return what is told of an error; of one that is a fault of ours, only its kind."""
    if isinstance(error, RequestError):
        return ErrorBody(error=ErrorDetail(code=error.code, message=error.message, next_step=error.next_step))
    if isinstance(error, MatrioskaError):
        message, step = shown_reason(error.message), shown_reason(error.next_step)
        return ErrorBody(error=ErrorDetail(code=error.code, message=message, next_step=step))
    message = f"A fault in Matrioska: {type(error).__name__}."
    return ErrorBody(
        error=ErrorDetail(code="unexpected", message=message, next_step="Please report it; the service goes on.")
    )


def chat_error_body(error: Exception) -> ChatErrorBody:
    """Return what is told of an error below ``/v1``; the next step stands in the message, which clients show."""
    told = error_body(error).error
    return ChatErrorBody(
        error=ChatErrorDetail(
            message=f"{told.message} {told.next_step}".strip(),
            type=_chat_type(_chat_status(error)),
            param=error.param if isinstance(error, RequestError) else None,
            code=_CHAT_CODES.get(told.code, told.code),
        )
    )


def _chat_status(error: Exception) -> int:
    # OpenAI's clients know 400 as the one status of a request that is wrong.
    status = status_of(error)
    return 400 if status == 422 else status


def _chat_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def error_response(error: Exception, path: str = "") -> JSONResponse:
    """Return the response that tells an error, in the form that belongs to the request's path."""
    headers = dict(error.headers) if isinstance(error, RequestError) else {}
    if not is_chat(path):
        return JSONResponse(error_body(error).model_dump(), status_of(error), headers)
    if isinstance(error, ModelUnavailableError) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if "Retry-After" not in headers:
        # Clients ask again after any 5xx by themselves. What failed here was tried again already, and cost as much.
        headers["X-Should-Retry"] = "false"
    return JSONResponse(chat_error_body(error).model_dump(), _chat_status(error), headers)


def is_chat(path: str) -> bool:
    """Whether a path belongs to the door that speaks OpenAI's protocol."""
    return path == "/v1" or path.startswith("/v1/")


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Tell what the router refuses in the form of all other errors."""
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    refused = RequestError(
        status,
        _CODES.get(status, "refused"),
        f"{request.method} {request.url.path[:100]}: {error.detail}.",
        next_step=_STEPS.get(status, ""),
        headers=dict(error.headers or {}),
    )
    return error_response(refused, request.url.path)
