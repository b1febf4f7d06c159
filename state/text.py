"""Cleaning of strings and JSON values that come from models and people."""

from __future__ import annotations

import re
from typing import Any

from pydantic import JsonValue

# PostgreSQL refuses NUL and lone surrogates, terminals obey escape sequences: none may reach state.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return ``text`` without control characters (but tab and line breaks) and lone surrogates."""
    return _UNSTORABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_json(value: Any) -> JsonValue:
    """Return a JSON value with every string in it cleaned.

    Raises:
        TypeError: ``value`` holds something that JSON cannot carry.
    """
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Checkpoints hold whole numbers in 64 bits and fail on larger ones.
        if not -(2**63) <= value < 2**64:
            raise TypeError("a whole number beyond 64 bits cannot be stored")
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError("NaN and infinity are not JSON")
        return value
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} is not JSON")
