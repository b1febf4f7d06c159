"""Reading a task about data: where the data come from, and which columns it speaks of."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from matrioska.models.embedded.analysis.lexicon import (
    DIMENSIONS,
    DOMAINS,
    MEASURES,
    PERIOD_WORDS,
    TIME_WORDS,
    Aggregate,
    Dimension,
    Domain,
    Measure,
)
from matrioska.models.embedded.recipe import Brief

Kind = Literal["text", "number", "date"]
Role = Literal["id", "time", "dimension", "measure"]
SourceKind = Literal["rest", "csv"]

_URL = re.compile(r"https?://[^\s<>\"'`,;)\]]+")
_FILE = re.compile(r"[\w./-]*[\w-]+\.(?:csv|tsv)\b", re.IGNORECASE)
_REST = re.compile(r"\b(?:rest|apis?|endpoints?|json|web\s?service|http)\b")
_CSV = re.compile(r"\b(?:csv|tsv|spreadsheet|planilhas?|excel)\b")
_COLUMNS = re.compile(
    r"\b(?:columns?|colunas?|fields?|campos)\b(?:\s+(?:are|named|called|sao|chamad[ao]s))?\s*[:(]?\s*"
    r"([^.;:\n)]+)"
)
_BY = re.compile(
    r"([a-z][a-z ]{2,40}?)\s+(?:by|per|por)\s+((?:[a-z]+(?:,\s*|\s+(?:and|e|and by|e por|per|by|por)\s+)?){1,5})"
)
_BETWEEN = re.compile(r",\s*|\s+(?:and by|and|e por|e|by|per|por)\s+")
#: What a title that was cut out of a sentence may end in: where the data come from, or a loose "that".
_TITLE_TAIL = re.compile(r"\s+(?:(?:that|which|que)|(?:from|a partir d[eoa]s?)(?:\s.*)?)$", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:average|mean|media|medio)\b")
_DROPPED_WORDS = """
the a an of and or for in on to from with its his her our your my each all total average mean number count sum
using that which this these compare comparing between create creates show shows analyse analyze analysis
visualise visualize chart charts graph graphs plot plots report dataset csv api rest o os as um uma de do da dos
das e ou para em no na nos nas com seu sua cada todos todas media numero crie criar mostre mostra analise
analisar grafico graficos relatorio data dados que compara comparar entre usando soma esse essa estes write
generate make produce export save build display then also escreva escrever gere gerar exporte salve mostrar
depois tambem it them
"""
_DROPPED = frozenset(_DROPPED_WORDS.split())
#: A second measure makes correlations possible; more than was asked for would only be noise.
_USUAL_MEASURES = 2


@dataclass(frozen=True)
class Column:
    """A column of the data set, as the plan publishes it."""

    name: str
    label: str
    kind: Kind
    role: Role
    unit: str = ""
    aggregate: Aggregate = "sum"
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class DataPlan:
    """What the recipe understood of a task about data."""

    title: str
    source: SourceKind
    url: str
    """Address named in the task, '' when none is."""
    file: str
    """CSV file named in the task, '' when none is."""
    columns: tuple[Column, ...]
    period: str
    """Preferred period of trends: hour, day, month, year or auto."""

    def of_role(self, role: Role) -> list[Column]:
        """Return the columns with that role, in order."""
        return [column for column in self.columns if column.role == role]


def plain(text: str) -> str:
    """Return text in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@cache
def _pattern(words: str) -> re.Pattern[str]:
    options = "|".join(re.escape(word).replace(r"\*", r"\w*") for word in words.split())
    return re.compile(rf"\b(?:{options})\b")


def _find(words: str, text: str) -> int:
    found = _pattern(words).search(text)
    return found.start() if found else -1


