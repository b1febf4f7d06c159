"""Sample records: plausible, the same every time, in the application's language.

Dates are numbers of days from the day the application is first opened, and references are
row numbers of the other entity: the generated store turns both into real values.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

from matrioska.models.embedded.tables import read_table, words
from matrioska.models.embedded.understanding.nouns import fold
from matrioska.models.embedded.webapp.meanings import closed_options

_ROWS = 8
_LINK_ROWS = 12
#: Days from today by name of field: first value and step, so that some are past and some to come.
_DATES: dict[str, tuple[int, int]] = {
    "loan_date": (-4, -9), "due_date": (12, -4), "return_date": (10, -9), "birth_date": (-9200, -871),
    "joined_on": (-35, -67), "hire_date": (-120, -211), "start_date": (-8, -17), "end_date": (40, -11),
    "check_in": (-2, -6), "check_out": (3, -6), "date": (5, -8),
}  # fmt: skip
_NUMBERS: dict[str, tuple[float, ...]] = {
    "year": (1899, 1997, 2008, 1967, 2015, 1954, 2020, 1988),
    "copies": (3, 2, 5, 1, 4, 2, 6, 3),
    "stock": (24, 8, 130, 3, 57, 0, 41, 16),
    "quantity": (12, 4, 2, 30, 8, 1, 16, 5),
    "capacity": (4, 2, 6, 8, 20, 30, 2, 10),
    "duration": (30, 45, 60, 90, 50, 40, 120, 25),
    "age": (34, 28, 51, 42, 19, 67, 25, 38),
    "grade": (8.5, 7, 9.5, 6, 10, 7.5, 8, 9),
    "rating": (5, 4, 4, 3, 5, 2, 4, 5),
    "progress": (80, 35, 100, 10, 55, 0, 90, 65),
    "weight": (12, 4.2, 27, 8, 3.5, 31, 5, 18),
    "servings": (4, 2, 6, 8, 4, 2, 4, 10),
    "prep_time": (25, 40, 15, 60, 90, 20, 35, 50),
    "bedrooms": (2, 3, 1, 4, 2, 3, 5, 1),
    "area": (68, 120, 42, 210, 75, 98, 340, 55),
    "mileage": (15200, 48100, 3900, 92000, 27500, 61000, 8100, 33000),
}
_LATE = frozenset({"overdue", "atrasado"})
#: Row numbers of references: some occur more often, so that charts have something to tell.
_SPREAD = (0, 1, 2, 0, 3, 1, 4, 0, 5, 2, 6, 7)
_MONEY = (49.9, 120.0, 15.5, 310.0, 89.0, 24.9, 199.0, 75.0)
_BIG_MONEY = {"salary": 60, "budget": 100, "rent": 12, "fee": 1}


def samples_of(entity: dict[str, Any], entities: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    """Return the sample records of one entity."""
    names = {other["name"] for other in entities}
    links = sum(field["type"] == "reference" for field in entity["fields"])
    count = _LINK_ROWS if links >= 2 else _ROWS
    return [
        {
            field["name"]: value
            for field in entity["fields"]
            if (value := _value(entity, field, row, names, language)) is not None
        }
        for row in range(count)
    ]


def _value(entity: dict[str, Any], field: dict[str, Any], row: int, names: set[str], language: str) -> Any:
    name, kind = field["name"], field["type"]
    if kind == "reference":
        turned = _SPREAD[(row + zlib.crc32(name.encode())) % len(_SPREAD)]
        return turned if field.get("target") in names else None
    if kind == "boolean":
        return row % 4 != 2
    if kind == "choice":
        return _choice(entity, field["options"], row)
    if kind == "date":
        start, step = _DATES.get(name, (6, -8))
        return start + step * row
    if kind in ("number", "money"):
        return _number(entity, name, kind, row)
    return _text(entity, field, row, language)


def _choice(entity: dict[str, Any], options: list[str], row: int) -> str:
    """Return a choice that agrees with the record's dates: what is over is closed, what is late is late."""
    closed = closed_options(options)
    has_due = any(field["name"] == "due_date" for field in entity["fields"])
    if has_due and closed and len(options) > len(closed):
        start, step = _DATES["due_date"]
        running = [option for option in options if option not in closed and fold(option) not in _LATE]
        late = [option for option in options if fold(option) in _LATE]
        if start + step * row < 0:
            return late[0] if late and row % 4 == 0 else closed[row % len(closed)]
        return running[row % len(running)] if running else options[0]
    return options[(row * row + row // 2) % len(options)]


def _number(entity: dict[str, Any], name: str, kind: str, row: int) -> float:
    if name in _NUMBERS:
        return _NUMBERS[name][row % 8]
    if kind == "money":
        scale = 5000 if entity["name"] == "property" else _BIG_MONEY.get(name, 1)
        return round(_MONEY[(row + len(name)) % 8] * scale, 2)
    return (row * 7 + len(name)) % 40 + 1


def _text(entity: dict[str, Any], field: dict[str, Any], row: int, language: str) -> str | None:
    name = field["name"]
    pools = _pools(language)
    if field["type"] == "email":
        return _email(pools["person"][row % 8])
    pool = pools.get(f"{entity['name']}.{name}") or pools.get(name)
    if name in ("name", "title", "author") and not pools.get(f"{entity['name']}.{name}"):
        pool = pools["person"] if entity["name"] in _PEOPLE or name == "author" else None
    if pool:
        return pool[row % len(pool)]
    if field["type"] == "longtext":
        return pools["remark"][row % len(pools["remark"])] if row % 2 == 0 else None
    if field["required"] or field is entity["fields"][0]:
        return f"{entity['label'] if field is entity['fields'][0] else field['label']} {row + 1}"
    return None


_PEOPLE = words("people")


def _email(person: str) -> str:
    first, *_, last = fold(person).split()
    return f"{first}.{last}@example.com"


@cache
def _pools(language: str) -> dict[str, list[str]]:
    column = 2 if language == "pt" else 1
    rows = read_table("webapp", "pools.md", "Pools")
    return {row[0]: [item.strip() for item in row[column].split(";")] for row in rows}
