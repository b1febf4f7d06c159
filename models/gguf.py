"""ChatGGUF: a GGUF file, answered by llama.cpp in this process.

Through xllamacpp, whose wheels bring llama.cpp along. Its server object answers calls from any
thread, several at a time in one batch, with the interpreter's lock released. It opens a port of
its own besides, which cannot be left out: it is on loopback and asks for a key that nobody knows.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from matrioska.models.profiles import text_profile
from matrioska.state.errors import ContextWindowError, ModelError, ModelLoadError, QueueFullError

#: Calls of one model that are answered at the same time, and those that may be under way or wait.
PARALLEL, MOST_CALLS = 4, 64
#: Seconds for which the end of the process waits for calls under way; they are told to stop first.
_LAST_WAIT = 5.0
_MAGIC = b"GGUF"
_INSTALL = "Install it with: pip install 'matrioska[gguf]'."
#: What a call may ask for besides its messages, in llama.cpp's own words.
_EXTRAS = frozenset({"response_format", "temperature", "max_tokens", "seed", "top_p"})

Take = Callable[[dict[str, Any] | Exception | None], None]
"""Takes in a piece of an answer, the error in which it ends, or None for its end."""


class _Server(Protocol):
    """What is used of xllamacpp's server."""

    def handle_chat_completions(self, request: dict[str, Any], take: Callable[[Any], bool], /) -> None:
        """Answer a request piece by piece; what is called returns True to stop it."""
        ...


@dataclass(frozen=True)
class _Key:
    """Which loaded model answers."""

    path: Path
    """Resolved, so that two names of one file are one model."""
    window: int


@dataclass
class _Call:
    """One call under way."""

    stopped: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class _Loaded:
    """One loaded model, shared by everybody in this process. It is loaded by its first call."""

    def __init__(self, key: _Key) -> None:
        self.loads = 0
        self._key = key
        self._server: _Server | None = None
        self._loading = threading.Lock()
        self._lock = threading.Lock()
        self._under_way: dict[int, _Call] = {}

    def begin(self, request: dict[str, Any], take: Take) -> _Call:
        """Answer a request in a thread of its own; ``take`` is called from there, last with None.

        Raises:
            QueueFullError: too many calls wait.
        """
        call = _Call()
        with self._lock:
            if len(self._under_way) >= MOST_CALLS:
                raise QueueFullError(
                    f"{MOST_CALLS} calls wait for {self._key.path.name} already.",
                    model=str(self._key.path),
                    next_step="Give its member fewer slots, or wait.",
                )
            self._under_way[id(call)] = call
        # A daemon, and not a pool's: a call in native code must not hold up the end of the process.
        threading.Thread(target=self._answer, args=(call, request, take), name="gguf-call", daemon=True).start()
        return call

    def _answer(self, call: _Call, request: dict[str, Any], take: Take) -> None:
        def piece(given: Any) -> bool:
            if not call.stopped.is_set():
                take(given)
            return call.stopped.is_set()

        try:
            self._loaded().handle_chat_completions(request, piece)
        except (ModelError, ValueError, RuntimeError, TypeError) as error:
            take(error)
        finally:
            with self._lock:
                del self._under_way[id(call)]
            call.ended.set()
            take(None)

    def _loaded(self) -> _Server:
        with self._loading:
            if self._server is None:
                self._server = _load(self._key)
                self.loads += 1
            return self._server

    def close(self) -> None:
        """Stop what is under way, and free the model."""
        with self._lock:
            calls = list(self._under_way.values())
        for call in calls:
            call.stopped.set()
        until = time.monotonic() + _LAST_WAIT
        if all(call.ended.wait(max(0.0, until - time.monotonic())) for call in calls):
            # One that does not stop goes on using it.
            self._server = None


