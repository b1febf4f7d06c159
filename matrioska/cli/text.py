"""Words and figures for the screen. Pure: no terminal, no clock of its own."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from datetime import datetime

from rich.cells import cell_len

from matrioska.i18n import N_, _, figure
from matrioska.state.figures import dollars as dollars
from matrioska.state.figures import duration as duration
from matrioska.state.figures import size as size
from matrioska.state.text import clean_text

#: States of runs, questions, modules and conversations as they are saved, which people are shown in their language.
STATES = (
    *(N_("complete"), N_("partial"), N_("failed"), N_("waiting"), N_("unfinished"), N_("interrupted"), N_("empty")),
    *(N_("unreadable"), N_("done"), N_("blocked"), N_("open")),
)

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


def state_word(state: object) -> str:
    """Return a state in the language spoken; one that is none of `STATES` stands for itself."""
    return _(state) if isinstance(state, str) and state in STATES else line(state, 40)


def padded(label: str, labels: Iterable[str], gap: int = 1) -> str:
    """Return a label in the language spoken, with blanks up to where the values of all labels stand.

    Args:
        label: its English text, marked by `N_`.
        labels: all that stand one below another, likewise.
        gap: blanks behind the widest of them.
    """
    said = _(label)
    return said + " " * (max(cell_len(_(each)) for each in (label, *labels)) - cell_len(said) + gap)


def local_time(iso: str) -> str:
    """Return an ISO time in this machine's zone, ``2025-01-31 14:05:09``; '' stays ''."""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return ""


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Return names joined by commas; beyond ``limit`` they are counted."""
    every = [line(name, 80) for name in names]
    shown = ", ".join(every[:limit])
    if len(every) <= limit:
        return shown
    return _("{names} and {n} more").format(names=shown, n=figure(len(every) - limit))


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
