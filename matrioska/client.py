"""A client of the service that `matrioska serve` runs.

client = EnsembleClient("http://127.0.0.1:8000")
print(client.query("What is the capital of France?").answer)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from matrioska.state.ensemble import EnsembleAnswer
from matrioska.state.errors import MatrioskaError

#: Seconds in which the service must take the connection. Answers take as long as they take.
_CONNECT = 10.0


class ServiceError(MatrioskaError):
    """The service refused a query, could not answer it, or cannot be reached.

    Attributes:
        status: HTTP status; 0 when nothing answered.
        code: identifier of the service's error.
    """

    code = "service"

    def __init__(self, message: str, *, status: int = 0, code: str = "service", next_step: str = "") -> None:
        self.status = status
        self.code = code
        super().__init__(message, next_step=next_step)


class EnsembleClient:
    """Asks the service, in sync or async code.

    Args:
        url: the address that `matrioska serve` printed.
        token: the service's token; None for none.
        timeout: seconds of silence after which an answer is given up; None waits.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float | None = None) -> None:
        self._arguments: dict[str, Any] = {
            "base_url": url,
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "timeout": httpx.Timeout(timeout, connect=_CONNECT),
            # A proxy has no business between two programs of one machine, nor with the token.
            "trust_env": False,
        }

    def query(self, text: str) -> EnsembleAnswer:
        """Return the answer to a query.

        Raises:
            ServiceError: the service refused it, could not answer, or cannot be reached.
        """
        with _told(), httpx.Client(**self._arguments) as client:
            return _answer(client.post("/query", json={"query": text}))

    async def aquery(self, text: str) -> EnsembleAnswer:
        """See `query`."""
        async with _atold(), httpx.AsyncClient(**self._arguments) as client:
            return _answer(await client.post("/query", json={"query": text}))

    def stream(self, text: str) -> Iterator[dict[str, Any]]:
        """Yield what happens as it happens; the last event is ``{"type": "done", "answer": …}``.

        Raises:
            ServiceError: see `query`; also when the stream breaks off.
        """
        body = {"query": text, "stream": True}
        with _told(), httpx.Client(**self._arguments) as client, client.stream("POST", "/query", json=body) as response:
            if not response.is_success:
                response.read()
            yield from _events(_checked(response).iter_lines())

    async def astream(self, text: str) -> AsyncIterator[dict[str, Any]]:
        """See `stream`."""
        body = {"query": text, "stream": True}
        async with (
            _atold(),
            httpx.AsyncClient(**self._arguments) as client,
            client.stream("POST", "/query", json=body) as response,
        ):
            if not response.is_success:
                await response.aread()
            reader = _Events()
            async for line in _checked(response).aiter_lines():
                for event in reader.feed(line):
                    yield event
            reader.close()


@contextmanager
def _told() -> Iterator[None]:
    """Turn httpx's errors into ours."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceError(
            f"The service cannot be reached: {str(error).rstrip('.') or type(error).__name__}.",
            next_step="Start it with `matrioska serve`, and compare the address.",
        ) from error
    except UnicodeEncodeError as error:
        raise ServiceError(
            f"What is to be sent cannot be written in {error.encoding}: {error.reason}.",
            next_step="A token has letters, digits and signs of ASCII only, and a query no half characters.",
        ) from error


@asynccontextmanager
async def _atold() -> AsyncIterator[None]:
    with _told():
        yield


def _checked(response: httpx.Response) -> httpx.Response:
    """Return a response that succeeded.

    Raises:
        ServiceError: it did not.
    """
    if response.is_success:
        return response
    try:
        raise _error(response.json(), response.status_code)
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            f"The service answers with {response.status_code} and no reason.",
            status=response.status_code,
            next_step="Is it the service of Matrioska that listens there?",
        ) from error


def _error(body: Any, status: int) -> ServiceError:
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    return ServiceError(
        str(told.get("message", "The service gave no reason.")),
        status=status,
        code=str(told.get("code", "service")),
        next_step=str(told.get("next_step", "")),
    )


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object in an event.

    Raises:
        ServiceError: it holds something else.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _other_form(200) from error
    if not isinstance(data, dict):
        raise _other_form(200)
    return data


def _other_form(status: int) -> ServiceError:
    return ServiceError("The service answers in another form.", status=status, next_step="Use equal versions.")


def _answer(response: httpx.Response) -> EnsembleAnswer:
    try:
        return EnsembleAnswer.model_validate_json(_checked(response).content)
    except ValidationError as error:
        raise _other_form(response.status_code) from error


class _Events:
    """Reads server-sent events line by line, as far as the service uses them: one data line each."""

    def __init__(self) -> None:
        self._name = ""
        self._ended = False

    def feed(self, line: str) -> Iterator[dict[str, Any]]:
        """Yield the event that a line completes.

        Raises:
            ServiceError: the event says that the query failed, or is none of the service's.
        """
        field, _, value = line.partition(": ")
        if field == "event":
            self._name = value
        elif field == "data":
            data = _object(value)
            if self._name == "error":
                raise _error(data, 200)
            self._ended = self._name == "done"
            yield {"type": "done", "answer": data} if self._ended else data

    def close(self) -> None:
        """Check that the stream came to its end.

        Raises:
            ServiceError: it broke off.
        """
        if not self._ended:
            raise ServiceError("The stream broke off before its answer.", next_step="Ask again.")


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    reader = _Events()
    for line in lines:
        yield from reader.feed(line)
    reader.close()
