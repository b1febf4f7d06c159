"""Identifiers and slugs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.ids import MODULE_ID, SHARED_KEY, THREAD_ID, slug


@pytest.mark.parametrize("text", ["a", "a1", "task-list", "a_b", "a" * 64])
def test_module_ids(text: str) -> None:
    assert MODULE_ID.match(text)


@pytest.mark.parametrize("text", ["", "A", "1a", "-a", "a b", "a:b", "a|b", "a/b", "a.b", "é", "a" * 65, "a\n", "\na"])
def test_malformed_module_ids(text: str) -> None:
    assert not MODULE_ID.match(text)


@pytest.mark.parametrize("text", ["key", "_key", "api.routes", "Key-1", "a" * 64])
def test_shared_keys(text: str) -> None:
    assert SHARED_KEY.match(text)


@pytest.mark.parametrize("text", ["", "1a", "a b", "a\n", "é", ".a", "a" * 65, "a]b"])
def test_malformed_shared_keys(text: str) -> None:
    assert not SHARED_KEY.match(text)


@pytest.mark.parametrize(("text", "fits"), [("a-1_B", True), ("1", True), ("", False), ("a\n", False), ("a:b", False)])
def test_thread_ids(text: str, fits: bool) -> None:
    assert bool(THREAD_ID.match(text)) is fits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A to-do list", "a-to-do-list"),
        ("  Épico ÇÃO  ", "epico-cao"),
        ("日本", ""),
        ("", ""),
        ("supercalifragilisticexpialidocious-and-more", "supercalifragilisticexpialidocio"),
        ("one two three four five six seven eight", "one-two-three-four-five-six"),
    ],
)
def test_slugs(text: str, expected: str) -> None:
    assert slug(text) == expected


@settings(deadline=None)
@given(st.text(), st.integers(1, 64))
def test_a_slug_is_safe_and_bounded(text: str, limit: int) -> None:
    made = slug(text, limit)
    assert len(made) <= limit
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", made)
    assert slug(made, limit) == made
