"""A file of questions: one a line, or a list as JSON, JSONL, YAML or CSV, each with an answer and an id if wanted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from matrioska.comparison.records import StudyQuestion
from matrioska.state.cascade import MAX_QUESTION
from matrioska.state.errors import TaskError, UsageError
from matrioska.state.given import check_words
from matrioska.state.text import clean_text

#: Bytes of a file, and questions of a study.
MAX_BYTES, MAX_QUESTIONS = 32_000_000, 2_000
#: Characters of a reference answer, and of an id.
MAX_REFERENCE, MAX_ID = 20_000, 80
_NAMES = {"question": "text", "query": "text", "text": "text", "answer": "reference", "reference": "reference"}
_LOOKS = "Write one question a line, or a list as .json, .jsonl, .yaml or .csv with question, answer and id."

Entry = tuple[str, Any]
"""Where it stands, and what stands there."""


class _MalformedError(Exception):
    """Something that cannot be read: where, and what is wrong with it."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")


def read_questions(path: Path) -> list[StudyQuestion]:
    """Return the questions of a file, in order. How it is read goes by the ending of its name.

    Raises:
        UsageError: it cannot be read, is empty, huge, no text or malformed, or a question is not
            one, too long, or there twice; names the place.
    """
    readers: dict[str, Callable[[str], Iterator[Entry]]] = {
        ".json": _json,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".yaml": _yaml,
        ".yml": _yaml,
        ".csv": _csv,
        ".tsv": _csv,
    }
    read = readers.get(path.suffix.casefold(), _lines)
    try:
        questions = _checked(read(_text(path)))
    except _MalformedError as error:
        raise UsageError(f"The questions in {path} cannot be used: {error}.", next_step=_LOOKS) from error
    if not questions:
        raise UsageError(f"There is no question in {path}.", next_step=_LOOKS)
    return questions


def _checked(entries: Iterator[Entry]) -> list[StudyQuestion]:
    questions: list[StudyQuestion] = []
    seen: dict[tuple[str, str], str] = {}
    for number, (place, entry) in enumerate(entries, 1):
        if number > MAX_QUESTIONS:
            raise _MalformedError(place, f"there are more than {MAX_QUESTIONS:,} questions")
        question = _question(place, entry, str(number))
        for key in (("question", question.text), ("id", question.id)):
            if first := seen.get(key):
                raise _MalformedError(place, f"the {key[0]} {key[1][:80]!r} is that of {first} too")
            seen[key] = place
        questions.append(question)
    return questions


def _text(path: Path) -> str:
    """Return a file's text.

    Raises:
        UsageError: it cannot be read, is huge, or no text.
    """
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"Cannot read the questions from {path}: {reason}.", next_step="Check its name.") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} has more than {MAX_BYTES:,} bytes.", next_step="Leave some of the questions out.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _MalformedError(f"line {line}", "this is not UTF-8 text") from error


def _question(place: str, entry: Any, number: str) -> StudyQuestion:
    fields = {"text": entry} if isinstance(entry, str) else entry
    if not isinstance(fields, dict):
        raise _MalformedError(place, f"this is a {type(entry).__name__}, no question")
    named: dict[str, Any] = {}
    for key, value in fields.items():
        name = _NAMES.get(str(key).strip().casefold(), str(key))
        if name in named:
            raise _MalformedError(place, f"it has two fields for the {'question' if name == 'text' else 'answer'}")
        named[name] = value
    try:
        return StudyQuestion(
            id=_short(named.get("id"), MAX_ID, "id") or number,
            text=check_words(named.get("text", ""), "question", MAX_QUESTION),
            reference=_short(named.get("reference"), MAX_REFERENCE, "answer"),
        )
    except (TaskError, ValueError) as error:
        what = error.message if isinstance(error, TaskError) else str(error)
        raise _MalformedError(place, what.rstrip(".")) from error


def _short(given: Any, most: int, what: str) -> str:
    """Return a short text; numbers and yes or no count as such.

    Raises:
        ValueError: it is something else, or longer than ``most`` characters.
    """
    if given is None:
        return ""
    if not isinstance(given, str | int | float):
        raise ValueError(f"its {what} is a {type(given).__name__}, not a text")
    text = clean_text(given if isinstance(given, str) else json.dumps(given)).strip()
    if len(text) > most:
        raise ValueError(f"its {what} has {len(text):,} characters, and {most:,} are the most")
    return text


def _lines(text: str) -> Iterator[Entry]:
    # Not by str.splitlines, which also parts lines at U+2028 and the like: JSON may hold those as they are.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            yield f"line {number}", line


def _json_lines(text: str) -> Iterator[Entry]:
    for place, line in _lines(text):
        yield place, _read_json(line, place)


def _json(text: str) -> Iterator[Entry]:
    return _listed(_read_json(text))


def _read_json(text: str, place: str = "") -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _MalformedError(place or f"line {error.lineno}", f"this is not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise _MalformedError(place or "the file", f"this is not JSON ({error})") from error


def _yaml(text: str) -> Iterator[Entry]:
    try:
        # Every value is a text: that an answer is yes, 007 or a date must not change it.
        return _listed(yaml.load(text, yaml.BaseLoader))  # noqa: S506 - it makes nothing but texts, lists and tables
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _MalformedError(f"line {line}", f"this is not YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _MalformedError("the file", f"this is not YAML ({error})") from error


def _listed(value: Any) -> Iterator[Entry]:
    """Yield the entries of a list, or of one under ``questions``."""
    if isinstance(value, dict) and isinstance(value.get("questions"), list):
        value = value["questions"]
    if value in (None, ""):
        return
    if not isinstance(value, list):
        raise _MalformedError("the file", f"it holds a {type(value).__name__}, not a list")
    for number, entry in enumerate(value, 1):
        yield f"entry {number}", entry


def _csv(text: str) -> Iterator[Entry]:
    """Yield the rows below a heading that names the columns; commas, semicolons or tabs part them."""
    heading = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    names: list[str] = []
    try:
        for row in rows:
            place = f"line {rows.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = _columns(row, place)
            elif len(row) != len(names):
                raise _MalformedError(place, f"it has {len(row)} columns, and the heading {len(names)}")
            else:
                yield place, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise _MalformedError(f"line {rows.line_num}", f"this is not CSV ({error})") from error


def _columns(heading: list[str], place: str) -> list[str]:
    names = [cell.strip().casefold() for cell in heading]
    if not any(_NAMES.get(name) == "text" for name in names):
        raise _MalformedError(place, "no column is called question")
    if double := next((name for at, name in enumerate(names) if name and name in names[:at]), ""):
        raise _MalformedError(place, f"two columns are called {double[:80]!r}")
    return names
