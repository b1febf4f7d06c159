"""What went wrong in an attempt, whichever client says it and however.

The clients of providers have hundreds of classes of errors between them. What they have in
common decides here: the HTTP status, the code in the body, the built-in class, and last the
name of the class.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from pydantic import ValidationError

from matrioska.state.errors import (
    ContextWindowError,
    ModelAuthError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnknownModelError,
)
from matrioska.state.text import clean_text

#: Characters kept of what a client says.
SAID = 400
_LATER = "Wait a little and resume the run, or give it another model."
_PASSING_STATUS = frozenset({408, 409, 425, 429})
_PASSING_NAMES = (
    "Timeout",
    "ConnectError",
    "ConnectionError",
    "ReadError",
    "WriteError",
    "NetworkError",
    "RemoteProtocolError",
    "RateLimit",
    "Overloaded",
    "ServiceUnavailable",
    "InternalServer",
)
_PASSING_CODES = ("overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable", "internal")
_NO_CREDIT = re.compile(
    r"insufficient_quota|insufficient balance|credit balance is too low|billing_(hard_)?limit", re.I
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|context_window|exceed_context_size|maximum context length|context (length|window|size)"
    r"|prompt is too long|input is too long|exceeds? the (available|configured) (context|limit)",
    re.I,
)
_NO_MODEL = re.compile(
    r"model[\w .:'\"`/@-]{0,200}?(not found|does not exist|unknown|not supported)|no such model", re.I
)
#: How LangChain's classes say that a response had another form than expected.
_NOTHING = ("No generation chunks", "No data received", "Unexpected response type")
_UNREADABLE = (UnicodeDecodeError, json.JSONDecodeError, ValidationError, KeyError, IndexError, AttributeError)


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    kind: type[ModelError]
    why: str
    """Half a sentence, without secrets."""
    next_step: str
    retryable: bool = False
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    seconds: float = 0.0
    """The limit that was passed, for timeouts."""


class AttemptError(Exception):
    """An attempt failed. Never leaves the gateway."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.why)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, the nearest first."""
    current: BaseException | None = error
    for _ in range(8):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def failure_of(error: Exception, clean: Callable[[str], str], limit: float) -> Failure:
    """Say what an exception of a client means.

    Args:
        error: as the client raised it.
        clean: takes secrets out of a text.
        limit: seconds that an attempt may take, for the client's own timeouts.
    """
    said = clean(clean_text(_said(error)))[:SAID]
    named = f"{type(error).__name__}: {said}" if said else type(error).__name__
    status = _status(error)
    code = _code(error)
    found = _by_meaning(error, f"{code} {said}", named, status) or _by_status(error, status, f"{code} {said}", named)
    return found or _by_class(error, code, named, limit)


def _by_meaning(error: Exception, text: str, named: str, status: int) -> Failure | None:
    """Tell what the status does not: an answer of no use, no credit, a prompt that is too long."""
    for cause in causes(error):
        if isinstance(cause, ModelResponseError):
            return Failure(ModelResponseError, cause.message, cause.next_step)
    if isinstance(error, ContextOverflowError) or (status in (-1, 0, 400, 413, 422, 500) and _TOO_LONG.search(text)):
        return Failure(ContextWindowError, named, "Choose a model with a larger window, or ask for less at a time.")
    if status == 402 or _NO_CREDIT.search(text):
        return Failure(ModelAuthError, f"the account has no credit: {named}", "Add credit, or choose another model.")
    return None


def _by_status(error: Exception, status: int, text: str, named: str) -> Failure | None:
    why = f"HTTP {status}: {named}"
    if status in (401, 403):
        return Failure(ModelAuthError, f"the key was refused: {why}", "Check the key and what it may be used for.")
    if status == 404 and _NO_MODEL.search(text):
        return Failure(UnknownModelError, f"the server has no such model: {why}", "Check the model's name.")
    if status in _PASSING_STATUS or status >= 500:
        return Failure(ModelUnavailableError, why, _LATER, True, retry_after(error))
    if status >= 400:
        return Failure(ModelError, why, "Check the address of the server and the member's settings.")
    return None


def _by_class(error: Exception, code: str, named: str, limit: float) -> Failure:
    if isinstance(error, _UNREADABLE) or "APIResponseValidation" in type(error).__name__:
        return Failure(ModelResponseError, f"the response cannot be read: {named}", "Look into the server's log.")
    if any(words in str(error) for words in _NOTHING):
        return Failure(
            ModelResponseError,
            "the response holds nothing of what its protocol says",
            "Check the address: another program may answer there, or look into the server's log.",
        )
    if isinstance(error, TypeError):
        return Failure(
            ModelResponseError,
            f"the response or an option is of a wrong type: {named}",
            "Look into the server's log, and check the member's options.",
        )
    names = " ".join(cls.__name__ for cls in type(error).__mro__)
    if isinstance(error, TimeoutError) or "Timeout" in names:
        return Failure(ModelTimeoutError, named, "Give it a longer deadline, or a faster model.", True, None, limit)
    passing = any(part in names for part in _PASSING_NAMES) or any(part in code for part in _PASSING_CODES)
    if isinstance(error, ConnectionError) or passing:
        return Failure(ModelUnavailableError, named, f"Check that the server runs. {_LATER}", True, retry_after(error))
    return Failure(ModelError, named, "Check the model's name, key and server.")


def _said(error: Exception) -> str:
    """Return an error's text; clients wrap what happened ("Connection error."), so its cause is told too."""
    said = str(error)
    inner = next((str(cause) for cause in causes(error) if cause is not error and str(cause)), "")
    return f"{said} ({inner})" if inner and inner not in said and len(said) < 40 else said


def _status(error: Exception) -> int:
    """Return the HTTP status of an error; 0 when it has none."""
    for cause in causes(error):
        response = getattr(cause, "response", None)
        status = getattr(cause, "status_code", None) or getattr(response, "status_code", None)
        if isinstance(status, int) and status >= 400:
            return status
    return 0


def _code(error: Exception) -> str:
    """Return code and type in an error's body, wherever its provider puts them."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    found = [inner.get(key) for key in ("code", "type")] if isinstance(inner, Mapping) else []
    return " ".join(str(part) for part in (*found, getattr(error, "code", None)) if part)


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that a server asks to wait; None when it does not, or not understandably."""
    for cause in causes(error):
        headers: Any = getattr(getattr(cause, "response", None), "headers", None)
        if headers is None:
            continue
        if (seconds := _number(headers.get("retry-after-ms"))) is not None:
            return seconds / 1000
        asked = headers.get("retry-after")
        if (seconds := _number(asked)) is not None:
            return seconds
        return _until(asked) if asked else None
    return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
