"""The chats under way: which model is asked, under which id, and how its answer goes over the wire."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matrioska.state.ids import slug
from matrioska.state.results import Usage
from matrioska.web.chat.asked import Asked
from matrioska.web.chat.offers import Offer, OnEvent, Told
from matrioska.web.chat.schemas import (
    ChatChoice,
    ChatChunk,
    ChatCompletion,
    ChatDelta,
    ChatDetails,
    ChatReply,
    ChatUsage,
    ChunkChoice,
    ShownModel,
    ShownModels,
)
from matrioska.web.chat.thinking import Thinking
from matrioska.web.errors import RequestError, chat_error_body
from matrioska.web.stream import sent
from matrioska.web.underway import Underway

#: Chats under way at the same time: each may be many calls, and a whole run.
MOST_CHATS = 16
#: Characters of the answer in one event of a stream.
_PIECE = 200


@dataclass(frozen=True)
class Head:
    """What every event of an answer begins with.

    Args:
        model: who is asked.
        thread_id: under which the question is kept.
    """

    model: str
    thread_id: str
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def fields(self) -> dict[str, Any]:
        """The fields by which a client knows the answer."""
        return {"id": f"chatcmpl-{self.thread_id}", "created": self.created, "model": self.model}


class Chats(Underway[Told]):
    """The chats under way.

    Args:
        offers: what can be asked.
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        super().__init__(MOST_CHATS, "chats", status=429)
        self.offers = {offer.id: offer for offer in offers}
        self._created = int(time.time())

    def models(self) -> ShownModels:
        """Return what can be asked."""
        return ShownModels(data=[self._shown(offer) for offer in self.offers.values()])

    def model(self, name: str) -> ShownModel:
        """Return one of them.

        Raises:
            RequestError: there is no such model.
        """
        return self._shown(self._find(name))

    def _shown(self, offer: Offer) -> ShownModel:
        return ShownModel(id=offer.id, created=self._created, description=offer.about)

    def _find(self, name: str) -> Offer:
        if name not in self.offers:
            raise RequestError(
                404,
                "model_not_found",
                f"There is no model {name[:100]!r} here.",
                next_step=f"The models are {', '.join(self.offers)}.",
                param="model",
            )
        return self.offers[name]

    def head(self, asked: Asked) -> Head:
        """Return what the answer to a question begins with.

        Raises:
            RequestError: there is no such model.
        """
        thread_id = f"{slug(asked.words, 28) or 'chat'}-{secrets.token_hex(4)}"
        return Head(self._find(asked.model).id, thread_id)

    def ask(self, asked: Asked, head: Head, on_event: OnEvent) -> asyncio.Task[Told]:
        """Begin to answer a question.

        Raises:
            RequestError: too many are under way, or the service ends.
        """
        offer = self.offers[head.model]
        return self.begin(lambda: offer.answer(asked.question, head.thread_id, on_event), head.thread_id)


def completion(head: Head, told: Told) -> ChatCompletion:
    """Return the answer in one piece."""
    return ChatCompletion(
        **head.fields,
        choices=[ChatChoice(message=ChatReply(content=told.text))],
        usage=_usage(told.usage),
        matrioska=_details(head, told),
    )


class ChatEvents:
    """An answer as chunks: who is at work on what while it is made, and its text once it is there.

    The text is not told while the root still writes it: it may be written again, in another language
    say, and what is missing is named below it at the end.

    Args:
        head: what every chunk begins with.
        usage: whether the tokens are told at the end.
    """

    def __init__(self, head: Head, *, usage: bool) -> None:
        self._head = head
        self._tells_usage = usage
        self._thinking = Thinking()

    def begun(self) -> Iterable[bytes]:
        """See `Form`."""
        yield self._chunk(ChatDelta(role="assistant", content=""))

    def happened(self, event: Mapping[str, Any]) -> Iterable[bytes]:
        """See `Form`."""
        if line := self._thinking.line(event):
            yield self._chunk(ChatDelta(reasoning_content=f"{line}\n\n"))

    def ended(self, result: Told) -> Iterator[bytes]:
        """See `Form`."""
        for at in range(0, len(result.text), _PIECE):
            yield self._chunk(ChatDelta(content=result.text[at : at + _PIECE]))
        last = ChatChunk(
            **self._head.fields,
            choices=[ChunkChoice(delta=ChatDelta(), finish_reason="stop")],
            matrioska=_details(self._head, result),
        )
        yield _event(last)
        if self._tells_usage:
            yield _event(ChatChunk(**self._head.fields, choices=[], usage=_usage(result.usage)))
        yield b"data: [DONE]\n\n"

    def failed(self, error: Exception) -> Iterable[bytes]:
        """See `Form`. Clients raise what stands under ``error``; ``[DONE]`` would say that all is well."""
        yield sent(chat_error_body(error).model_dump())

    def _chunk(self, delta: ChatDelta) -> bytes:
        return _event(ChatChunk(**self._head.fields, choices=[ChunkChoice(delta=delta)]))


def _event(chunk: ChatChunk) -> bytes:
    told = chunk.model_dump(mode="json", exclude_none=True)
    for choice in told["choices"]:
        # The protocol has it in every choice, as null until the last.
        choice.setdefault("finish_reason", None)
    return sent(told)


def _usage(usage: Usage) -> ChatUsage:
    return ChatUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
    )


def _details(head: Head, told: Told) -> ChatDetails:
    return ChatDetails(thread_id=head.thread_id, missing=list(told.missing))