def _load(key: _Key) -> _Server:
    """Load a model.

    Raises:
        ModelLoadError: the package is missing, or llama.cpp does not take the file.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelLoadError(
            "GGUF files need a package that is not installed: xllamacpp.", model=str(key.path), next_step=_INSTALL
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(key.path)
    params.n_parallel, params.n_ctx = PARALLEL, key.window * PARALLEL
    params.warmup, params.verbosity, params.offline = False, -1, True
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys, params.cors_origins = [secrets.token_urlsafe(32)], ""
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    try:
        server: _Server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise ModelLoadError(
            f"llama.cpp cannot load {key.path}: it is damaged, of a kind that it does not know, or too large.",
            model=str(key.path),
            next_step="Download it again, choose another file, or give the member a smaller context_window.",
        ) from error
    return server


_models: dict[_Key, _Loaded] = {}
_models_lock = threading.Lock()


def _shared(key: _Key) -> _Loaded:
    with _models_lock:
        return _models.setdefault(key, _Loaded(key))


def close_models() -> None:
    """Stop all calls and free all models; the next call loads its model again. Runs at the end of the process."""
    with _models_lock:
        models = list(_models.values())
        _models.clear()
    for model in models:
        model.close()


atexit.register(close_models)


class ChatGGUF(BaseChatModel):
    """A GGUF file in this process. It is loaded on the first call, once for all objects of the same file and window.

    Each call takes ``stop`` and, as keyword arguments, ``temperature``, ``top_p``, ``max_tokens``,
    ``seed`` and ``response_format`` in OpenAI's form, a JSON schema to which the answer is held.
    Answers carry ``usage_metadata`` and, in ``response_metadata``, ``finish_reason``.

    Raises:
        ModelLoadError: the file is not there or no GGUF file, the package is missing, or it cannot be loaded.
        ContextWindowError: the prompt is too long.
        QueueFullError: too many calls wait.
        ModelError: a message or an argument is not understood.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    """Path of the file."""
    max_tokens: int = Field(default=2_000, gt=0)
    """Tokens that an answer may have."""
    temperature: float = Field(default=0.7, ge=0)
    seed: int | None = None
    """None draws another one with each call."""
    context_window: int = Field(default=8_192, ge=256, le=1_000_000)
    """Tokens of prompt and answer; llama.cpp takes fewer where the model was trained with fewer."""

    @property
    def _llm_type(self) -> str:
        return "matrioska-gguf"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in ("model", "max_tokens", "temperature", "seed")}

    def _resolve_model_profile(self) -> ModelProfile | None:
        return text_profile(self.context_window, self.max_tokens)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request, key = self._request(messages, stop, kwargs), self._key()
        pieces: queue.SimpleQueue[dict[str, Any] | Exception | None] = queue.SimpleQueue()
        call = _shared(key).begin(request, pieces.put)
        try:
            reading = _Reading(self.model)
            while (piece := pieces.get()) is not None:
                if chunk := reading.chunk(piece):
                    yield chunk
            reading.end()
        finally:
            call.stopped.set()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        key = await asyncio.to_thread(self._key)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()

        def take(piece: dict[str, Any] | Exception | None) -> None:
            # Nobody reads on once the loop is closed.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        call = _shared(key).begin(request, take)
        try:
            reading = _Reading(self.model)
            while (piece := await pieces.get()) is not None:
                if chunk := reading.chunk(piece):
                    yield chunk
            reading.end()
        finally:
            call.stopped.set()

    def _key(self) -> _Key:
        return _Key(gguf_file(self.model), self.context_window)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, extra: dict[str, Any]) -> dict[str, Any]:
        """Return a call as llama.cpp takes it.

        Raises:
            ModelError: it has an argument or a message of a kind that is not known here.
        """
        if unknown := sorted(extra.keys() - _EXTRAS):
            raise ModelError(
                f"ChatGGUF does not take {', '.join(unknown)}.",
                model=self.model,
                next_step=f"A call takes stop, {', '.join(sorted(_EXTRAS))}.",
            )
        if any(block["type"] not in ("text", "text-plain") for message in messages for block in message.content_blocks):
            raise ModelError(
                "ChatGGUF takes text only.", model=self.model, next_step="Give images and sounds to another model."
            )
        request = {
            "messages": convert_to_openai_messages(messages, text_format="string"),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": secrets.randbits(31) if self.seed is None else self.seed,
            "stop": stop or [],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return request | {name: value for name, value in extra.items() if value is not None}


def gguf_file(path: str | Path) -> Path:
    """Return a GGUF file's resolved path.

    Raises:
        ModelLoadError: there is no such file, or it is no GGUF file.
    """
    try:
        place = Path(path).expanduser()
        with place.open("rb") as file:
            magic = file.read(len(_MAGIC))
        place = place.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ModelLoadError(
            f"gguf:{path} cannot be loaded: {reason}.",
            model=f"gguf:{path}",
            next_step="Write gguf: and the path of a .gguf file.",
        ) from error
    if magic != _MAGIC:
        raise ModelLoadError(
            f"gguf:{path} cannot be loaded: it is no GGUF file.",
            model=f"gguf:{path}",
            next_step="Choose a file in GGUF format; huggingface: loads folders with safetensors.",
        )
    return place


class _Reading:
    """Turns the pieces of one answer into chunks.

    Args:
        model: the model's name, for errors.
    """

    def __init__(self, model: str) -> None:
        self._model = f"gguf:{model}"
        self._finished = False

    def chunk(self, piece: dict[str, Any] | Exception) -> ChatGenerationChunk | None:
        """Return what a piece adds; None when that is nothing.

        Raises:
            ModelError: it is an error.
        """
        if isinstance(piece, ModelError):
            raise piece
        if isinstance(piece, Exception) or "error" in piece:
            raise self._fault(piece)
        choice = (piece.get("choices") or [{}])[0]
        delta, finish, used = choice.get("delta") or {}, choice.get("finish_reason"), piece.get("usage")
        text, thought = delta.get("content") or "", delta.get("reasoning_content") or ""
        self._finished = self._finished or bool(finish)
        if not (text or thought or finish or used):
            return None
        message = AIMessageChunk(
            content=text,
            additional_kwargs={"reasoning_content": thought} if thought else {},
            response_metadata={"model_name": self._model, "finish_reason": finish} if finish else {},
            usage_metadata=_usage(used) if used else None,
        )
        return ChatGenerationChunk(message=message)

    def end(self) -> None:
        """Check that the answer came to its end.

        Raises:
            ModelError: it did not.
        """
        if not self._finished:
            raise ModelError(
                f"{self._model} broke off its answer.", model=self._model, retryable=True, next_step="Ask it again."
            )

    def _fault(self, piece: dict[str, Any] | Exception) -> ModelError:
        said: Any = {"message": str(piece)} if isinstance(piece, Exception) else piece["error"]
        reason = str(said.get("message", ""))[:400].rstrip(".")
        if said.get("type") == "exceed_context_size_error":
            return ContextWindowError(
                f"The prompt is too long for {self._model}: {reason}.",
                part="prompt",
                tokens=int(said.get("n_prompt_tokens", 0)),
                window=int(said.get("n_ctx", 0)),
                model=self._model,
                next_step="Give its member a larger context_window, or ask for less at a time.",
            )
        return ModelError(f"{self._model} failed: {reason}.", model=self._model, next_step="Ask another model.")


def _usage(used: Mapping[str, Any]) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=int(used.get("prompt_tokens", 0)),
        output_tokens=int(used.get("completion_tokens", 0)),
        total_tokens=int(used.get("total_tokens", 0)),
    )