def read_data_plan(brief: Brief) -> DataPlan:
    """Return what the brief says about the data."""
    asked = "\n".join((brief.task, *brief.notes))
    url = _URL.search(asked)
    named = _URL.sub(" ", asked)
    file = _FILE.search(named)
    text = plain(named)
    return DataPlan(
        title=_TITLE_TAIL.sub("", brief.title) or brief.title,
        source=_source_kind(text, has_url=url is not None, has_file=file is not None),
        url=url.group().rstrip(".") if url else "",
        file=file.group() if file else "",
        columns=tuple(_columns(brief, text)),
        period=next((period for period, words in PERIOD_WORDS.items() if _find(words, text) >= 0), "auto"),
    )


def _source_kind(text: str, *, has_url: bool, has_file: bool) -> SourceKind:
    if has_url:
        return "rest"
    if has_file or (_CSV.search(text) and not _REST.search(text)):
        return "csv"
    return "rest" if _REST.search(text) else "csv"


def _columns(brief: Brief, text: str) -> list[Column]:
    pt = brief.language == "pt"
    listed = _listed_columns(brief, text)
    if len(listed) >= 2:
        return _with_needed(listed, brief)
    domain = _domain(text)
    measures = _mentioned_measures(text)
    dimensions = _mentioned_dimensions(text)
    custom_measure, custom_dimensions = _custom(brief, text, measured=bool(measures))
    if not custom_measure:
        usual = [m for name in domain.measures for m in MEASURES if m.name == name and m not in measures]
        measures += usual[: max(0, _USUAL_MEASURES - len(measures))]
    if not dimensions and not custom_dimensions:
        dimensions = [d for d in DIMENSIONS if d.name in domain.dimensions]
    columns = [Column("record_id", "Registro" if pt else "Record", "text", "id")]
    columns.append(Column("date", "Data" if pt else "Date", "date", "time"))
    columns += [dimension_column(d, pt) for d in dimensions[:4]] + custom_dimensions
    columns += ([custom_measure] if custom_measure else []) + [measure_column(m, pt) for m in measures[:4]]
    return columns


def measure_column(measure: Measure, pt: bool) -> Column:
    """Return the column of a known measure."""
    unit = {"$": "R$", "y": "anos"}.get(measure.unit, measure.unit) if pt else measure.unit.replace("y", "years")
    return Column(
        measure.name, measure.labels[pt], "number", "measure", unit, measure.aggregate, measure.minimum, measure.maximum
    )


def dimension_column(dimension: Dimension, pt: bool) -> Column:
    """Return the column of a known dimension."""
    return Column(dimension.name, dimension.labels[pt], "text", "dimension")


def _domain(text: str) -> Domain:
    hits = [(len(_pattern(domain.words).findall(text)), -index, domain) for index, domain in enumerate(DOMAINS)]
    return max(hits)[2] if max(hits)[0] else DOMAINS[0]


def _mentioned_measures(text: str) -> list[Measure]:
    found = [(_find(measure.words, text), measure) for measure in MEASURES]
    return [measure for place, measure in sorted(found, key=lambda pair: pair[0]) if place >= 0]


def _mentioned_dimensions(text: str) -> list[Dimension]:
    found = [(_find(dimension.words, text), dimension) for dimension in DIMENSIONS]
    return [dimension for place, dimension in sorted(found, key=lambda pair: pair[0]) if place >= 0]


def _custom(brief: Brief, text: str, *, measured: bool) -> tuple[Column | None, list[Column]]:
    """Return a measure and dimensions that the lexicon does not know, from "X by Y and Z"."""
    measure: Column | None = None
    dimensions: list[Column] = []
    for left, right in _BY.findall(text):
        words = [word for word in left.split() if word not in _DROPPED]
        if words and not measured and measure is None and not _is_known(" ".join(words)):
            name = "_".join(words[-2:])
            aggregate: Aggregate = "mean" if _AVERAGE.search(text) else "sum"
            measure = Column(name, _label(brief, words[-2:]), "number", "measure", "", aggregate)
        for word in _BETWEEN.split(right):
            if word in _DROPPED or len(word) < 3:
                break
            if not _is_known(word):
                dimensions.append(Column(word, _label(brief, [word]), "text", "dimension"))
    return measure, list({column.name: column for column in dimensions}.values())[:3]


