"""What is asked of the embedded model: the rendered prompt, read back into plain data.

The model has no side channel. It knows what any model would know, the messages alone, so a
run with it exercises the same prompts, formats and checks as a run with a large model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from matrioska.state.fences import read_fences

Stage = Literal["plan", "agree", "produce", "mend", "assemble", "chat"]

_HEADER = re.compile(r"^(Stage|Module|Keys to write|Language|Entry point): *(.*)$", re.MULTILINE)
_STAGES: tuple[Stage, ...] = ("plan", "agree", "produce", "mend", "assemble")


@dataclass(frozen=True)
class Request:
    """One call, as far as a rule-based model needs to know it."""

    stage: Stage
    """Step of the run; ``chat`` for a prompt in none of the known forms."""
    text: str = ""
    """The last message from the person's side, whole."""
    answering: str = ""
    """``values`` or ``files``, for ``mend``."""
    module_id: str = ""
    """Module that is being built."""
    wanted: tuple[str, ...] = ()
    """Whiteboard keys to write."""
    language: str = ""
    """Language asked for, '' when the task decides."""
    entry_point: str = ""
    """File to open first, for ``assemble``."""
    sections: dict[str, str] = field(default_factory=dict)
    """Fenced sections by name."""

    def section(self, name: str) -> str:
        """Return a section's text, '' when it was not given."""
        return self.sections.get(name, "")

    def section_object(self, name: str) -> dict[str, Any]:
        """Return a section that is a JSON object; an empty one when it is missing or was cut."""
        value = _load(self.section(name))
        return value if isinstance(value, dict) else {}

    def section_list(self, name: str) -> list[Any]:
        """Return a section that is a JSON array; an empty one when it is missing or was cut."""
        value = _load(self.section(name))
        return value if isinstance(value, list) else []


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def message_text(message: BaseMessage) -> str:
    """Return the text of a message, whether its content is a string or blocks."""
    if isinstance(message.content, str):
        return message.content
    blocks = (block if isinstance(block, str) else str(block.get("text", "")) for block in message.content)
    return "\n".join(text for text in blocks if text)


def read_request(messages: Sequence[BaseMessage]) -> Request:
    """Read the messages of one call.

    Headers count only before the first data fence: text inside a fence must not pose as one.
    """
    human = [message for message in messages if message.type == "human"]
    text = message_text(human[-1] if human else messages[-1]) if messages else ""
    head = text.partition("<data name=")[0]
    headers = {name: value.strip() for name, value in _HEADER.findall(head)}
    word, _, answering = headers.get("Stage", "").partition(" ")
    stage: Stage = next((known for known in _STAGES if known == word), "chat")
    return Request(
        stage=stage,
        text=text,
        answering=answering.strip(),
        module_id=headers.get("Module", ""),
        wanted=tuple(key.strip() for key in headers.get("Keys to write", "").split(",") if key.strip()),
        language=headers.get("Language", ""),
        entry_point=headers.get("Entry point", ""),
        sections=read_fences(text),
    )
