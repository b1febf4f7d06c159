"""Forms: what shape an answer must have. Whoever asks says it; whoever can hold a model to it, does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class AnswerForm:
    """The shape of an answer.

    The prompt describes the same shape in words, for models that cannot be held to it.
    """

    kind: Literal["text", "json", "files"] = "text"
    """``json``: one JSON object. ``files``: fenced blocks with paths."""
    name: str = "answer"
    """Short name of the form, ``^[a-z][a-z0-9_]{0,63}$``; some providers want one."""
    schema: dict[str, Any] | None = field(default=None, hash=False)
    """JSON schema of the object, every string and list bounded; for ``json`` only."""
    grammar: str = ""
    """The same as an llguidance (Lark) grammar, for models in this process; for ``files`` only."""


#: Anything goes.
TEXT = AnswerForm()
#: One JSON object, whatever it holds.
JSON = AnswerForm("json")
