"""How complaints are worded, the same in every check."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence

#: Complaints sent at once. More would drown the model that has to mend them.
MAX_COMPLAINTS = 30


def bounded(complaints: Sequence[str], limit: int = MAX_COMPLAINTS) -> list[str]:
    """Return at most ``limit`` complaints, and one more line that counts the rest."""
    if len(complaints) <= limit:
        return list(complaints)
    return [*complaints[:limit], f"and {len(complaints) - limit} more"]


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Return names quoted and joined for a sentence; beyond ``limit`` they are counted."""
    every = list(names)
    shown = ", ".join(f"'{shorten(name)}'" for name in every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"


def shorten(text: str, limit: int = 80) -> str:
    """Return ``text`` on one line, cut to ``limit`` characters."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit and len(text) <= limit * 4 else line[: limit - 1] + "…"


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``: a long set reads better as a sentence than as a column."""
    return frozenset(text.split())


class Lines:
    """Line numbers of a text, counted once however many places are asked for."""

    def __init__(self, text: str) -> None:
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column (from 1) of a character."""
        line = bisect.bisect_left(self._breaks, offset)
        return line + 1, offset - (self._breaks[line - 1] + 1 if line else 0) + 1

    def line(self, offset: int) -> int:
        """Return the line (from 1) of a character."""
        return self.place(offset)[0]


def line_snippet(text: str, line: int) -> str:
    """Return the line with that number, shortened; '' beyond the end."""
    lines = text.split("\n", line)
    return shorten(lines[line - 1]) if 0 < line <= len(lines) else ""
