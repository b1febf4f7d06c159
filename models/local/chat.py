"""LocalLLM: a transformers model in this process, in 4 bits by default.

A chat model of our own and not langchain-huggingface's ``ChatHuggingFace``: over a local
pipeline that one has no async calls, returns the prompt with the answer, counts no tokens and
ignores ``stop`` and sampling arguments without a word (docs/engine.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matrioska.models.local import memory
from matrioska.models.local.folder import read_config
from matrioska.models.local.hub import DEFAULT_MODEL, cached_folder, parse_ref
from matrioska.models.local.loading import LoadedModel, LoadEvent, ModelKey, tokenizer_of
from matrioska.models.local.parsed import held_to_schema
from matrioska.models.local.request import Piece, Request
from matrioska.models.local.residency import local_models
from matrioska.models.local.templates import prompt_ids
from matrioska.models.profiles import text_profile
from matrioska.state.errors import ModelError

#: Threads in which `batch` waits at the most; an engine has no more rows.
_BATCH_THREADS = 64


class _Call(BaseModel):
    """What one call may set for itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0)
    seed: int | None = None
    json_schema: dict[str, Any] | None = None
    grammar: str = ""


class LocalLLM(BaseChatModel):
    """A model from a folder or the Hugging Face hub, run by transformers and bitsandbytes.

    Weights are read as safetensors only and code from the model's repository is never run. The
    model is loaded on the first call and shared by every LocalLLM of the same name, revision,
    quantisation and device; calls at the same time are answered together, in one batch.

    Each call takes ``stop`` and, as keyword arguments, ``temperature``, ``top_p``,
    ``max_tokens``, ``seed``, ``json_schema`` (a dict) or ``grammar`` (llguidance's Lark) to which
    the answer is held. Answers carry ``usage_metadata`` and, in ``response_metadata``,
    ``model_name``, ``revision`` (the commit loaded) and ``finish_reason`` (``stop`` or
    ``length``); so does the last chunk of a stream.

    Args:
        model_name: folder, or repository on the hub as ``owner/name`` or ``owner/name@revision``.

    Raises:
        ModelLoadError: on the first call, when it cannot be loaded.
        ModelMemoryError: on the first call, when it does not fit into memory.
        ContextWindowError: prompt and answer together are too long.
        QueueFullError: too many calls wait.
        ModelError: an argument, message or grammar is not understood.
    """

    model_config = ConfigDict(extra="forbid")

    model_name: str = DEFAULT_MODEL
    revision: str | None = None
    """Commit, tag or branch of the repository. None takes the commit that is pinned for the
    default model, and the main branch of any other, with a warning."""
    max_tokens: int = Field(default=4000, gt=0)
    """Tokens an answer may have; fewer where the prompt leaves less of the model's context."""
    temperature: float = Field(default=0.3, ge=0)
    top_p: float = Field(default=0.85, gt=0, le=1)
    do_sample: bool = True
    """False takes the likeliest token each time, unless a call sets a temperature."""
    seed: int | None = None
    """Same seed, prompt and settings give the same answer; None leaves sampling free."""
    load_in_4bit: bool = True
    """Quantise to nf4 with double quantisation; a checkpoint that is quantised already stays as it is."""
    device: str | None = None
    """A torch device such as ``cuda:1`` or ``cpu``; None takes the GPU when there is one."""
    context_window: int | None = Field(default=None, gt=0)
    """Tokens of prompt and answer for which there must be memory before the model is loaded.
    None takes twice `max_tokens`; never more than the model takes."""
    on_event: Callable[[LoadEvent], None] | None = Field(default=None, exclude=True, repr=False)
    """Told what is worth knowing while the model is loaded, from the thread that loads it."""

    def key(self) -> ModelKey:
        """Return which of `local_models` answers."""
        return ModelKey(
            parse_ref(self.model_name, self.revision),
            self.load_in_4bit,
            self.device,
            self.context_window or 2 * self.max_tokens,
            self.on_event,
        )

    def unload(self) -> bool:
        """Free the model's memory now; calls under way on it end with an error.

        Returns:
            Whether it was loaded. The next call loads it again.
        """
        return local_models().unload(self.key())

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return a runnable whose answers are held to a schema while they are written.

        Args:
            schema: pydantic class, TypedDict, JSON schema or OpenAI function. The runnable returns
                an object of the pydantic class, or else a dict.
            include_raw: return ``{"raw", "parsed", "parsing_error"}`` instead of raising.

        Raises:
            ValueError: an argument besides ``method`` and ``strict``, which other models know.
            OutputParserException: from the runnable, when the answer ended at its length.
        """
        return held_to_schema(self, schema, include_raw=include_raw, extra=kwargs)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer all inputs at once: LangChain's own would wait in a few threads, as many as there are cores."""
        if not isinstance(config, list):
            config = {"max_concurrency": min(len(inputs), _BATCH_THREADS) or 1, **(config or {})}
        return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        """Return the text's token ids by the model's own tokenizer; the weights are not loaded."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        tokenizer = tokenizer_of(parse_ref(self.model_name, self.revision))
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return the tokens of the prompt that these messages make, the template's own included."""
        if tools:
            raise ModelError(
                "LocalLLM takes no tools.",
                model=self.model_name,
                next_step="Hold its answers to a json_schema instead.",
            )
        tokenizer = tokenizer_of(parse_ref(self.model_name, self.revision))
        return len(prompt_ids(tokenizer, messages, model=self.model_name))

    @property
    def _llm_type(self) -> str:
        return "matrioska-local"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        """What an answer depends on; LangChain's cache of answers goes by it."""
        names = ("model_name", "revision", "max_tokens", "temperature", "top_p", "do_sample", "seed", "load_in_4bit")
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(**{**super()._get_ls_params(stop=stop, **kwargs), "ls_provider": "huggingface"})

    def _resolve_model_profile(self) -> ModelProfile | None:
        """Read what the model takes from its configuration, where that is on the disk."""
        ref = parse_ref(self.model_name, self.revision)
        folder = cached_folder(ref)
        window = memory.context_window(read_config(folder, ref.name)) if folder else None
        return text_profile(window, window) if window is not None else None

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _whole(list(self._stream(messages, stop, run_manager, **kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _whole([chunk async for chunk in self._astream(messages, stop, run_manager, **kwargs)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        key, request = self._prepare(messages, stop, kwargs)
        with local_models().use(key) as loaded:
            answering = loaded.engine.submit(request)
            try:
                for piece in answering:
                    yield self._chunk(piece, request, loaded)
            finally:
                answering.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # Reading files and tokenising would hold up the event loop; the answer itself holds no thread.
        key, request = await asyncio.to_thread(self._prepare, messages, stop, kwargs)
        async with local_models().use_async(key) as loaded:
            answering = loaded.engine.submit(request)
            try:
                async for piece in answering:
                    yield self._chunk(piece, request, loaded)
            finally:
                answering.cancel()

    def _prepare(
        self, messages: list[BaseMessage], stop: list[str] | None, extra: dict[str, Any]
    ) -> tuple[ModelKey, Request]:
        """Return which engine is asked, and what."""
        call, key = self._call(extra), self.key()
        tokenizer = tokenizer_of(key.ref)
        if self.profile is None:
            # The configuration may only just have come from the hub.
            self.profile = self._resolve_model_profile()
        temperature = self.temperature if self.do_sample else 0.0
        prompt = prompt_ids(tokenizer, messages, model=self.model_name)
        wanted = call.max_tokens or self.max_tokens
        room = (self.profile or {}).get("max_input_tokens", len(prompt) + wanted) - len(prompt)
        request = Request(
            prompt=prompt,
            # A prompt that leaves no room at all is for the engine to refuse.
            max_tokens=min(wanted, room) if room > 0 else wanted,
            temperature=temperature if call.temperature is None else call.temperature,
            top_p=call.top_p or self.top_p,
            seed=self.seed if call.seed is None else call.seed,
            stop=tuple(text for text in stop or () if text),
            json_schema="" if call.json_schema is None else json.dumps(call.json_schema),
            grammar=call.grammar,
        )
        return key, request

    def _call(self, extra: dict[str, Any]) -> _Call:
        unknown = sorted(extra.keys() - _Call.model_fields.keys())
        if unknown:
            raise ModelError(
                f"LocalLLM does not take {', '.join(unknown)}.",
                model=self.model_name,
                next_step=f"A call takes stop, {', '.join(_Call.model_fields)}.",
            )
        try:
            call = _Call(**extra)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ModelError(
                f"LocalLLM was called with wrong arguments: {faults}.", model=self.model_name, next_step="Correct them."
            ) from error
        if call.json_schema is not None and call.grammar:
            raise ModelError(
                "An answer is held to a json_schema or to a grammar, not to both.",
                model=self.model_name,
                next_step="Give one of them.",
            )
        return call

    def _chunk(self, piece: Piece, request: Request, loaded: LoadedModel) -> ChatGenerationChunk:
        if piece.finish is None:
            return ChatGenerationChunk(message=AIMessageChunk(content=piece.text))
        if piece.finish == "cancelled":
            raise ModelError(
                f"The call of {self.model_name} was cancelled.", model=self.model_name, next_step="Call it again."
            )
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=piece.text,
                usage_metadata=UsageMetadata(
                    input_tokens=len(request.prompt),
                    output_tokens=piece.tokens,
                    total_tokens=len(request.prompt) + piece.tokens,
                ),
                response_metadata={
                    "model_name": self.model_name,
                    "revision": loaded.commit,
                    "finish_reason": piece.finish,
                },
                chunk_position="last",
            )
        )


def _whole(chunks: list[ChatGenerationChunk]) -> ChatResult:
    """Join an answer's chunks; the last one carries what is known about the whole."""
    last = chunks[-1].message
    message = AIMessage(
        "".join(chunk.text for chunk in chunks),
        usage_metadata=last.usage_metadata if isinstance(last, AIMessageChunk) else None,
        response_metadata=last.response_metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])
