"""Words and figures for the screen. Pure: no terminal, no clock of its own."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from datetime import datetime

from matrioska.state.figures import duration as duration
from matrioska.state.figures import size as size
from matrioska.state.text import clean_text

# Besides what must not be stored, a terminal obeys C1 controls, and bidirectional overrides
# can make one command look like another.
_UNSHOWABLE = re.compile("[\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def plain(text: object) -> str:
    """Return text from a model or a person without anything that a terminal would obey."""
    return _UNSHOWABLE.sub("", clean_text(str(text))).replace("\t", "    ")


def line(text: object, limit: int = 200) -> str:
    """Return `plain` text on one line, cut to ``limit`` characters."""
    joined = " ".join(plain(text).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"


def count(number: float, noun: str, plural: str = "") -> str:
    """Return ``1 file``, ``1,234 files``."""
    whole = int(number)
    return f"{whole:,} {noun if whole == 1 else plural or noun + 's'}"


def local_time(iso: str) -> str:
    """Return an ISO time in this machine's zone, ``2025-01-31 14:05:09``; '' stays ''."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return ""


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Return names joined by commas; beyond ``limit`` they are counted."""
    every = [line(name, 80) for name in names]
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + rest


def listed_within(names: Iterable[str], width: int) -> str:
    """Return names joined by commas, as many as fit ``width`` columns and at least one; the rest are counted."""
    every, fitting, used = list(names), 0, 0
    while fitting < len(every) and (fitting == 0 or used + len(every[fitting]) + 2 <= width):
        used += len(line(every[fitting], 80)) + 2
        fitting += 1
    return listed(every, fitting)


def command(*words: str, base_path: str | None = None) -> str:
    """Return a ``matrioska`` command line that can be pasted into a shell.

    Args:
        words: the words after ``matrioska``.
        base_path: the base path to name; None when the next command finds it by itself.
    """
    every = ["matrioska", *words]
    if base_path is not None:
        every += ["--base-path", base_path]
    return " ".join(quoted(word) for word in every)


def quoted(word: str) -> str:
    """Return a word as this system's shell takes it, quoted where needed."""
    if sys.platform == "win32":
        return f'"{word}"' if re.search(r"[\s&()^]", word) else word
    # Placeholders in upper case stay readable.
    return word if re.fullmatch(r"[A-Z]+", word) else shlex.quote(word)
