"""Cleaning: what comes out can be stored, printed and checkpointed."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from matrioska.state.text import clean_json, clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x00\x1b[31mb\x7f", "a[31mb"),
        ("a\x9b31mb", "a31mb"),
        ("a\ud800b", "ab"),
        ("é日🙂", "é日🙂"),
    ],
)
def test_control_characters_go_and_text_stays(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@settings(deadline=None)
@given(st.text(st.characters()))
def test_cleaning_text_twice_is_cleaning_it_once(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    clean.encode()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None)
@given(_json)
def test_clean_json_is_json_and_can_be_checkpointed(value: Any) -> None:
    clean = clean_json(value)
    assert clean_json(clean) == clean
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean
    serializer = JsonPlusSerializer()
    assert serializer.loads_typed(serializer.dumps_typed(clean)) == clean


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**64, -(2**63) - 1, {1, 2}, b"x", object(), [math.nan]]
)
def test_what_json_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        clean_json({"value": value})
