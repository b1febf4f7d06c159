"""Errors on the wire: one form, a status, and what to do about it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from matrioska.state.errors import EnsembleError, EnsembleTimeoutError, MatrioskaError, TaskError
from matrioska.web.schemas import ErrorBody, ErrorDetail
from matrioska.web.shown import shown_reason

_CODES = {404: "not_found", 405: "method_not_allowed"}
_STEPS = {
    404: "The paths are /query, /health, /topology and /openapi.json.",
    405: "Send POST to /query, and GET to every other path.",
}


class RequestError(MatrioskaError):
    """A request that cannot be answered as it is.

    Attributes:
        status: HTTP status.
        headers: headers that go with it.
    """

    def __init__(
        self, status: int, code: str, message: str, *, next_step: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.headers = headers or {}
        super().__init__(message, next_step=next_step)


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, EnsembleTimeoutError):
        return 504
    if isinstance(error, EnsembleError):
        return 503
    return 422 if isinstance(error, TaskError) else 500


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


def error_response(error: Exception) -> JSONResponse:
    """Return the response that tells an error."""
    headers = error.headers if isinstance(error, RequestError) else None
    return JSONResponse(error_body(error).model_dump(), status_of(error), headers)


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Tell what the router refuses in the form of all other errors."""
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    return error_response(
        RequestError(
            status,
            _CODES.get(status, "refused"),
            f"{request.method} {request.url.path[:100]}: {error.detail}.",
            next_step=_STEPS.get(status, ""),
            headers=dict(error.headers or {}),
        )
    )
