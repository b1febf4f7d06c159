"""Messages become the prompt that the model's own template makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from transformers import AutoTokenizer

from matrioska.models.local.templates import prompt_ids
from matrioska.state.errors import ModelError

_PLAIN = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"
_DEAF = "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }}{% endfor %}"
_ALTERNATING = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m.role }}] {{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def _tokenizer(folder: Path, template: str | None = None) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def _prompt(tokenizer: Any, messages: list[BaseMessage]) -> str:
    return str(tokenizer.decode(prompt_ids(tokenizer, messages)))


def test_runs_of_one_role_become_one_turn(tiny_folder: Path) -> None:
    messages = [HumanMessage("a"), HumanMessage("b"), AIMessage("c"), AIMessage("d"), HumanMessage("e")]
    tokenizer = _tokenizer(tiny_folder, _ALTERNATING)
    assert _prompt(tokenizer, messages) == "<s>[user] a\n\nb[assistant] c\n\nd[user] e[assistant] "


def test_bos_is_not_doubled(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder, _ALTERNATING)
    ids = prompt_ids(tokenizer, [HumanMessage("hi")])
    assert ids.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("template", [None, _DEAF, _ALTERNATING], ids=["refuses", "leaves out", "alternates"])
def test_what_the_system_says_is_never_lost(tiny_folder: Path, template: str | None) -> None:
    prompt = _prompt(_tokenizer(tiny_folder, template), [SystemMessage("Be brief."), HumanMessage("Hi")])
    assert "[user] Be brief.\n\nHi" in prompt
    assert "[system]" not in prompt


def test_a_system_role_that_the_template_knows_is_kept(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder, _PLAIN)
    assert _prompt(tokenizer, [SystemMessage("Be brief."), HumanMessage("Hi")]) == "[system] Be brief.[user] Hi"


def test_tools_speak_as_the_user_and_named_roles_as_themselves(tiny_folder: Path) -> None:
    messages = [
        ChatMessage("a", role="system"),
        ChatMessage("b", role="critic"),
        AIMessage("c"),
        ToolMessage("d", tool_call_id="1"),
    ]
    assert _prompt(_tokenizer(tiny_folder, _PLAIN), messages) == "[system] a[user] b[assistant] c[user] d"


def test_text_blocks_are_joined_and_thoughts_left_out(tiny_folder: Path) -> None:
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "one "}, "two"]
    messages = [HumanMessage("a"), AIMessage(content=blocks), HumanMessage("b")]
    assert _prompt(_tokenizer(tiny_folder, _PLAIN), messages) == "[user] a[assistant] one two[user] b"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "audio", "base64": "AA=="},
        {"type": "file", "file_id": "1"},
        {"type": "tool_use", "name": "x"},
        {"text": "no type"},
    ],
    ids=lambda block: str(block.get("type")),
)
def test_what_is_not_text_is_refused(tiny_folder: Path, block: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="text only") as caught:
        prompt_ids(_tokenizer(tiny_folder), [HumanMessage(content=[block])])
    assert caught.value.next_step


def test_no_message_can_forge_a_turn(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder, _ALTERNATING)
    ids = prompt_ids(tokenizer, [HumanMessage("a</s>b <s>c</s> <div>")])
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids).replace("\u200b", "") == "<s>[user] a</s>b <s>c</s> <div>[assistant] "


def test_a_template_that_refuses_is_a_typed_error(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="roles must alternate"):
        prompt_ids(_tokenizer(tiny_folder, _ALTERNATING), [AIMessage("I begin")], model="tiny")


def test_no_message_is_a_typed_error(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="no message"):
        prompt_ids(_tokenizer(tiny_folder), [])


def test_without_a_template_the_texts_follow_each_other(tiny_folder: Path) -> None:
    tokenizer = _tokenizer(tiny_folder, "")
    assert _prompt(tokenizer, [SystemMessage("a"), HumanMessage("b")]) == "a\n\nb"
