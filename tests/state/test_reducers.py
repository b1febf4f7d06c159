"""The reducers' laws."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.reducers import add_usage, merge_by_key

_values = st.none() | st.integers() | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
_mappings = st.none() | st.dictionaries(st.sampled_from("abcd"), _values)
_usages = st.none() | st.dictionaries(st.sampled_from(["calls", "seconds"]), st.integers(0, 10**6) | st.floats(0, 1e6))


@settings(deadline=None)
@given(_mappings, _mappings)
def test_merge_takes_the_update_and_drops_none(current: dict[str, Any] | None, update: dict[str, Any] | None) -> None:
    merged = merge_by_key(current, update)
    assert None not in merged.values()
    for key in {**(current or {}), **(update or {})}:
        source = update if update is not None and key in update else current or {}
        assert merged.get(key) == source[key]


@settings(deadline=None)
@given(_mappings, _mappings)
def test_merge_is_idempotent_and_keeps_its_inputs(
    current: dict[str, Any] | None, update: dict[str, Any] | None
) -> None:
    before = (dict(current or {}), dict(update or {}))
    once = merge_by_key(current, update)
    assert merge_by_key(once, update) == once
    assert (dict(current or {}), dict(update or {})) == before


@settings(deadline=None)
@given(_mappings)
def test_merging_nothing_changes_nothing(current: dict[str, Any] | None) -> None:
    clean = merge_by_key(current, None)
    assert merge_by_key(clean, {}) == clean == merge_by_key(None, clean)


@settings(deadline=None)
@given(_mappings, _mappings, _mappings)
def test_updates_of_different_keys_commute(
    current: dict[str, Any] | None, first: dict[str, Any] | None, second: dict[str, Any] | None
) -> None:
    left = {key: value for key, value in (first or {}).items() if key in "ab"}
    right = {key: value for key, value in (second or {}).items() if key in "cd"}
    assert merge_by_key(merge_by_key(current, left), right) == merge_by_key(merge_by_key(current, right), left)


def test_dropping_one_result_keeps_the_others() -> None:
    assert merge_by_key({"a": 1, "b": 2}, {"a": None}) == {"b": 2}


@settings(deadline=None)
@given(_usages, _usages)
def test_usage_commutes_and_never_shrinks(left: dict[str, float] | None, right: dict[str, float] | None) -> None:
    total = add_usage(left, right)
    assert total == add_usage(right, left)
    assert all(total[key] >= (left or {}).get(key, 0) - 1e-6 for key in total)
    assert add_usage(total, None) == total


def test_usage_of_whole_numbers_stays_whole() -> None:
    assert add_usage({"calls": 1}, {"calls": 2, "seconds": 0.1}) == {"calls": 3, "seconds": 0.1}
    assert isinstance(add_usage({"calls": 1}, {"calls": 2})["calls"], int)