def _is_known(text: str) -> bool:
    times = " ".join([TIME_WORDS, *PERIOD_WORDS.values()])
    known = [*(measure.words for measure in MEASURES), *(dimension.words for dimension in DIMENSIONS), times]
    return any(_find(words, text) >= 0 for words in known)


def _label(brief: Brief, words: list[str]) -> str:
    """Return the words as the task spells them (accents), with a capital."""
    spelling = {plain(word): word for word in re.findall(r"[^\W\d_]+", brief.task)}
    return " ".join(spelling.get(word, word) for word in words).capitalize()


def _listed_columns(brief: Brief, text: str) -> list[Column]:
    """Return the columns of an explicit list, as in "columns: date, region, amount"."""
    found = _COLUMNS.search(text)
    if not found:
        return []
    names = [re.sub(r"[^a-z0-9]+", "_", part).strip("_") for part in re.split(r",|\s+and\s+|\s+e\s+|/", found.group(1))]
    names = [name for name in names if 0 < len(name) <= 30 and name.count("_") <= 2]
    return [_guess_column(name, brief) for name in dict.fromkeys(names)] if len(names) >= 2 else []


def _guess_column(name: str, brief: Brief) -> Column:
    pt = brief.language == "pt"
    words = name.replace("_", " ")
    label = _label(brief, words.split())
    if words == "id" or words.endswith(" id") or words in ("codigo", "code"):
        return Column(name, label, "text", "id")
    if re.search(r"\b(?:date|data|timestamp|datetime|day|dia|month|mes|time|datahora)\b", words):
        return Column(name, label, "date", "time")
    measures = _mentioned_measures(words)
    if measures or re.search(
        r"\b(?:total|valor|value|amount|number|numero|count|qtd|qty|percent\w*|taxa|rate)\b", words
    ):
        known = measure_column(measures[0], pt) if measures else Column(name, label, "number", "measure")
        return Column(name, label, "number", "measure", known.unit, known.aggregate, known.minimum, known.maximum)
    return Column(name, label, "text", "dimension")


def _with_needed(columns: list[Column], brief: Brief) -> list[Column]:
    """Return listed columns, with one measure more when the list has none to count with."""
    times = [column for column in columns if column.role == "time"]
    kept = [c for c in columns if c.role != "time" or c is times[0]]
    if not any(column.role == "measure" for column in kept):
        label = "Quantidade" if brief.language == "pt" else "Quantity"
        kept.append(Column("quantity", label, "number", "measure", minimum=0))
    return kept


def columns_from(values: Any, plan: DataPlan) -> tuple[Column, ...]:
    """Return the columns that the whiteboard's ``dataset`` value names; the plan's own when it names none.

    The value may have been edited by a person or written by another model, so what is not
    a usable column is passed over.
    """
    listed = values.get("columns") if isinstance(values, dict) else None
    columns = [_column_from(item) for item in listed] if isinstance(listed, list) else []
    usable = {column.name: column for column in columns if column is not None}
    return tuple(usable.values()) or plan.columns


def _column_from(item: Any) -> Column | None:
    if not isinstance(item, dict) or not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", str(item.get("name", ""))):
        return None
    kind, role = str(item.get("kind", "text")), str(item.get("role", "dimension"))
    if kind not in ("text", "number", "date") or role not in ("id", "time", "dimension", "measure"):
        return None
    limits = [v if isinstance(v := item.get(key), int | float) else None for key in ("minimum", "maximum")]
    return Column(
        name=str(item["name"]),
        label=str(item.get("label") or item["name"])[:60],
        kind=kind,  # type: ignore[arg-type]
        role=role,  # type: ignore[arg-type]
        unit=str(item.get("unit") or "")[:10],
        aggregate="mean" if item.get("aggregate") == "mean" else "sum",
        minimum=limits[0],
        maximum=limits[1],
    )
