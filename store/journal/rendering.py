"""What is said, in a form that every database takes: cleaned, bounded, media named by kind and size."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matrioska.state.journal import MAX_CONTENT, MAX_NAME, MAX_PARTY
from matrioska.state.text import clean_json, clean_text

if TYPE_CHECKING:
    # Named only: see `matrioska.models.meter`.
    from langchain_core.messages import BaseMessage

_ROLES = {"human": "user", "ai": "assistant"}
#: Largest whole number that every database's BIGINT holds.
_MOST = 2**63 - 1


def content_of(text: str, bound: int = MAX_CONTENT) -> str:
    """Return a text as it is kept; of a longer one the beginning, and a word on how much was cut."""
    # Cut first: nobody should wait for a gigabyte to be cleaned.
    cut = max(0, len(text) - bound)
    cleaned = clean_text(text[:bound] if cut else text)
    return f"{cleaned}\n[{cut:,} more characters were cut]" if cut else cleaned


def party_of(name: str) -> str:
    """Return the name of who speaks or is spoken to, in one line; '' when there is none."""
    return " ".join(clean_text(name[: MAX_PARTY * 2]).split())[:MAX_PARTY]


def name_of(name: str) -> str:
    """Return the name of a model, or of an error, as a metric holds it."""
    return clean_text(name)[:MAX_NAME]


def prompt_of(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Return what a model was asked; all of it together is bounded like one content."""
    left, told = MAX_CONTENT, list[dict[str, str]]()
    for message in messages:
        content = content_of(_plain(message.content), left)
        left = max(0, left - len(content))
        told.append({"role": _ROLES.get(message.type, message.type), "content": content})
    return told


def details_of(details: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return details as JSON; what JSON cannot carry, or is too much, is told as text."""
    if not details:
        return {}
    try:
        cleaned = clean_json(dict(details))
        size = len(json.dumps(cleaned))
    except (TypeError, ValueError, RecursionError):
        return {"text": content_of(repr(details), 2_000)}
    if size > MAX_CONTENT:
        return {"text": content_of(json.dumps(cleaned, ensure_ascii=False), MAX_CONTENT)}
    return cleaned if isinstance(cleaned, dict) else {}


def amount(value: float) -> float:
    """Return a measured number that databases take: finite, and not below 0."""
    return float(value) if math.isfinite(value) and value > 0 else 0.0


def count(value: int) -> int:
    """Return a count that databases take."""
    return min(max(0, int(value)), _MOST)


def _plain(content: str | list[str | dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block if isinstance(block, str) else _block(block) for block in content)


def _block(block: Mapping[str, Any]) -> str:
    """Return a content block as text. Of pictures and sounds only the kind and the size are kept."""
    if block.get("type") == "text":
        return str(block.get("text", ""))
    inner = block.get("image_url") or block.get("input_audio") or block.get("file") or block
    if isinstance(inner, str):
        inner = {"url": inner}
    data = str(inner.get("base64") or inner.get("data") or inner.get("url") or inner.get("file_data") or "")
    kind = str(block.get("mime_type") or block.get("type") or "data")
    if data.startswith("data:"):
        head, _, data = data.partition(",")
        kind = head.removeprefix("data:").split(";")[0] or kind
    elif data.startswith(("http://", "https://")):
        return f"[{kind}, by address]"
    return f"[{kind}, {math.ceil(len(data) * 3 / 4 / 1000)} kB]"
