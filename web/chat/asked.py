"""From a request to a question: the last message of the user, with what was said before as material.

The rule for what a client sends besides: what asks for another form of answer than one text is
refused, since an answer in the wrong form breaks the client; what only tunes how a model writes
(temperature, max_tokens, stop, …) is passed over, since many models write here, each with its own
settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from matrioska.state.cascade import MAX_QUESTION
from matrioska.state.errors import TaskError
from matrioska.state.given import check_words
from matrioska.state.text import clean_text
from matrioska.web.body import read_json
from matrioska.web.chat.schemas import ChatMessage, ChatRequest
from matrioska.web.errors import RequestError

#: Bytes of a request: a long conversation of which most characters are escaped. Beyond it, none is read.
MAX_BODY = 4_000_000
#: Characters of what was said before that go along with a question, and of one message among them.
MAX_MATERIAL = 40_000
MAX_TURN = 10_000
#: Characters that stand around the material: its heading, its fence and the note on what was left out.
_FRAME = 500
_EXAMPLE = '{"model": "matrioska-cascade", "messages": [{"role": "user", "content": "…"}]}'
_NAMES = {"system": "instructions", "developer": "instructions", "user": "user", "assistant": "assistant"}
_INSTRUCTIONS = ("system", "developer")


@dataclass(frozen=True)
class Asked:
    """A question, and how the answer is wanted."""

    model: str
    question: str
    """The last message of the user, and below it the material."""
    words: str
    """The last message of the user alone."""
    stream: bool
    usage: bool
    """Whether a stream tells the tokens."""


#: Fields that ask for another form of answer: when they do, and what to do about it.
_REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda value: value not in (None, 1), "One answer is all there is: leave n out, or send 1."),
    "tools": (bool, "No tools can be called from here: leave tools out."),
    "functions": (bool, "No functions can be called from here: leave functions out."),
    "response_format": (
        lambda value: value is not None and not (isinstance(value, dict) and value.get("type") == "text"),
        "The answer is text: leave response_format out.",
    ),
    "modalities": (lambda value: value not in (None, ["text"]), "The answer is text: leave modalities out."),
    "logprobs": (bool, "There are no log probabilities of what many models wrote: leave logprobs out."),
}


async def read_chat(request: Request) -> Asked:
    """Return what a request asks.

    Raises:
        RequestError: it cannot be read or has not this form, it wants what cannot be given, or it asks nothing.
    """
    raw = await read_json(request, most=MAX_BODY, advice="Begin a new conversation.", example=_EXAMPLE)
    if isinstance(raw, dict):
        for name, (refuses, advice) in _REFUSED.items():
            if refuses(raw.get(name)):
                raise RequestError(
                    400, "unsupported_parameter", f"{name} cannot be honoured.", next_step=advice, param=name
                )
    try:
        asked = ChatRequest.model_validate(raw)
    except ValidationError as error:
        raise _refused(error) from error
    words, earlier = _parted(asked.messages)
    return Asked(
        model=asked.model,
        question=_with_material(words, earlier),
        words=words,
        stream=bool(asked.stream),
        usage=bool(asked.stream_options and asked.stream_options.include_usage),
    )


def _refused(error: ValidationError) -> RequestError:
    """Return the error for a body of another form, with the first thing that is wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))[:100]
    missing = first["type"] == "missing"
    return RequestError(
        400,
        "missing_required_parameter" if missing else "invalid_value",
        f"The field {place!r} is {'missing' if missing else 'wrong: ' + first['msg']}."
        if place
        else f"The body is wrong: {first['msg']}.",
        next_step=f"Send {_EXAMPLE}.",
        param=place or None,
    )


def _parted(messages: Sequence[ChatMessage]) -> tuple[str, list[tuple[str, str]]]:
    """Return the question, and what was said before it and besides it as pairs of role and text.

    Raises:
        RequestError: there is no question, or a message is no text.
    """
    said = [(str(message.role), _text(message, f"messages.{at}.content")) for at, message in enumerate(messages)]
    last = max((at for at, (role, _) in enumerate(said) if role == "user"), default=None)
    if last is None:
        raise RequestError(
            400,
            "invalid_value",
            "There is no message of the role user.",
            next_step="Ask in a message of the user.",
            param="messages",
        )
    try:
        words = check_words(said[last][1], "question", MAX_QUESTION - _FRAME)
    except TaskError as error:
        too_long = len(said[last][1]) > MAX_QUESTION - _FRAME
        raise RequestError(
            400,
            "context_length_exceeded" if too_long else "invalid_value",
            error.message,
            next_step="Ask shorter." if too_long else error.next_step,
            param=f"messages.{last}.content",
        ) from error
    earlier = [pair for at, pair in enumerate(said) if at != last and pair[0] in _NAMES and pair[1].strip()]
    return words, earlier


def _text(message: ChatMessage, place: str) -> str:
    """Return a message's text, as it came.

    Raises:
        RequestError: it holds a picture, sound or a file.
    """
    if isinstance(message.content, list):
        return "\n".join(_texts(message.content, place))
    return message.content or ""


def _texts(parts: Sequence[dict[str, Any]], place: str) -> Iterator[str]:
    for at, part in enumerate(parts):
        kind = part.get("type")
        text = part.get("refusal" if kind == "refusal" else "text")
        if kind not in ("text", "refusal") or not isinstance(text, str):
            shown = f"of the type {kind[:60]!r}" if isinstance(kind, str) and kind != "text" else "no text"
            raise RequestError(
                400,
                "invalid_value",
                f"A part of a message is {shown}; only texts can be answered, no pictures, sound or files.",
                next_step="Ask in words.",
                param=f"{place}.{at}",
            )
        yield text


def _with_material(words: str, earlier: Sequence[tuple[str, str]]) -> str:
    """Return a question with what was said before it: instructions first, then the latest turns that fit."""
    room = min(MAX_MATERIAL, MAX_QUESTION - _FRAME - len(words))
    order = [at for at, (role, _) in enumerate(earlier) if role in _INSTRUCTIONS]
    order += [at for at in reversed(range(len(earlier))) if earlier[at][0] not in _INSTRUCTIONS]
    kept: dict[int, str] = {}
    for at in order:
        told = _turn(*earlier[at])
        if len(told) > room:
            break
        kept[at] = told
        room -= len(told)
    if not kept:
        return words
    left_out = len(earlier) - len(kept)
    note = f"({left_out} earlier messages are left out.)\n\n" if left_out else ""
    material = "".join(kept[at] for at in sorted(kept)).strip()
    # In a fence of its own, which the ensemble never cuts into parts of the question.
    return f"{words}\n\nEarlier in this conversation, as material:\n\n```\n{note}{material}\n```"


def _turn(role: str, text: str) -> str:
    # The other mark of a fence means the same and does not end the material's.
    plain = clean_text(text).strip().replace("```", "~~~")
    cut = plain if len(plain) <= MAX_TURN else plain[:MAX_TURN].rstrip() + " […]"
    return f"[{_NAMES[role]}] {cut}\n\n"
