"""Reducers: how a node's update joins what the state holds. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_by_key(current: Mapping[str, Any] | None, update: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge two mappings; a key whose new value is None is dropped.

    Dropping is what lets ``update_state`` ask for one module again: setting its result to
    None takes away that result and nothing else.
    """
    merged = {**(current or {}), **(update or {})}
    return {key: value for key, value in merged.items() if value is not None}


def add_usage(current: Mapping[str, Any] | None, update: Mapping[str, Any] | None) -> dict[str, Any]:
    """Sum usage counters: spending is never overwritten, a redo adds to it."""
    left, right = current or {}, update or {}
    return {key: round(left.get(key, 0) + right.get(key, 0), 6) for key in {**left, **right}}
