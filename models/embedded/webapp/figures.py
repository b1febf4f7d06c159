"""Which figures and charts a dashboard shows, and how each list is set up, judged from the fields."""

from __future__ import annotations

from typing import Any

from matrioska.models.embedded.webapp.meanings import closed_options

#: Dates that say nothing about what goes on: they are no good for charts over time.
_LIFE_DATES = frozenset({"birth_date", "hire_date", "joined_on"})
_DUE_DATES = ("due_date", "return_date", "check_out", "end_date")
_MAX_CHARTS = 4
_MAX_COLUMNS = 6


def choose_charts(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most four charts: shares by choice first, then the course of time, then top lists."""
    shares, times, tops = [], [], []
    # The most connected entities tell the most: loans say more than members.
    for entity in sorted(entities, key=lambda item: -_references(item)):
        fields = entity["fields"]
        choice = next((f for f in fields if f["type"] == "choice"), None)
        choice = choice or next((f for f in fields if f["type"] == "boolean"), None)
        if choice:
            shares.append({"kind": "share", "entity": entity["name"], "field": choice["name"]})
        date = next((f for f in fields if f["type"] == "date" and f["name"] not in _LIFE_DATES), None)
        if date:
            money = next((f for f in fields if f["type"] == "money"), None)
            chart = {"kind": "time", "entity": entity["name"], "field": date["name"]}
            times.append(chart | ({"sum": money["name"]} if money else {}))
        reference = next((f for f in fields if f["type"] == "reference"), None)
        if reference:
            tops.append({"kind": "top", "entity": entity["name"], "field": reference["name"]})
    chosen = shares[:1] + times[:1] + tops[:1] + shares[1:2] + times[1:2] + tops[1:2]
    return (chosen + _plain_charts(entities))[:_MAX_CHARTS]


def _references(entity: dict[str, Any]) -> int:
    return sum(field["type"] == "reference" for field in entity["fields"])


def _plain_charts(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return charts of the largest numbers, which need neither choices nor dates nor references."""
    charts = []
    for entity in entities:
        numbers = [f for f in entity["fields"] if f["type"] in ("number", "money")]
        # The quantity says more than the price, and a year is no quantity.
        numbers.sort(key=lambda field: field["type"] != "number")
        number = next((f for f in numbers if "year" not in f["name"]), None)
        if number:
            charts.append({"kind": "largest", "entity": entity["name"], "field": number["name"]})
    return charts[:2]


def choose_due(entities: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the entity and date field of the list of what is due, when there is one."""
    for name in _DUE_DATES:
        for entity in entities:
            if any(field["name"] == name and field["type"] == "date" for field in entity["fields"]):
                return {"entity": entity["name"], "field": name, "closed": _closed_choices(entity)}
    return None


def _closed_choices(entity: dict[str, Any]) -> list[dict[str, Any]]:
    choices = [(f["name"], closed_options(f["options"])) for f in entity["fields"] if f["type"] == "choice"]
    done = [(f["name"], [True]) for f in entity["fields"] if f["name"] in ("done", "paid")]
    return [{"field": name, "values": values} for name, values in choices + done if values]


def choose_columns(entity: dict[str, Any]) -> list[str]:
    """Return the fields that a list shows: not the long texts, and not more than fit."""
    shown = [field["name"] for field in entity["fields"] if field["type"] != "longtext"]
    if len(shown) <= _MAX_COLUMNS:
        return shown
    # The status is what people look for, so it keeps its place even when it comes last.
    kept = set(shown[:_MAX_COLUMNS])
    last_choice = next((f["name"] for f in reversed(entity["fields"]) if f["type"] in ("choice", "boolean")), None)
    if last_choice and last_choice not in kept:
        kept = {*shown[: _MAX_COLUMNS - 1], last_choice}
    return [name for name in shown if name in kept]


def choose_sort(entity: dict[str, Any]) -> dict[str, str]:
    """Return the first order of a list: newest date first, else by its first field."""
    date = next((f["name"] for f in entity["fields"] if f["type"] == "date" and f["name"] not in _LIFE_DATES), None)
    leads_with_text = entity["fields"][0]["type"] == "text"
    if date and not leads_with_text:
        return {"field": date, "direction": "descending"}
    return {"field": entity["fields"][0]["name"], "direction": "ascending"}


def choose_filters(entity: dict[str, Any]) -> list[str]:
    """Return the fields that a list can be narrowed by."""
    return [f["name"] for f in entity["fields"] if f["type"] in ("choice", "boolean", "reference")][:3]
