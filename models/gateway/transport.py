"""HTTP clients whose responses end: caps in bytes, on whole bodies and on single lines.

The caps are event hooks, which httpx and its successor httpx2 have alike, so that they fit the
clients of every SDK, whichever of the two it is built on. Only responses pass here that would
otherwise be read into memory whole: a body without end, or a line without end in a stream.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel

from matrioska.models.providers import CONNECT_TIMEOUT, stands_on
from matrioska.state.errors import ModelResponseError

MIB = 2**20
#: Bytes of a response that is one document. 4 million characters, each escaped, are 24 MB.
MAX_BODY = 32 * MIB
#: Bytes of a stream of events: some 300 a token.
MAX_STREAM = 256 * MIB
#: Bytes of one line of a stream: some servers send a whole answer as one event.
MAX_LINE = 8 * MIB
# Around the proxies of the environment, which anthropic's client mounts whatever ``trust_env`` says.
_DIRECT = {"trust_env": False, "mounts": {"http://": None, "https://": None, "all://": None}}
_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl")
_CHECK_SERVER = "Check the address: another program may answer there, or look into the server's log."


class _Counted:
    """A response's bytes, counted on their way."""

    def __init__(self, stream: Any, streamed: bool) -> None:
        self._stream: Any = stream
        self._streamed = streamed
        self._bytes = 0
        self._line = 0

    def _take(self, piece: bytes) -> bytes:
        self._bytes += len(piece)
        _refuse_beyond(MAX_STREAM if self._streamed else MAX_BODY, self._bytes, "The response")
        if self._streamed:
            at = piece.rfind(b"\n")
            self._line = len(piece) - at - 1 if at >= 0 else self._line + len(piece)
            _refuse_beyond(MAX_LINE, self._line, "A line of the response")
        return piece

    def __iter__(self) -> Iterator[bytes]:
        whole: Iterable[bytes] = self._stream
        for piece in whole:
            yield self._take(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole: AsyncIterable[bytes] = self._stream
        async for piece in whole:
            yield self._take(piece)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _refuse_beyond(most: int, count: int, what: str) -> None:
    if count > most:
        raise ModelResponseError(f"{what} is larger than {most // MIB} MiB.", next_step=_CHECK_SERVER)


@lru_cache(maxsize=4)
def _counted_class(library: str) -> Any:
    """Return `_Counted` as a stream that the library accepts."""
    http = importlib.import_module(library)
    return type("Counted", (_Counted, http.AsyncByteStream, http.SyncByteStream), {})


def _cap(response: Any) -> None:
    """Put a response's bytes under the caps.

    Raises:
        ModelResponseError: it is a web page, packed, or says itself that it is too large.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.is_success and kind == "text/html":
        raise ModelResponseError("The server answered with a web page.", next_step=_CHECK_SERVER)
    # A packed body has no bound in its bytes: a megabyte may unpack to a gigabyte.
    if (packed := response.headers.get("content-encoding", "identity").lower()) != "identity":
        raise ModelResponseError(f"The server packed its response ({packed}) unasked.", next_step=_CHECK_SERVER)
    streamed = kind in _STREAMS
    declared = response.headers.get("content-length", "")
    if declared.isdecimal():
        _refuse_beyond(MAX_STREAM if streamed else MAX_BODY, int(declared), "The response")
    library = type(response).__module__.partition(".")[0]
    response.stream = _counted_class(library)(response.stream, streamed)


def _ask_unpacked(request: Any) -> None:
    request.headers["accept-encoding"] = "identity"


async def _acap(response: Any) -> None:
    _cap(response)


async def _aask_unpacked(request: Any) -> None:
    _ask_unpacked(request)


def _bounded(sdk: str, hooks: dict[str, Any]) -> dict[str, Any]:
    http = importlib.import_module(_library(sdk))
    return {
        "event_hooks": hooks,
        "timeout": http.Timeout(None, connect=CONNECT_TIMEOUT),
        # A connection belongs to the event loop that opened it, and runs may come from several:
        # none is kept for the next call, and none is waited for.
        "limits": http.Limits(max_keepalive_connections=0, max_connections=None),
    }


def _library(sdk: str) -> str:
    """Return the name of the HTTP library an SDK is built on."""
    module = importlib.import_module(sdk)
    client = getattr(module, "DefaultHttpxClient", None) or module.Client
    return next(
        (name for cls in client.__mro__ if (name := cls.__module__.partition(".")[0]) in ("httpx2", "httpx")), "httpx"
    )


def client_arguments(sdk: str = "httpx") -> dict[str, Any]:
    """Return the arguments of a capped synchronous client of the library that ``sdk`` is built on."""
    return _bounded(sdk, {"request": [_ask_unpacked], "response": [_cap]})


def async_client_arguments(sdk: str = "httpx") -> dict[str, Any]:
    """Return the arguments of a capped asynchronous client of the library that ``sdk`` is built on."""
    return _bounded(sdk, {"request": [_aask_unpacked], "response": [_acap]})


def capped_client(sdk: str = "openai", **options: Any) -> Any:
    """Return a capped client as an SDK takes it.

    Args:
        sdk: module with a ``DefaultHttpxClient``, such as ``openai`` or ``anthropic``.
        options: further arguments of the client.
    """
    return importlib.import_module(sdk).DefaultHttpxClient(**{**client_arguments(sdk), **options})


def capped_async_client(sdk: str = "openai", **options: Any) -> Any:
    """Return a capped asynchronous client as an SDK takes it; see `capped_client`."""
    return importlib.import_module(sdk).DefaultAsyncHttpxClient(**{**async_client_arguments(sdk), **options})


def constructor_arguments(cls: type[BaseChatModel], *, local: bool = False) -> dict[str, Any]:
    """Return the arguments with which a LangChain class makes capped clients; {} when it takes none.

    Args:
        cls: the class.
        local: whether the server is on this machine: no proxy of the environment stands before it.

    For classes built on the OpenAI SDK, and for ``ChatOllama``. ``ChatAnthropic`` takes no client:
    see `cap_clients`.
    """
    direct: dict[str, Any] = _DIRECT if local else {}
    if "sync_client_kwargs" in cls.model_fields:
        return {
            "sync_client_kwargs": {**client_arguments(), **direct},
            "async_client_kwargs": {**async_client_arguments(), **direct},
        }
    if stands_on(cls, "langchain_openai"):
        return {"http_client": capped_client(**direct), "http_async_client": capped_async_client(**direct)}
    return {}


def cap_clients(model: BaseChatModel, *, local: bool = False) -> None:
    """Give a made ``ChatAnthropic`` capped clients; other models stay as they are. ``local``: see above."""
    if not stands_on(type(model), "langchain_anthropic"):
        return
    anthropic: Any = importlib.import_module("anthropic")
    made: Any = model
    options: dict[str, Any] = dict(_DIRECT if local else {})
    if made.anthropic_proxy:
        options["proxy"] = made.anthropic_proxy
    arguments = made._client_params
    # Both are cached properties, which look here first.
    vars(model)["_client"] = anthropic.Client(**{**arguments, "http_client": capped_client("anthropic", **options)})
    vars(model)["_async_client"] = anthropic.AsyncClient(
        **{**arguments, "http_client": capped_async_client("anthropic", **options)}
    )
