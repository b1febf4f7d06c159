"""The one door to every model: bounded attempts, cleaned and bounded answers, counted cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from matrioska.models.gateway.attempts import Tally, call
from matrioska.models.gateway.line import Line, line_to
from matrioska.models.gateway.prices import price_known
from matrioska.models.gateway.stream import Collected
from matrioska.models.gateway.tokens import estimate
from matrioska.models.meter import CallRecord, current_meter
from matrioska.models.recorder import take_down
from matrioska.models.structured import answer_text
from matrioska.state.errors import ConfigError, ModelAuthError, ModelError, ModelLoadError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.members import Member
from matrioska.state.results import Usage
from matrioska.state.text import clean_text

#: Members asked one after the other, at the most.
MOST_FALLBACKS = 8
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
_REFUSED = frozenset({"content_filter", "refusal", "safety", "recitation", "prohibited_content", "blocklist"})

Find = Callable[[str], Member]


@dataclass(frozen=True)
class Reply:
    """A model's answer and what it cost."""

    text: str
    """Cleaned, and without the reasoning."""
    usage: Usage
    reasoning: str = ""
    """What the model thought aloud before its answer, or beside it."""
    fault: str = ""
    """Why the answer cannot be used as it is (empty, cut off, refused…), written to be sent back to
    the model; '' when nothing is wrong with it. It is no error: it was paid for, and asking again may help."""
    model: str = ""
    """``provider:model`` that answered."""


def _by_name(name: str) -> Member:
    return Member(model=name)


class Client:
    """One member, as everybody in this process asks it.

    Its slots, calls per minute and breaker are those of all clients of an equal member.

    Args:
        member: what it is and how it may be asked.
        model: the chat model to ask; None makes it by the member's name when first needed.
        find: returns the member of a name, for fall-backs; None takes names for ``provider:model``.
    """

    def __init__(self, member: Member, model: BaseChatModel | None = None, *, find: Find | None = None) -> None:
        self.member = member
        self._line = line_to(member) if model is None else Line(member, model)
        self._find = find or _by_name

    @property
    def model(self) -> BaseChatModel:
        """The chat model behind it.

        Raises:
            UnknownModelError: no provider answers to the name.
            ModelError: its package or key is missing, or it cannot be set up.
        """
        return self._line.model

    async def ask(self, messages: Sequence[BaseMessage], form: AnswerForm = TEXT) -> Reply:
        """Ask, and return the answer with what it cost.

        While the member cannot answer (out of reach, no valid key, not to be loaded), its
        fall-back is asked. The meter in force admits the call before, and is told once after.

        Raises:
            ModelError: no answer came; ``retryable`` says whether a later try may help.
            ConfigError: the fall-backs go in a circle.
        """
        meter = current_meter()
        meter.admit()
        tally, began = Tally(model=self._line.label), time.perf_counter()
        try:
            collected = await self._answer(messages, form, tally)
        except BaseException as error:
            tally.usage.seconds = round(time.perf_counter() - began, 6)
            take_down(
                CallRecord(
                    tally.model,
                    tally.usage,
                    str(getattr(error, "code", "stopped")),
                    tuple(messages),
                    parameters=tally.parameters,
                )
            )
            raise
        tally.usage.seconds = round(time.perf_counter() - began, 6)
        reply = _reply(collected, tally)
        take_down(CallRecord(reply.model, reply.usage, "", tuple(messages), reply.text, reply.fault, tally.parameters))
        return reply

    async def _answer(self, messages: Sequence[BaseMessage], form: AnswerForm, tally: Tally) -> Collected:
        line, asked, failures = self._line, [self._line], list[ModelError]()
        while True:
            try:
                return await call(line, messages, form, tally)
            except ModelError as error:
                failures.append(error)
            # Outside of the handler: what the fall-back fails with did not come from this error.
            last = failures[-1]
            goes_on = last.retryable or isinstance(last, ModelAuthError | ModelLoadError)
            if not (line.member.fallback and goes_on):
                raise _joined(failures)
            line = self._next(line.member.fallback, asked)
            asked.append(line)

    def _next(self, name: str, asked: list[Line]) -> Line:
        """Return the line to a fall-back.

        Raises:
            ConfigError: it was asked already, or the chain is too long.
        """
        line = line_to(self._find(name))
        way = " → ".join([*(one.label for one in asked), line.label])
        if any(one.member == line.member for one in asked):
            raise ConfigError(f"The fall-backs go in a circle: {way}.", next_step="Let the last one have none.")
        if len(asked) > MOST_FALLBACKS:
            raise ConfigError(
                f"There are more than {MOST_FALLBACKS} fall-backs in a row: {way}.", next_step="Let one have none."
            )
        return line

    @property
    def window(self) -> int | None:
        """Tokens that prompt and answer may have together; None when nobody says."""
        return self._line.window

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has: by the model's own tokenizer where there is one, else estimated."""
        return (self._line.counter or estimate)(text)

    @property
    def counts_exactly(self) -> bool:
        """Whether `count_tokens` goes by the model's own tokenizer."""
        return self._line.counter is not None

    @property
    def counts_at_once(self) -> bool:
        """Whether `window` and `count_tokens` take no time: else packages or a tokenizer are loaded first."""
        return self._line.counts_at_once

    @property
    def price_known(self) -> bool:
        """Whether a call's cost can be told; else it counts as 0."""
        return price_known(self.member)


def client_for(member: Member, find: Find | None = None) -> Client:
    """Return a client of a member. Equal members share their bounds: they hold for all runs together."""
    return Client(member, find=find)


def client_of(model: BaseChatModel) -> Client:
    """Return a client of a chat model that a caller made. It has no bounds that outlive it."""
    name = f"object:{getattr(model, 'model_name', None) or type(model).__name__}"
    return Client(Member(model=name), model)


def _joined(failures: list[ModelError]) -> ModelError:
    """Return the last error, telling those before it too."""
    last = failures[-1]
    if len(failures) == 1:
        return last
    before = " ".join(error.message for error in failures[:-1])
    last.message = f"{before} Its fall-back failed too: {last.message}"
    last.args = (f"{last.message} {last.next_step}".strip(),)
    last.retryable = any(error.retryable for error in failures)
    return last


def _reply(collected: Collected, tally: Tally) -> Reply:
    message = collected.message
    reasoning, text = answer_text(message)
    text, reasoning = clean_text(text), clean_text(reasoning)
    refusal = str(message.additional_kwargs.get("refusal") or "")
    fault = collected.fault or _fault(text, reasoning, collected.finish.lower(), clean_text(refusal))
    return Reply(text, tally.usage, reasoning, fault, tally.model)


def _fault(text: str, reasoning: str, finish: str, refusal: str) -> str:
    """Say why an answer that ended by itself cannot be used; '' when it can."""
    if refusal or finish in _REFUSED:
        return f"The answer was refused{': ' + refusal[:500] if refusal else ''}. Answer what can be answered."
    if finish in _CUT_OFF:
        where = "while it was still thinking" if reasoning and not text.strip() else f"after {len(text)} characters"
        return f"The answer was cut off {where}: it was too long. Answer with less."
    return "" if text.strip() else "The answer is empty. Answer in the form asked for."
