"""The body of a request: of the right type, of bounded size, in time, and JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import Request

from matrioska.web.errors import RequestError

#: Seconds that a request's body may take to arrive.
BODY_TIME = 30.0


async def read_json(request: Request, *, most: int, advice: str, example: str) -> Any:
    """Return what a request's body holds.

    Args:
        request: the request.
        most: bytes that the body may have.
        advice: what to do about a body that is too large.
        example: the body's form, for one that is no JSON.

    Raises:
        RequestError: it is of another type, too large, too slow, or not JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(
            415, "media_type", f"The body is {kind[:80] or 'of no type'}.", next_step="Send application/json."
        )
    try:
        async with asyncio.timeout(BODY_TIME):
            body = await _body(request, most, advice)
    except TimeoutError as error:
        raise RequestError(
            408,
            "too_slow",
            f"The body had not arrived after {BODY_TIME:g} s.",
            next_step="Send it in one go.",
            headers={"Connection": "close"},
        ) from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            400, "bad_json", f"The body is not JSON: {str(error)[:200]}.", next_step=f"Send {example}."
        ) from error


async def _body(request: Request, most: int, advice: str) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most:
            raise RequestError(413, "too_large", f"The body has more than {most:,} bytes.", next_step=advice)
    return b"".join(parts)
