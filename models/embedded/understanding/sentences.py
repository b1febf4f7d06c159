"""Comparing two versions of a text, sentence by sentence."""

from __future__ import annotations

import re


def new_sentences(text: str, before: str) -> list[str]:
    """Return the sentences and list items of ``text`` that ``before`` does not have."""
    known = {_key(part) for part in _parts(before)}
    return [part for part in _parts(text) if _key(part) not in known]


def _parts(text: str) -> list[str]:
    # "schema.js: books (…)" must not be cut at the dot of a file name.
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|[;\n]\s*", text) if part.strip()]


def _key(part: str) -> str:
    return " ".join(part.casefold().split()).rstrip(".;")
