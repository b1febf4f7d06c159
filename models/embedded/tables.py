"""Reading the Markdown tables in which the embedded model keeps its words."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read_table(package: str, name: str, heading: str) -> tuple[tuple[str, ...], ...]:
    """Return the rows of the table under ``## heading`` in a package's Markdown file."""
    text = files(f"matrioska.models.embedded.{package}").joinpath(name).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    # The first two lines are the column titles and the rule below them.
    return tuple(tuple(cell.strip() for cell in row) for row in rows[2:])


@cache
def words(name: str) -> frozenset[str]:
    """Return one of the word lists that the reading of tasks goes by."""
    rows = read_table("understanding", "words.md", "Words")
    return frozenset(word for listed, line in rows if listed == name for word in line.split())
