"""The command line for a reader of Portuguese: what is spoken there, and what of ours stayed English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_file

from matrioska.i18n import _, speaking_everywhere

_CLI = Path(__file__).parents[1] / "matrioska" / "cli"
#: With fewer letters, an English text stands in Portuguese ones too, or in what a model wrote.
_LEAST_LETTERS = 8


def speaking() -> AbstractContextManager[None]:
    """Speak Portuguese while this holds."""
    return speaking_everywhere("pt_BR")


@cache
def english(modules: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """Return the texts of modules of the command line, each with what it looks like on the screen."""
    found = {}
    for name in modules:
        path = _CLI / f"{name}.py"
        for _line, text, _comments, _context in extract_from_file(
            "python", path, {"_": None, "N_": None, "counted": (1, 2)}
        ):
            for said in (text,) if isinstance(text, str) else text:
                literals = re.split(r"\{\w+\}", said.strip())
                if sum(map(str.isalpha, "".join(literals))) >= _LEAST_LETTERS:
                    looks = ".{1,200}?".join(map(re.escape, literals))
                    found[said] = re.compile(rf"(?<!\w){looks}(?!\w)")
    return found


def left_in_english(modules: tuple[str, ...], screens: Sequence[str]) -> list[str]:
    """Return the English texts of modules that stand on screens although there is a Portuguese one."""
    shown = " ".join(" ".join(screens).split())
    with speaking():
        return [said for said, looks in english(modules).items() if _(said) != said and looks.search(shown)]
