"""Outlines: what defines a file, never more than its bound."""

from __future__ import annotations

import pytest

from matrioska.nodes.outline import MOST_OUTLINE, outline
from matrioska.state.artifacts import SourceFile


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("a.md", "# Shop\n\ntext\n\n## Prices *now*\n", ["Headings: Shop, Prices *now*"]),
        ("a.html", "<title>Shop</title><h1>Sell</h1>\n<p id='total' class='big'>", ["Ids: total", "Classes: big"]),
        ("a.html", "<h1 class='x'>Sell <b>it</b></h1>", ["Headings: Sell it"]),
        ("a.py", "import os\n\ndef sell(): ...\nclass Shop: ...\n", ["Defines: Shop, os, sell"]),
        ("a.js", "function sell() {}\nconst price = 1;", ["price", "sell"]),
        ("a.css", "#total { } .big { }", ["Ids: total", "Classes: big"]),
        ("a.csv", "id,name\n1,x\n", ["Begins:\nid,name\n1,x"]),
        ("a.py", "def broken(:", ["Begins:\ndef broken(:"]),
        ("empty.txt", "", ["empty.txt (0 characters)"]),
    ],
)
def test_an_outline_holds(path: str, text: str, told: list[str]) -> None:
    found = outline(SourceFile(path=path, text=text))
    assert found.startswith(path)
    for part in told:
        assert part in found


@pytest.mark.parametrize("path", ["a.md", "a.html", "a.py", "a.js", "a.css", "a.txt", "a.bin"])
@pytest.mark.parametrize(
    "unit", ["# heading\n", "def name_%d(): ...\n", "x" * 10_000, "<h1>a</h1><p id=a%d>\n", "\u2028\n"]
)
def test_no_file_has_a_long_outline(path: str, unit: str) -> None:
    text = "".join(unit.replace("%d", str(n)) for n in range(400))
    assert len(outline(SourceFile(path=path, text=text))) <= MOST_OUTLINE
