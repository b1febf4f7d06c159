"""Words and figures for the screen. Pure: no terminal, no clock of its own."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from datetime import datetime

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


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: float, noun: str, plural: str = "") -> str:
    """Return ``1 file``, ``1,234 files``."""
    whole = int(number)
    return f"{whole:,} {noun if whole == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """Return bytes as a person reads them: ``812 B``, ``12 kB``, ``3.4 MB``, ``16.0 GB``."""
    if number < 1000:
        return f"{number} B"
    if number < 1_000_000:
        return f"{number / 1000:.0f} kB"
    if number < 1_000_000_000:
        return f"{number / 1_000_000:.1f} MB"
    return f"{number / 1_000_000_000:.1f} GB"


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
