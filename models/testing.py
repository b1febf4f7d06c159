"""Model doubles for tests, shipped so that plugin authors can test against them."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
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
    blocks: tuple[dict[str, Any], ...] = ()
    """The pictures and sounds of the user message, as LangChain's content blocks."""


@dataclass(frozen=True)
class Pieces:
    """An answer with what happens on its way, for models that stream.

    Asked without streaming, it comes whole and without the silences.
    """

    items: Iterable[str | float | Exception]
    """In this order: text, seconds of silence, or an exception that is raised there. May be endless."""
    finish: str = "stop"
    """Why it ends; ``length`` says that it was cut off, '' says nothing."""


Answer = str | AIMessage | Pieces | Exception
Script = Callable[[str, str, str], Answer]


class ScriptedChatModel(BaseChatModel):
    """A chat model that answers by a function of stage, module and prompt.

    With ``disable_streaming=False`` it streams.

    Args:
        script: ``(stage, module, prompt) -> answer``; an exception it returns is raised. A message
            is answered as it is, with its usage and metadata.
        latency: seconds a call takes, or a function of stage and module that says so.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: Script
    latency: float | Callable[[str, str], float] = 0.0
    calls: list[Call] = Field(default_factory=list)
    """Every call so far, in the order in which they ended; streams end here where they begin."""
    disable_streaming: bool | Literal["tool_calling"] = True
    piece: Annotated[int, Field(ge=1)] = 20
    """Characters of a text that come at a time in a stream."""
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def count(self, stage: str | None = None, module: str | None = None) -> int:
        """Return how many calls there were for a stage and module (None: any)."""
        return len([c for c in self.calls if stage in (None, c.stage) and module in (None, c.module)])

    def _seconds(self, stage: str, module: str) -> float:
        return self.latency(stage, module) if callable(self.latency) else self.latency

    def _answer(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(replace(call, ended=time.monotonic()))
        return self.script(call.stage, call.module, call.prompt)

    def _finish(self, call: Call) -> ChatResult:
        answer = self._answer(call)
        if isinstance(answer, str):
            answer = AIMessage(answer)
        if isinstance(answer, AIMessage):
            return ChatResult(generations=[ChatGeneration(message=answer)])
        parts = [part for part in self._parts(answer) if isinstance(part, AIMessageChunk)]
        whole = AIMessage(
            "".join(str(part.content) for part in parts), response_metadata=parts[-1].response_metadata if parts else {}
        )
        return ChatResult(generations=[ChatGeneration(message=whole)])

    def _parts(self, answer: Answer) -> Iterator[AIMessageChunk | float]:
        """Yield pieces of an answer and silences between them, and raise what it says."""
        if isinstance(answer, AIMessage):
            yield AIMessageChunk(**answer.model_dump(exclude={"type"}))
            return
        finish = answer.finish if isinstance(answer, Pieces) else ""
        for item in _items(answer, self.piece):
            if isinstance(item, Exception):
                raise item
            yield item if isinstance(item, float | int) else AIMessageChunk(content=item)
        if finish:
            yield AIMessageChunk(content="", response_metadata={"finish_reason": finish})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = _begun(messages)
        time.sleep(self._seconds(call.stage, call.module))
        return self._finish(call)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = _begun(messages)
        if seconds := self._seconds(call.stage, call.module):
            await asyncio.sleep(seconds)
        return self._finish(call)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = _begun(messages)
        time.sleep(self._seconds(call.stage, call.module))
        for part in self._parts(self._answer(call)):
            if isinstance(part, AIMessageChunk):
                yield ChatGenerationChunk(message=part)
            else:
                time.sleep(part)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = _begun(messages)
        await asyncio.sleep(self._seconds(call.stage, call.module))
        for part in self._parts(self._answer(call)):
            if isinstance(part, AIMessageChunk):
                yield ChatGenerationChunk(message=part)
            else:
                await asyncio.sleep(part)


def _items(answer: str | Pieces | Exception, size: int) -> Iterable[str | float | Exception]:
    if isinstance(answer, Pieces):
        return answer.items
    if isinstance(answer, Exception):
        return [answer]
    return [answer[at : at + size] for at in range(0, len(answer), size)] or [""]


def _begun(messages: Sequence[BaseMessage]) -> Call:
    now, content = time.monotonic(), messages[-1].content
    parts = [] if isinstance(content, str) else [part for part in content if isinstance(part, dict)]
    blocks = tuple(part for part in parts if part.get("type") != "text")
    return Call(*read_call(messages), now, now, blocks)


def read_call(messages: Sequence[BaseMessage]) -> tuple[str, str, str]:
    """Return stage, module and user prompt of messages rendered from our templates."""
    prompt = str(messages[-1].text)
    # Only the head, up to the first empty line: what follows is material and may imitate it.
    found = dict(_LINE.findall(prompt.partition("\n\n")[0]))
    return found.get("Stage", "").split(" ")[0], found.get("Module", ""), prompt
