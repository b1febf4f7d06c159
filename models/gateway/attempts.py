"""One call to one member: attempts with pauses, inside one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.errors import GraphBubbleUp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)

from matrioska.models.gateway.faults import AttemptError, Failure, failure_of
from matrioska.models.gateway.line import Line
from matrioska.models.gateway.prices import cost_of
from matrioska.models.gateway.stream import Collected
from matrioska.models.gateway.tokens import check_fit, context_error, estimate, prompt_tokens
from matrioska.models.recorder import current_listener
from matrioska.models.structured import answer_text, call_arguments, refuses_form
from matrioska.state.errors import (
    MatrioskaError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    QueueFullError,
)
from matrioska.state.forms import AnswerForm
from matrioska.state.results import Usage

# Fields of a member that say how it is asked: none holds an address or a key, as ``options`` may.
_ASKED_WITH = {"temperature", "max_tokens", "seed", "structured"}
#: Pauses between attempts, when the server does not ask for one: exponential with full jitter.
_pauses = wait_random_exponential(multiplier=0.5, max=20.0)


@dataclass
class Tally:
    """What a call has cost so far, its failed attempts and its fall-backs included."""

    usage: Usage = field(default_factory=Usage)
    model: str = ""
    """Whom it went to last."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """How that one was asked; see `CallRecord`."""

    def add(self, line: Line, messages: Sequence[BaseMessage], collected: Collected) -> None:
        """Count an attempt that ended, however."""
        # Nothing came, so nothing was paid for: providers count tokens when they answer.
        if not collected.begun:
            self.usage += Usage(calls=1)
            return
        counted = collected.usage or _estimated(line, messages, collected)
        if not counted["input_tokens"]:
            # Some servers that speak Anthropic's protocol count the answer only.
            counted = {**counted, "input_tokens": prompt_tokens(messages, line.counter)}
        self.usage += Usage(
            calls=1,
            input_tokens=counted["input_tokens"],
            output_tokens=counted["output_tokens"],
            cost=cost_of(line.member, counted) or 0.0,
        )


def _estimated(line: Line, messages: Sequence[BaseMessage], collected: Collected) -> UsageMetadata:
    """Count tokens here: some servers do not, and an answer that was cut off has lost its count."""
    asked = prompt_tokens(messages, line.counter)
    answered = (line.counter or estimate)(str(collected.message.text))
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


async def call(line: Line, messages: Sequence[BaseMessage], form: AnswerForm, tally: Tally) -> Collected:
    """Call a member.

    The wait for a slot of its own, and for its first start within its calls per minute, is not
    part of its deadline: it is bounded by the deadlines of the calls ahead. Everything after is.
    The slot is held during pauses too: a server that asks for one shall have it.

    Raises:
        ModelError: no answer came.
    """
    tally.model, tally.parameters = line.label, line.member.model_dump(include=_ASKED_WITH, exclude_defaults=True)
    if wait := line.breaker.wait:
        raise _left_alone(line, wait)
    async with line.limits.slot():
        if line.counts_at_once:
            _prepare(line, messages)
        else:
            # Making a model imports packages, and its tokenizer may read files and take its time.
            await asyncio.to_thread(_prepare, line, messages)
        if wait := line.breaker.admit():
            raise _left_alone(line, wait)
        try:
            collected = await _attempts(line, messages, form, tally)
        except QueueFullError:
            # Here and busy: it must not be taken for gone.
            line.breaker.answered()
            raise
        except ModelUnavailableError:
            line.breaker.failed()
            raise
        except Exception:
            line.breaker.answered()
            raise
        except BaseException:
            line.breaker.dropped()
            raise
        line.breaker.answered()
        return collected


def _prepare(line: Line, messages: Sequence[BaseMessage]) -> None:
    check_fit(messages, line.counter, line.window, line.member.max_tokens, line.label)


def _left_alone(line: Line, wait: float) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{line.label} could not answer several times in a row; it is tried again in {wait:.0f} s.",
        model=line.label,
        retry_after=wait,
        next_step="Check that its server runs, or give it a fall-back, and resume the run.",
    )


async def _attempts(line: Line, messages: Sequence[BaseMessage], form: AnswerForm, tally: Tally) -> Collected:
    deadline, before = line.member.deadline, tally.usage.calls
    retrying = AsyncRetrying(
        stop=stop_any(stop_after_attempt(line.member.attempts), stop_before_delay(deadline)),
        wait=_pause,
        retry=retry_if_exception(_passes),
        reraise=True,
    )
    failure = _too_late(deadline)
    await line.limits.start()
    try:
        async with asyncio.timeout(deadline):
            async for attempt in retrying:
                with attempt:
                    if attempt.retry_state.attempt_number > 1:
                        await line.limits.start()
                    return await _attempt(line, messages, form, tally)
    except AttemptError as error:
        failure = error.failure
    except TimeoutError:
        # The deadline's: those of clients have become failures.
        pass
    raise _error(line, messages, failure, tally.usage.calls - before)


def _too_late(deadline: float) -> Failure:
    return Failure(
        ModelTimeoutError,
        f"it took longer than its {deadline:g} s",
        "Give it a longer deadline, or a faster model.",
        True,
        None,
        deadline,
    )


def _passes(error: BaseException) -> bool:
    """Whether the same call may go through a moment later."""
    if isinstance(error, AttemptError):
        return error.failure.retryable
    return isinstance(error, ModelError) and error.retryable


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: what the server asks for, else exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.failure.retry_after if isinstance(error, AttemptError) else getattr(error, "retry_after", None)
    return _pauses(state) if asked is None else float(asked)


async def _attempt(line: Line, messages: Sequence[BaseMessage], form: AnswerForm, tally: Tally) -> Collected:
    arguments = call_arguments(line.member, line.model, form) if line.takes_forms else {}
    try:
        return await _once(line, messages, arguments, tally)
    except AttemptError as error:
        refused = error.__cause__ is not None and refuses_form(error.__cause__)
        if not arguments or not refused or line.member.structured == "schema":
            raise
    line.takes_forms = False
    return await _once(line, messages, {}, tally)


async def _once(line: Line, messages: Sequence[BaseMessage], arguments: dict[str, Any], tally: Tally) -> Collected:
    model, idle = line.model, line.member.idle_timeout
    collected = Collected(model, line.member.max_tokens)
    current_listener()(None)
    # A model without streaming is silent until it is done.
    streams = model._should_stream(async_api=True, stream=True)
    try:
        async with asyncio.timeout(idle if streams else None) as quiet:
            stream = model.astream(list(messages), **arguments)
            await collected.take(stream, quiet, idle if streams else None)
        return _whole(collected)
    except (AttemptError, GraphBubbleUp):
        raise
    except Exception as error:
        if isinstance(error, MatrioskaError) and not isinstance(error, ModelResponseError):
            raise
        if _ended_early(error, collected):
            return collected
        if isinstance(error, TimeoutError) and quiet.expired():
            raise AttemptError(_silent(idle)) from error
        raise AttemptError(failure_of(error, line.clean, line.member.deadline)) from error
    finally:
        tally.add(line, messages, collected)


def _ended_early(error: Exception, collected: Collected) -> bool:
    """Whether the OpenAI client raised what is an answer all the same, and note why it ended."""
    why = {"LengthFinishReasonError": "length", "ContentFilterFinishReasonError": "content_filter"}
    collected.finish = why.get(type(error).__name__, collected.finish)
    return type(error).__name__ in why


def _silent(idle: float) -> Failure:
    return Failure(
        ModelTimeoutError,
        f"nothing came for {idle:g} s",
        "Check that its server is not stuck, or give it a longer idle_timeout.",
        True,
        None,
        idle,
    )


def _whole(collected: Collected) -> Collected:
    if collected.broke_off:
        raise AttemptError(
            Failure(
                ModelUnavailableError,
                "the answer broke off without an end",
                "Look into the server's log, and resume the run.",
                True,
            )
        )
    answer_text(collected.message)
    return collected


def _error(line: Line, messages: Sequence[BaseMessage], failure: Failure, calls: int) -> ModelError:
    """Return what a call that failed for good ends in."""
    why = f"{line.label} failed after {calls} {'attempt' if calls == 1 else 'attempts'}: {failure.why}"
    if failure.retry_after is not None and failure.retry_after >= line.member.deadline:
        why += f" (it asks to wait {failure.retry_after:.0f} s, and a call may take {line.member.deadline:g} s)"
    message = why if why.endswith((".", "!", "?")) else f"{why}."
    if failure.kind.code == "context_window":
        return context_error(message, messages, line.counter, line.window, line.label)
    if failure.kind is ModelTimeoutError:
        return ModelTimeoutError(message, seconds=failure.seconds, model=line.label, next_step=failure.next_step)
    if failure.kind is ModelUnavailableError:
        return ModelUnavailableError(
            message, model=line.label, retry_after=failure.retry_after, next_step=failure.next_step
        )
    return failure.kind(message, model=line.label, retryable=failure.retryable, next_step=failure.next_step)
