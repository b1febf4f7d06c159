"""The embedded model as a LangChain chat model."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from matrioska.models.embedded.answer import answer
from matrioska.models.embedded.notice import NOTICE
from matrioska.models.embedded.request import message_text, read_request
from matrioska.state.errors import ConfigError

__all__ = ["NOTICE", "SECONDS_VARIABLE", "EmbeddedChatModel"]

SECONDS_VARIABLE = "MATRIOSKA_EMBEDDED_SECONDS_PER_CALL"

_CHARACTERS_PER_TOKEN = 4


class EmbeddedChatModel(BaseChatModel):
    """A chat model made of rules: no key, no GPU, no download, the same answer every time.

    It reads the prompts that every model gets and answers in the formats that every model
    must keep to. ``NOTICE`` says in plain words what it can and cannot do.
    """

    model_name: str = "embedded"
    """Name under which it reports itself."""

    @property
    def _llm_type(self) -> str:
        return "matrioska-embedded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if seconds := seconds_per_call():
            time.sleep(seconds)
        return self._reply(messages)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if seconds := seconds_per_call():
            await asyncio.sleep(seconds)
        return self._reply(messages)

    def _reply(self, messages: Sequence[BaseMessage]) -> ChatResult:
        text = answer(read_request(messages))
        message = AIMessage(
            content=text,
            usage_metadata=_usage(messages, text),
            response_metadata={"model_name": self.model_name, "finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def _usage(messages: Sequence[BaseMessage], text: str) -> UsageMetadata:
    given = sum(len(message_text(message)) for message in messages) // _CHARACTERS_PER_TOKEN
    written = len(text) // _CHARACTERS_PER_TOKEN
    return UsageMetadata(input_tokens=given, output_tokens=written, total_tokens=given + written)


def seconds_per_call() -> float:
    """Return how long each call must take, from the environment; 0 when it is not set.

    Raises:
        ConfigError: the variable is not a number of seconds from 0 to 3600.
    """
    setting = os.environ.get(SECONDS_VARIABLE, "").strip()
    if not setting:
        return 0.0
    try:
        seconds = float(setting)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= 3600.0:
        raise ConfigError(
            f"{SECONDS_VARIABLE} is {setting!r}, which is not a number of seconds from 0 to 3600.",
            next_step=f"Set {SECONDS_VARIABLE} to a number such as 0.5, or unset it.",
        )
    return seconds
