"""Made-up sample data: plausible, the same at every call, and dirty in the ways that real data are."""

from __future__ import annotations

import csv
import io
import math
import zlib
from datetime import date, timedelta
from random import Random

from matrioska.models.embedded.analysis.lexicon import DIMENSIONS, MEASURES
from matrioska.models.embedded.analysis.reading import Column

ROWS = 240
_FIRST_DAY = date(2024, 1, 1)

Row = dict[str, str]


def sample_csv(columns: tuple[Column, ...], *, portuguese: bool, seed: str) -> str:
    """Return a CSV with those columns: mostly clean rows, and a few of each common fault."""
    random = Random(zlib.crc32(seed.encode()))  # noqa: S311 (sample data, not a secret)
    rows = [_row(columns, index, random, portuguese) for index in range(ROWS)]
    _soil(rows, columns, random)
    out = io.StringIO()
    writer = csv.DictWriter(out, [column.name for column in columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(columns: tuple[Column, ...], index: int, random: Random, portuguese: bool) -> Row:
    day = _FIRST_DAY + timedelta(days=int(index * 366 / ROWS))
    row: Row = {}
    effect = 1.0
    for column in columns:
        if column.role == "id":
            row[column.name] = f"{column.name[:1].upper()}{index + 1:04d}"
        elif column.role == "time":
            row[column.name] = day.isoformat()
        elif column.role == "dimension":
            values = sample_values(column, portuguese=portuguese)
            choice = min(int(random.random() ** 1.3 * len(values)), len(values) - 1)
            row[column.name] = values[choice]
            effect *= 1.15 - 0.3 * choice / len(values)
    season = 0.5 + 0.5 * math.sin((day.timetuple().tm_yday - 100) / 366 * 2 * math.pi)
    common = random.random()
    for column in columns:
        if column.role == "measure":
            row[column.name] = _number(column, effect, season, common, random)
    return row


def sample_values(column: Column, *, portuguese: bool) -> list[str]:
    """Return the sample values of a dimension."""
    for dimension in DIMENSIONS:
        if dimension.name == column.name or dimension.labels[portuguese] == column.label:
            return dimension.values[portuguese].split("|")
    return [f"{column.label} {letter}" for letter in "ABCD"]


def _number(column: Column, effect: float, season: float, common: float, random: Random) -> str:
    known = next((m for m in MEASURES if m.name == column.name), None)
    low, high = (known.low, known.high) if known else (10.0, 100.0)
    place = 0.45 * common + 0.35 * season + 0.2 * random.random()
    value = low + (high - low) * min(1.0, place * effect)
    if known and known.whole:
        return str(round(value))
    return f"{value:.2f}"


def _soil(rows: list[Row], columns: tuple[Column, ...], random: Random) -> None:
    measures = [column for column in columns if column.role == "measure"]
    dimensions = [column for column in columns if column.role == "dimension"]
    times = [column for column in columns if column.role == "time"]
    spoiled = random.sample(range(len(rows)), 30)
    for index in spoiled[:5]:
        rows[index][measures[0].name] = random.choice(["", "n/a", "-"])
    for index in spoiled[5:12]:
        for column in dimensions[:1]:
            text = rows[index][column.name]
            rows[index][column.name] = random.choice([text.upper(), f"  {text} ", text.lower()])
    for index in spoiled[12:15]:
        for column in dimensions[-1:]:
            rows[index][column.name] = ""
    for index in spoiled[15:22]:
        for column in times:
            day = date.fromisoformat(rows[index][column.name])
            # A day above 12 leaves no doubt which number is the month.
            rows[index][column.name] = f"{max(day.day, 13):02d}/{day.month:02d}/{day.year}"
    for index in spoiled[22:24]:
        _impossible(rows[index], measures[-1])
    values = [float(row[measures[0].name]) for row in rows if row[measures[0].name] not in ("", "n/a", "-")]
    rows[spoiled[24]][measures[0].name] = _far(measures[0], values)
    for index in spoiled[25:]:
        rows.append(dict(rows[index]))


def _impossible(row: Row, column: Column) -> None:
    if column.maximum is not None:
        row[column.name] = f"{column.maximum * 10:g}"
    elif column.minimum is not None:
        row[column.name] = f"{column.minimum - 7:g}"


def _far(column: Column, values: list[float]) -> str:
    """Return a value that is possible but far from the others."""
    far = max(values) + 3.2 * (max(values) - min(values))
    return f"{min(far, column.maximum) if column.maximum is not None else far:.2f}".removesuffix(".00")
