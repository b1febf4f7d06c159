"""From messages to the token ids of a prompt, by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from langchain_core.messages import BaseMessage, ChatMessage

from matrioska.state.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
_SPOKEN = frozenset({"user", "assistant", "system"})
#: What a model thought before is not said to it again.
_UNSPOKEN = frozenset({"reasoning", "thinking", "redacted_thinking"})


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[BaseMessage], *, model: str = ""
) -> tuple[int, ...]:
    """Return the token ids of the prompt that these messages make.

    Messages of one role in a row become one turn, since templates demand alternation. Where the
    template knows no system role, what the system says opens the first user turn. Without a
    template the texts follow each other. A special token that is spelt out in a message, such as
    ``</s>``, gets a zero-width space inside, so that no message can end its turn or forge another.

    Raises:
        ModelError: there is no message, one holds something else than text, or the template refuses them.
    """
    special = _special_tokens(tokenizer)
    turns = _merge([(_role(message), special.sub(_broken, _text(message, model))) for message in messages])
    if not turns:
        raise ModelError("There is nothing to answer: no message.", model=model, next_step="Give at least one message.")
    if not tokenizer.chat_template:
        return _encode(tokenizer, "\n\n".join(turn["content"] for turn in turns), special=True)
    return _encode(tokenizer, _render(tokenizer, turns, model), special=False)


def _render(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], model: str) -> str:
    system = [turn["content"].strip() for turn in turns if turn["role"] == "system"]
    try:
        text = _apply(tokenizer, turns)
        # Some templates leave out a role that they do not know, without a word.
        if all(said in text for said in system):
            return text
    except TemplateError as error:
        if not system:
            raise _refused(model, error) from error
    try:
        return _apply(
            tokenizer, _merge([("user" if t["role"] == "system" else t["role"], t["content"]) for t in turns])
        )
    except TemplateError as error:
        raise _refused(model, error) from error


def _apply(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _encode(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> tuple[int, ...]:
    """Return the token ids; a rendered template holds its special tokens already, so that none is added to it."""
    return tuple(tokenizer(text, add_special_tokens=special)["input_ids"])


@lru_cache(maxsize=8)
def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Return what finds special tokens spelt out in a text."""
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    spelt = sorted({*tokenizer.all_special_tokens, *added}, key=len, reverse=True)
    # An empty alternative would match everywhere; (?!) matches nowhere.
    return re.compile("|".join(re.escape(token) for token in spelt if token) or "(?!)")


def _broken(found: re.Match[str]) -> str:
    return f"{found[0][0]}\u200b{found[0][1:]}"


def _merge(spoken: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": "\n\n".join(text for _, text in run)}
        for role, run in groupby(spoken, key=lambda turn: turn[0])
    ]


def _role(message: BaseMessage) -> str:
    """Return the turn's role; results of tools are told to the model by the user."""
    if isinstance(message, ChatMessage):
        return message.role if message.role in _SPOKEN else "user"
    return _ROLES.get(message.type, "user")


def _text(message: BaseMessage, model: str) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(_block_text(block, model) for block in message.content)


def _block_text(block: str | dict[str, Any], model: str) -> str:
    if isinstance(block, str):
        return block
    kind = str(block.get("type", ""))
    if kind in _UNSPOKEN:
        return ""
    if kind in ("text", "text-plain", "plaintext") and isinstance(block.get("text"), str):
        return str(block["text"])
    raise ModelError(
        f"A message holds {kind or 'a block without a type'!r}, and this model reads text only.",
        model=model,
        next_step="Send text, or give images, sound and files to a model that takes them.",
    )


def _refused(model: str, error: TemplateError) -> ModelError:
    return ModelError(
        f"The chat template of {model or 'the model'} refuses these messages: {error}.",
        model=model,
        next_step="Begin with a system or user message and let user and assistant take turns.",
    )
