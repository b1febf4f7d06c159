"""Extracts: the names, and the most telling lines, within their room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrioska.nodes.context.extract import extract, headline
from matrioska.nodes.context.names import missing

CODE = '''"""A shelf."""
import os
x = 1
z = 'nothing here'
def addBook(title):
    y = 2
    return title

def other():
    pass
'''


def test_lines_with_names_come_first_then_signatures_in_the_order_of_the_text() -> None:
    assert extract(CODE, {"addBook"}, lambda text: len(text) <= 62) == (
        "Names: addBook\n…\ndef addBook(title):\n…\ndef other():\n…"
    )


def test_all_that_fits_is_taken() -> None:
    assert extract(CODE, {"addBook"}, lambda text: True) == f"Names: addBook\n{CODE.rstrip()}"
    assert extract(CODE, set(), lambda text: True) == CODE.rstrip()


def test_long_lines_are_taken_in_parts() -> None:
    text = extract("word " * 1_000 + "addBook " + "word " * 1_000, {"addBook"}, lambda text: len(text) < 400)
    assert text.startswith("Names: addBook\n")
    assert text.count("addBook") == 2
    assert len(text) > 200


def test_without_room_for_a_line_the_names_remain() -> None:
    assert extract(CODE, {"b", "a"}, lambda text: len(text) <= 11) == "Names: a, b"
    assert extract(CODE, set(), lambda text: len(text) <= 1) == "…"


_NAMES = st.sets(st.text(alphabet="abcXY_-$.#/ \"'\n", min_size=1, max_size=12).filter(str.strip), max_size=5)


@given(text=st.text(alphabet='abc XY_-$.\n"{}é', max_size=600), names=_NAMES, room=st.integers(0, 600))
def test_an_extract_holds_all_names_and_fits_whenever_the_names_do(text: str, names: set[str], room: int) -> None:
    names = {name.strip() for name in names}
    made = extract(text, names, lambda text: len(text) <= room)
    assert missing(made, names) == []
    assert len(made) <= max(room, len(headline(names)))
    assert made == extract(text, names, lambda text: len(text) <= room)
