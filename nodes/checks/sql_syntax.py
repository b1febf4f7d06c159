"""Syntax faults of SQL: a statement passes when any of the common dialects can read it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import sqlglot
from sqlglot import TokenType
from sqlglot.errors import ParseError, SqlglotError, TokenError

from matrioska.nodes.checks.wording import Lines, shorten
from matrioska.state.wording import near_match

#: Generic SQL first: it reads most scripts, and its complaint is the one to show.
_DIALECTS = ("", "sqlite", "postgres", "mysql", "tsql", "duckdb", "bigquery", "oracle", "snowflake")

#: Beyond this the parser takes seconds, so only the first statements are read.
_MAX_PARSED = 100_000

#: Lines that command-line clients obey themselves (``\echo`` of psql, ``.mode`` of SQLite, GO).
_CLIENT_COMMANDS = re.compile(r"^(?:\\|\.[a-z]|GO\s*$)[^\n]*$", re.MULTILINE)

# The parser knows these in every dialect. Functions, triggers, operators and grants it knows in
# part, and a statement that it merely does not know is no fault.
_HELD = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|ALTER\s+TABLE|DROP\s+TABLE"
    r"|CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+|UNIQUE\s+)?(?:TABLE|INDEX|VIEW))\b",
    re.IGNORECASE,
)

#: The parser names the classes of its own tree, which mean nothing to who wrote the statement.
_OWN_WORDS = re.compile(r" for <class .*| but got <Token .*|Required keyword: |[.\s]+\Z")

_VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE")
_FIRST_WORD = re.compile(r"(?<=\A)[A-Za-z]+|(?<=\s)(?<!--)[A-Za-z]+")

# It warns of every statement that it keeps as it stands, which is no fault of the script.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def sql_faults(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield line, column and words of every statement that no dialect can read."""
    if len(text) > _MAX_PARSED:
        text = text[: text.rfind(";", 0, _MAX_PARSED) + 1]
    # Blanked and not removed, so that places stay true.
    text = _CLIENT_COMMANDS.sub(lambda match: " " * len(match.group()), text)
    statements, unreadable = _statements(text)
    if unreadable:
        yield 0, 0, f"the SQL cannot be read: {unreadable}"
    lines = Lines(text)
    for start, statement in statements:
        if fault := _fault(statement) if _HELD.match(statement) else _misspelt(statement):
            offset, words = fault
            yield *lines.place(start + offset), words


def _statements(text: str) -> tuple[list[tuple[int, str]], str]:
    """Return offset and text of every statement, or why no dialect can tell them apart."""
    complaint = ""
    for dialect in _dialects_for(text):
        try:
            tokens = sqlglot.tokenize(text, read=dialect or None)
        except TokenError as error:
            complaint = complaint or shorten(str(error), 160)
            continue
        ends = [token.start for token in tokens if token.token_type == TokenType.SEMICOLON]
        starts = [0, *(end + 1 for end in ends)]
        return [(start, text[start:end]) for start, end in zip(starts, [*ends, len(text)], strict=True)], ""
    return [], complaint


def _dialects_for(text: str) -> tuple[str, ...]:
    """Return the dialects in the order to try; quotes that only one knows go first to it."""
    first = "postgres" if "$$" in text else "mysql" if "`" in text else ""
    return (first, *(dialect for dialect in _DIALECTS if dialect != first))


def _fault(statement: str) -> tuple[int, str] | None:
    complaint: tuple[int, str] | None = None
    for dialect in _dialects_for(statement):
        try:
            sqlglot.parse(statement, dialect=dialect or None)
        except SqlglotError as error:
            complaint = complaint or _words(statement, error)
        else:
            return None
    return complaint


def _misspelt(statement: str) -> tuple[int, str] | None:
    """Notice a first word that is nearly one of the common ones: parsers keep unknown commands as they stand."""
    first = _FIRST_WORD.search(statement)
    if first is None or first.group().upper() in _VERBS:
        return None
    verb = near_match(first.group().upper(), _VERBS, 0.8)
    return (first.start(), f"no statement starts with '{first.group()}': did you mean {verb}?") if verb else None


def _words(statement: str, error: SqlglotError) -> tuple[int, str]:
    start = len(statement) - len(statement.lstrip())
    if not isinstance(error, ParseError) or not error.errors:
        return start, f"the SQL cannot be read: {shorten(str(error), 160)}"
    first = error.errors[0]
    near = shorten(str(first.get("highlight") or ""), 40)
    words = _OWN_WORDS.sub("", str(first.get("description") or "it cannot be read"))
    line, column = int(first.get("line") or 1), int(first.get("col") or 1)
    offset = sum(len(row) + 1 for row in statement.split("\n")[: line - 1]) + max(0, column - len(near))
    return min(offset, len(statement)), f"the SQL cannot be read near '{near}': {words}"
