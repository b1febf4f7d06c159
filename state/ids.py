"""Identifiers and the patterns they must match."""

from __future__ import annotations

import re
import unicodedata
from typing import NewType

ModuleId = NewType("ModuleId", str)
ThreadId = NewType("ThreadId", str)

# "\Z" and not "$", which would let a line break at the end pass.
# LangGraph separates namespaces with ":" and "|", so neither may occur in an id.
MODULE_ID = re.compile(r"^[a-z][a-z0-9_-]{0,63}\Z")
THREAD_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")
# A whiteboard key is also a JSON object key in prompts: printable, short, no white space.
SHARED_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")


def slug(text: str, limit: int = 32) -> str:
    """Turn any text into an id-safe slug of at most ``limit`` characters ('' when nothing is left)."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower())
    result = ""
    for word in words:
        candidate = f"{result}-{word}" if result else word
        if len(candidate) > limit:
            break
        result = candidate
    return result or "".join(words)[:limit]
