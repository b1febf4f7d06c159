"""Names that must survive, and names that were made up."""

from __future__ import annotations

import re
from typing import Any

import pytest

from matrioska.nodes.context.names import (
    LONGEST_NAME,
    contract_names,
    held,
    identifiers_of,
    invented,
    missing,
    value_names,
)
from matrioska.nodes.context.pieces import Piece, Rank
from tests.nodes.distilling import job_of

SOURCE = '{"functions": ["addBook", "Store.find"], "file": "src/app.js", "ids": ["book-list"], "max_loans": 3}'


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"functions": ["add", {"name": "drop", "about": "…"}]}, {"add", "drop"}),
        ({"ids": {"app": "the root", "nav": {}}}, {"app", "nav"}),
        ({"deep": [{"more": {"still": {"deeper": {"files": ["a/b.css"]}}}}]}, {"deep", "more", "a/b.css"}),
        ({"palette": {"primary": "#123456"}, "summary": "Blue."}, {"palette", "primary"}),
        ({"rows": {f"row{n}": n for n in range(200)}}, {"rows"}),
        ({"keys": ["", "  ", " padded ", "x" * (LONGEST_NAME + 1), 3, None]}, {"padded"}),
        ("just words", set()),
        (["addBook"], set()),
    ],
)
def test_names_of_a_value(value: Any, names: set[str]) -> None:
    assert value_names("b.api", value) == names


def test_names_of_a_text_are_those_that_contracts_list_and_it_holds() -> None:
    job = job_of(values={"b.api": {"functions": ["Store.add(title)", "drop"]}}, promised={"a.api": {"ids": ["#app"]}})
    text = "class Store { add(title) {} }\n<div id='app'>\nadding dropped"
    piece = Piece("artifacts", "artifacts.b/x.js", text, Rank.HELPFUL, identifiers=frozenset({"own"}))
    assert identifiers_of(piece, contract_names(job)) == {"own", "add", "app"}


@pytest.mark.parametrize(
    ("text", "name", "stands"),
    [
        ("call add(x)", "add", True),
        ("call addBook(x)", "add", False),
        ("call re-add now", "add", False),
        ("the #app root", "#app", True),
        ("in x#app", "#app", True),
        ("the #app-bar", "#app", False),
        ("$el and el.", "el", True),
        ("$el", "el", False),
        ("preço médio", "preço", True),
        ("Add", "add", False),
        ("add", "add(", False),
        ("xStore.add Store.add", "Store.add", True),
        ("Store.adds", "Store.add", False),
        ("Store.add", "Store.add", True),
    ],
)
def test_a_name_is_held_whole_and_letter_for_letter(text: str, name: str, stands: bool) -> None:
    assert held(text, {name}) == ({name} if stands else set())
    assert missing(text, {name}) == ([] if stands else [name])


def test_no_pattern_is_compiled_for_each_of_thousands_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"Store.call{number}()" for number in range(2_000)] + [f"call{number}" for number in range(2_000)]
    monkeypatch.setattr(re, "_compile", lambda *_: pytest.fail("a pattern was compiled"))
    assert missing("xStore.call7() " + " ".join(names), names) == []
    assert missing("xStore.call7() " + " ".join(names[8:]), names[:8]) == [*names[:7], "Store.call7()"]


@pytest.mark.parametrize(
    "answer",
    [
        "Call addBook, or Store.find, from src/app.js (see ./src/app.js).",
        "Books are added and/or found; see e.g. the list #book-list of version 2.0.1, 24/7.",
        "At most max_loans value(s), i.e. 3. It is an addBook-based JavaScript API; addBook.find() too.",
        "",
    ],
)
def test_names_of_the_source_and_prose_are_not_made_up(answer: str) -> None:
    assert invented(answer, SOURCE) == []


@pytest.mark.parametrize(
    ("answer", "made_up"),
    [
        ("Call removeBook first.", ["removeBook"]),
        ("Set **max_books**.", ["max_books"]),
        ("It is in `lib/app.js`.", ["lib/app.js"]),
        ("See app.css there.", ["app.css"]),
        ("In #sidebar.", ["#sidebar"]),
        ("Call wipe() now.", ["wipe"]),
        ("Call wipe(all) now.", ["wipe"]),
        ("POST /api/loans.", ["/api/loans"]),
        ("A BookShop class, a BookShop.", ["BookShop"]),
    ],
)
def test_code_like_names_that_the_source_does_not_have_are_made_up(answer: str, made_up: list[str]) -> None:
    assert invented(answer, SOURCE) == made_up


def test_names_behind_escapes_are_known() -> None:
    assert invented("Call addBook.", '{"text": "first\\naddBook(\\"x\\")"}') == []
