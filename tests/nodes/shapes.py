"""Anything that a schema of ours allows, as a hypothesis strategy."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def anything(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for values that are valid by a schema of `nodes.schemas`."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "object":
        return st.fixed_dictionaries({key: anything(part) for key, part in schema["properties"].items()})
    if schema["type"] == "array" and "prefixItems" in schema:
        parts = [anything(part) for part in schema["prefixItems"]]
        return st.integers(schema.get("minItems", 0), len(parts)).flatmap(
            lambda length: st.tuples(*parts[:length]).map(list)
        )
    if schema["type"] == "array":
        return st.lists(anything(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema["maxItems"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=schema["maxLength"])
