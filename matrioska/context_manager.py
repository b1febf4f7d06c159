"""The whiteboard, as the first system let programs read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class ContextManager:
    """Read access to the values that modules published.

    Args:
        shared_state: value by key.
    """

    def __init__(self, shared_state: Mapping[str, Any] | None = None) -> None:
        self._shared_state = dict(shared_state or {})

    def get_shared_context(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of ``keys``; keys that nobody wrote are left out."""
        return {key: self._shared_state[key] for key in keys if key in self._shared_state}

    @property
    def keys(self) -> list[str]:
        """The keys written so far, sorted."""
        return sorted(self._shared_state)
