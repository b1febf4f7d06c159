"""The README in Portuguese says what the one in English does: the same code, commands, links and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
PORTUGUESE = (ROOT / "README.pt-BR.md").read_text(encoding="utf-8")
_COMMENT = re.compile(r"\s*# .*")


def _blocks(text: str) -> list[str]:
    """Return the code of a page, without its comments."""
    blocks = re.findall(r"```\w*\n.*?```", text, re.DOTALL)
    return ["\n".join(_COMMENT.sub("", line) for line in block.splitlines()) for block in blocks]


def _rows(text: str) -> list[list[str]]:
    """Return for each row of a table what stands there as code, in its order."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [re.findall(r"`[^`]+`", row) for row in rows]


def _targets(text: str) -> list[str]:
    """Return what a page links to, and the pictures that it shows, without the way to the other language."""
    linked = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [target for target in linked if not target.startswith("README")]


def _outline(text: str) -> list[int]:
    """Return the levels of a page's headings."""
    return [len(marks) for marks in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)]


@pytest.mark.parametrize("part", [_blocks, _rows, _targets, _outline])
def test_both_say_the_same(part: Callable[[str], list[Any]]) -> None:
    assert part(PORTUGUESE) == part(ENGLISH)
    assert part(ENGLISH), "nothing was compared"


def test_each_names_the_other_in_its_first_lines() -> None:
    assert "](README.pt-BR.md)" in "".join(ENGLISH.splitlines()[:4])
    assert "](README.md)" in "".join(PORTUGUESE.splitlines()[:4])


def test_only_one_says_how_it_is_tested() -> None:
    assert "<!-- test -->" in ENGLISH
    assert "<!--" not in PORTUGUESE
