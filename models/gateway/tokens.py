"""How many tokens a text has, and whether a prompt fits. Nothing here asks a network."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, SystemMessage

from matrioska.models.local import LocalLLM
from matrioska.state.errors import ContextWindowError
from matrioska.state.fences import read_fences
from matrioska.state.members import Member

#: Tokens that must be left for an answer, whatever it is.
LEAST_ANSWER = 256
# Four characters are a token in most prose; in tables and indented code up to twice as many.
_USUAL = 4
_MOST = 8
_ENCODINGS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"

Counter = Callable[[str], int]


def estimate(text: str) -> int:
    """Return how many tokens a text has by the usual rule of thumb."""
    return len(text) // _USUAL + 1


def counter_of(member: Member, model: BaseChatModel) -> Counter | None:
    """Return the count of a model's own tokenizer; None when there is none on this machine."""
    if isinstance(model, LocalLLM):
        return model.get_num_tokens
    provider, _, name = member.model.partition(":")
    return _openai_counter(name.partition("@")[0]) if provider == "openai" else None


@lru_cache(maxsize=64)
def _openai_counter(name: str) -> Counter | None:
    """Return the count of an OpenAI model, if tiktoken has its data on this disk: it downloads it otherwise."""
    try:
        import tiktoken
    except ImportError:
        return None
    try:
        encoding = tiktoken.encoding_name_for_model(name)
    except KeyError:
        return None
    if not _cached(encoding):
        return None
    made = tiktoken.get_encoding(encoding)
    return lambda text: len(made.encode(text, disallowed_special=()))


def _cached(encoding: str) -> bool:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    # tiktoken's own naming, in its ``load.py``.
    name = hashlib.sha1(_ENCODINGS.format(encoding).encode(), usedforsecurity=False).hexdigest()
    return (Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache") / name).is_file()


def parts_of(messages: Sequence[BaseMessage]) -> dict[str, str]:
    """Return the parts of a prompt by name: the system message, the fenced material, and the rest."""
    parts = {"system message": "", "instructions": ""}
    for message in messages:
        text = str(message.text)
        if isinstance(message, SystemMessage):
            parts["system message"] += text
            continue
        fenced = read_fences(text)
        parts["instructions"] += "x" * max(0, len(text) - sum(map(len, fenced.values())))
        for name, body in fenced.items():
            parts[name] = parts.get(name, "") + body
    return parts


def prompt_tokens(messages: Sequence[BaseMessage], counter: Counter | None) -> int:
    """Return how many tokens a prompt has, its markup left out."""
    count = counter or estimate
    return sum(count(str(message.text)) for message in messages)


def largest_part(messages: Sequence[BaseMessage], counter: Counter | None) -> tuple[str, int]:
    """Return name and tokens of the largest part of a prompt."""
    count = counter or estimate
    sizes = {name: count(text) for name, text in parts_of(messages).items()}
    name = max(sizes, key=lambda part: sizes[part])
    return name, sizes[name]


def check_fit(
    messages: Sequence[BaseMessage], counter: Counter | None, window: int | None, max_tokens: int | None, label: str
) -> None:
    """Refuse a prompt that leaves no room for even a small answer.

    An estimate may be wrong by half, so it refuses only what cannot fit even then.

    Raises:
        ContextWindowError: it does not fit.
    """
    characters = sum(len(str(message.text)) for message in messages)
    # A token is at least a byte, and a character at most four.
    if window is None or (characters + LEAST_ANSWER) * _USUAL <= window:
        return
    room = window - min(LEAST_ANSWER, max_tokens or LEAST_ANSWER, window // 4)
    tokens = prompt_tokens(messages, counter)
    if (tokens if counter else characters // _MOST) <= room:
        return
    raise context_error(
        f"The prompt has {'' if counter else 'about '}{tokens} tokens{'' if counter else ' (an estimate)'}; "
        f"{label} takes {window}, and {window - room} of them are for the answer.",
        messages,
        counter,
        window,
        label,
    )


def context_error(
    message: str, messages: Sequence[BaseMessage], counter: Counter | None, window: int | None, label: str
) -> ContextWindowError:
    """Return the error for a prompt that does not fit, with its largest part."""
    part, size = largest_part(messages, counter)
    return ContextWindowError(
        f"{message} The largest part is {part} with {'' if counter else 'about '}{size} tokens.",
        part=part,
        tokens=prompt_tokens(messages, counter),
        window=window or 0,
        model=label,
        next_step=f"Shorten {part}, or choose a model with a larger window.",
    )
