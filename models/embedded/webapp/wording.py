"""What a plan of the web application recipe says to people; the words stand in wording.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from matrioska.models.embedded.tables import read_table

_HEADINGS = {"en": "English", "pt": "Portuguese"}


@dataclass(frozen=True)
class Wording:
    """Name, description and rules of one module, with slots such as ``{title}``."""

    name: str
    description: str
    rules: list[str]


@cache
def wording(language: str) -> dict[str, Wording]:
    """Return the wording of every part, and of ``constraints`` and ``unsupported``, by name."""
    rows = read_table("webapp", "wording.md", _HEADINGS[language])
    return {
        part: Wording(name, text, [rule for rule in rules.split(" / ") if rule]) for part, name, text, rules in rows
    }
