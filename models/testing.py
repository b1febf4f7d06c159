"""Model doubles for tests, shipped so that plugin authors can test against them."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

_LINE = re.compile(r"^(Stage|Module): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Call:
    """One call that a scripted model answered or failed."""

    stage: str
    """First word of the prompt's ``Stage:`` line; '' when it has none."""
    module: str
    """The prompt's ``Module:`` line; '' when it has none."""
    prompt: str
    """The user message."""
    started: float
    """Monotonic seconds."""
    ended: float


Answer = str | Exception
Script = Callable[[str, str, str], Answer]


class ScriptedChatModel(BaseChatModel):
    """A chat model that answers by a function of stage, module and prompt.

    Args:
        script: ``(stage, module, prompt) -> answer``; an exception it returns is raised.
        latency: seconds a call takes, or a function of stage and module that says so.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: Script
    latency: float | Callable[[str, str], float] = 0.0
    calls: list[Call] = Field(default_factory=list)
    """Every call so far, in the order in which they ended."""
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def count(self, stage: str | None = None, module: str | None = None) -> int:
        """Return how many calls there were for a stage and module (None: any)."""
        return len([c for c in self.calls if stage in (None, c.stage) and module in (None, c.module)])

    def _seconds(self, stage: str, module: str) -> float:
        return self.latency(stage, module) if callable(self.latency) else self.latency

    def _finish(self, call: tuple[str, str, str], started: float) -> ChatResult:
        stage, module, prompt = call
        with self._lock:
            self.calls.append(Call(stage, module, prompt, started, time.monotonic()))
        answer = self.script(stage, module, prompt)
        if isinstance(answer, Exception):
            raise answer
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, started = read_call(messages), time.monotonic()
        time.sleep(self._seconds(*call[:2]))
        return self._finish(call, started)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, started = read_call(messages), time.monotonic()
        if seconds := self._seconds(*call[:2]):
            await asyncio.sleep(seconds)
        return self._finish(call, started)


def read_call(messages: Sequence[BaseMessage]) -> tuple[str, str, str]:
    """Return stage, module and user prompt of messages rendered from our templates."""
    prompt = str(messages[-1].text)
    # Only the head, up to the first empty line: what follows is material and may imitate it.
    found = dict(_LINE.findall(prompt.partition("\n\n")[0]))
    return found.get("Stage", "").split(" ")[0], found.get("Module", ""), prompt
