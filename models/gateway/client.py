"""The one door to every model: bounded attempts, cleaned and bounded answers, counted cost."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from matrioska.models.registry import get_model, providers
from matrioska.state.errors import AnswerError, MatrioskaError, ModelError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.members import Member
from matrioska.state.results import Usage
from matrioska.state.text import clean_text

#: Longest answer accepted, in characters: far above any real one, low enough to bound memory.
MAX_ANSWER = 4_000_000
ATTEMPTS = 4
#: Seconds that one attempt may take.
DEADLINE = 900.0
_RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_RETRYABLE_NAMES = ("Timeout", "ConnectError", "ConnectionError", "ReadError", "RemoteProtocolError", "RateLimit")


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


class Client:
    """One member, as everybody in this process asks it.

    Args:
        member: what it is and how it may be asked.
        model: the chat model to ask; None makes it by the member's name when first needed.
    """

    def __init__(self, member: Member, model: BaseChatModel | None = None) -> None:
        self.member = member
        self._model = model

    @property
    def model(self) -> BaseChatModel:
        """The chat model behind it.

        Raises:
            UnknownModelError: no provider answers to the name.
            ModelError: its package or key is missing, or it cannot be set up.
        """
        if self._model is None:
            self._model = get_model(self.member.model)
        return self._model

    async def ask(self, messages: Sequence[BaseMessage], form: AnswerForm = TEXT) -> Reply:
        """Ask, and return the answer with what it cost.

        Raises:
            ModelError: no answer came; ``retryable`` says whether a later try may help.
        """
        return await ask(self.model, messages)

    @property
    def window(self) -> int | None:
        """Tokens that prompt and answer may have together; None when nobody says."""
        profile = getattr(self.model, "profile", None) or {}
        return self.member.context_window or profile.get("max_input_tokens")

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has: by the model's own tokenizer where there is one, else estimated."""
        return len(text) // 4 + 1


@lru_cache(maxsize=256)
def client_for(member: Member) -> Client:
    """Return the client of a member, one per process: its bounds hold for all runs together."""
    return Client(member)


def client_of(model: BaseChatModel) -> Client:
    """Return the client of a chat model that a caller made, one per object."""
    name = f"object:{getattr(model, 'model_name', None) or type(model).__name__}"
    return Client(Member(model=name), model)


def is_retryable(error: BaseException) -> bool:
    """Whether the same call may go through later: overload and network faults, not refusals.

    Clients disagree on classes, so the HTTP status decides, then the class's name.
    """
    if isinstance(error, ModelError):
        return error.retryable
    if isinstance(error, MatrioskaError):
        return False
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status in _RETRYABLE_STATUS
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    return any(part in cls.__name__ for cls in type(error).__mro__ for part in _RETRYABLE_NAMES)


def _pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: what the server asks for, else exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return min(60.0, max(0.0, float(headers.get("retry-after", ""))))
    except ValueError:
        return wait_random_exponential(multiplier=0.5, max=20.0)(state)


async def ask(model: BaseChatModel, messages: Sequence[BaseMessage], *, attempts: int = ATTEMPTS) -> Reply:
    """Ask a model and return its cleaned text.

    Args:
        model: any LangChain chat model.
        messages: what is said to it.
        attempts: calls at the most, the first included.

    Raises:
        ModelError: the model failed, with whether a later try may help.
        AnswerError: the answer is empty or larger than `MAX_ANSWER` characters.
    """
    started = time.perf_counter()
    retrying = AsyncRetrying(
        stop=stop_after_attempt(attempts), wait=_pause, retry=retry_if_exception(is_retryable), reraise=True
    )
    calls = 0
    try:
        async for attempt in retrying:
            with attempt:
                calls += 1
                async with asyncio.timeout(DEADLINE):
                    message = await model.ainvoke(list(messages))
    except MatrioskaError:
        raise
    except Exception as error:
        raise _typed(model, error, calls) from error
    return Reply(_text_of(message), _usage_of(message, messages, calls, time.perf_counter() - started))


def _typed(model: BaseChatModel, error: Exception, calls: int) -> ModelError:
    name = getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__
    retryable = is_retryable(error)
    said = _without_secrets(model, clean_text(str(error)))[:500]
    return ModelError(
        f"The model {name} failed after {calls} {'attempt' if calls == 1 else 'attempts'}: "
        f"{type(error).__name__}: {said}",
        model=str(name),
        retryable=retryable,
        next_step="Wait a little and resume the run." if retryable else "Check the model's name, key and server.",
    )


def _without_secrets(model: BaseChatModel, text: str) -> str:
    """Return an error's text without the keys that some clients repeat in it."""
    secrets = [value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)]
    secrets += [os.environ.get(provider.key, "") for provider in providers().values() if provider.key]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return text


def _text_of(message: AIMessage) -> str:
    text = clean_text(message.text)
    if len(text) > MAX_ANSWER:
        raise AnswerError(
            f"The answer has {len(text)} characters; {MAX_ANSWER} are the most. Answer with less.",
            raw_answer=text[:1000],
        )
    if not text.strip():
        raise AnswerError("The answer is empty. Answer in the form asked for.")
    return text


def _usage_of(message: AIMessage, messages: Sequence[BaseMessage], calls: int, seconds: float) -> Usage:
    metadata = message.usage_metadata
    if metadata is None:
        # Some servers do not count; four characters a token is the usual rule of thumb.
        asked = sum(len(str(m.text)) for m in messages)
        return Usage(
            calls=calls, input_tokens=asked // 4, output_tokens=len(message.text) // 4, seconds=round(seconds, 6)
        )
    return Usage(
        calls=calls,
        input_tokens=metadata["input_tokens"],
        output_tokens=metadata["output_tokens"],
        seconds=round(seconds, 6),
    )
