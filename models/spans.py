"""Runs of LangGraph and calls to models as OpenTelemetry spans, by the conventions for generative AI.

LangChain tells its handlers of every run with its own id and its parent's, across tasks and threads:
the tree of spans comes from there. https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langgraph.errors import GraphBubbleUp
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from matrioska.models.recorder import current_voice
from matrioska.state.errors import MatrioskaError, ModelError, StoreError
from matrioska.state.text import clean_text

#: Longest text in a span, in characters.
MAX_TEXT = 32_000
_PROVIDERS = {"amazon_bedrock": "aws.bedrock", "google_genai": "gcp.gen_ai", "mistral": "mistral_ai"}
_REQUEST = {"ls_temperature": "temperature", "ls_max_tokens": "max_tokens"}
# What LangGraph puts around a node or task, of the same name: its parent stands for it.
_WRAPPER = "seq:step:"


@dataclass
class _Run:
    """A run that is under way."""

    span: Span
    began: float
    own: bool = True
    """False for a wrapper, which has its parent's span."""
    facts: Mapping[str, str] | None = None
    """Of a call: what its metrics are told apart by."""


class SpanHandler(BaseCallbackHandler):
    """See the module's text. One serves a whole process: it knows runs by their ids."""

    # Else a handler that is not async is taken to a thread for each event, out of its context.
    run_inline = True

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}
        self._tracer: Tracer = NoOpTracer()
        self._tokens: Histogram | None = None
        self._seconds: Histogram | None = None
        self.rest()

    def use(self, tracer: Tracer, meter: Meter | None, captures_text: bool) -> None:
        """Begin to make spans.

        Args:
            tracer: makes them.
            meter: takes tokens and durations; None for none.
            captures_text: whether prompts and answers stand in them.
        """
        self._tracer, self._captures = tracer, captures_text
        if meter is not None:
            self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")
            self._seconds = meter.create_histogram("gen_ai.client.operation.duration", "s")
        self._on = True

    def rest(self) -> None:
        """Make no more spans."""
        self._tracer = NoOpTracer()
        self._tokens = self._seconds = None
        self._captures = self._on = False
        self._runs.clear()

    @property
    def ignore_chain(self) -> bool:
        """See `BaseCallbackHandler`."""
        return not self._on

    @property
    def ignore_chat_model(self) -> bool:
        """See `BaseCallbackHandler`."""
        return not self._on

    @contextmanager
    def span(self, name: str, conversation: str) -> Iterator[None]:
        """Put what begins inside without a parent of its own under a span."""
        with self._tracer.start_as_current_span(name, attributes=_conversation(conversation)):
            yield

    # -- runs ------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A graph, node or task begins."""
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        if parent is not None and any(tag.startswith(_WRAPPER) for tag in tags or ()):
            self._runs[run_id] = _Run(parent.span, parent.began, own=False)
            return
        name = str(kwargs.get("name") or "chain")
        attributes = _conversation(str((metadata or {}).get("thread_id") or ""))
        if parent is None:
            attributes |= {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": name}
        self._begin(run_id, parent, name if parent else f"invoke_workflow {name}", SpanKind.INTERNAL, attributes)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or task has ended."""
        self._end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, node or task has failed, or was paused."""
        self._end(run_id, None if isinstance(error, GraphBubbleUp) else error)

    # -- calls -----------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """An attempt at a call begins."""
        known, voice = metadata or {}, current_voice()
        provider = str(known.get("ls_provider") or "unknown")
        model = str(known.get("ls_model_name") or provider)
        facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
            "gen_ai.request.model": model,
        }
        attributes = facts | _conversation(str(known.get("thread_id") or ""))
        attributes |= {f"gen_ai.request.{_REQUEST[name]}": known[name] for name in _REQUEST if known.get(name)}
        attributes |= {"gen_ai.agent.name": voice.source} if voice.source else {}
        attributes |= {"matrioska.message.type": voice.type}
        if self._captures:
            attributes["gen_ai.input.messages"] = _messages(messages[0] if messages else ())
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        self._begin(run_id, parent, f"chat {model}", SpanKind.CLIENT, attributes, facts)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """An attempt was answered."""
        run = self._runs.get(run_id)
        answer = _answer(response)
        if run is not None and answer is not None:
            self._tell(run, answer)
        self._end(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """An attempt failed."""
        self._end(run_id, error)

    def _tell(self, run: _Run, answer: AIMessage) -> None:
        """Put into a call's span what came of it."""
        about = answer.response_metadata
        if model := about.get("model_name") or about.get("model"):
            run.span.set_attribute("gen_ai.response.model", str(model))
        if finish := about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason"):
            run.span.set_attribute("gen_ai.response.finish_reasons", [str(finish)])
        if usage := answer.usage_metadata:
            for kind, tokens in (("input", usage["input_tokens"]), ("output", usage["output_tokens"])):
                run.span.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)
                if self._tokens is not None:
                    self._tokens.record(tokens, {**(run.facts or {}), "gen_ai.token.type": kind})
        if self._captures:
            run.span.set_attribute("gen_ai.output.messages", _messages([answer]))

    # -- spans -----------------------------------------------------------------------------

    def _begin(
        self,
        run_id: UUID,
        parent: _Run | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        facts: Mapping[str, str] | None = None,
    ) -> None:
        # Without a parent of its own it belongs to what the program around us has under way.
        context = set_span_in_context(parent.span) if parent else None
        span = self._tracer.start_span(name, context, kind, attributes)
        self._runs[run_id] = _Run(span, time.perf_counter(), facts=facts)

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        run = self._runs.pop(run_id, None)
        if run is None or not run.own:
            return
        failed = {}
        if error is not None:
            failed = {"error.type": error.code if isinstance(error, MatrioskaError) else type(error).__qualname__}
            run.span.set_attributes(failed)
            run.span.set_status(Status(StatusCode.ERROR, _why(error)))
        if run.facts is not None and self._seconds is not None:
            self._seconds.record(time.perf_counter() - run.began, {**run.facts, **failed})
        run.span.end()


def _conversation(thread: str) -> dict[str, Any]:
    return {"gen_ai.conversation.id": thread} if thread else {}


def _why(error: BaseException) -> str:
    """Return what may be told of an error: clients quote keys in theirs, and complaints quote answers."""
    if isinstance(error, ModelError | StoreError):
        return error.message
    return "" if isinstance(error, MatrioskaError) else type(error).__qualname__


def _answer(response: LLMResult) -> AIMessage | None:
    for generations in response.generations:
        for generation in generations:
            if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
                return generation.message
    return None


def _messages(messages: Sequence[BaseMessage]) -> str:
    """Return messages as the conventions write them, without pictures and sounds."""
    told = [
        {"role": _role(each), "parts": [{"type": "text", "content": clean_text(str(each.text))[:MAX_TEXT]}]}
        for each in messages
    ]
    return json.dumps(told, ensure_ascii=False)


def _role(message: BaseMessage) -> str:
    # By class: the pieces of an answer have types of their own.
    if isinstance(message, AIMessage):
        return "assistant"
    return "user" if isinstance(message, HumanMessage) else message.type
