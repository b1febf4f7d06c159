"""Whether a file can be read as what its suffix says. Nothing is ever run.

A complaint means that a parser for the language gives up; where the language's own tools
forgive, so does the check.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import yaml

from matrioska.nodes.checks.markup_syntax import html_faults
from matrioska.nodes.checks.pythons import quiet
from matrioska.nodes.checks.script_syntax import script_faults
from matrioska.nodes.checks.sql_syntax import sql_faults
from matrioska.nodes.checks.stylesheets import scan_css
from matrioska.nodes.checks.wording import Lines, bounded, line_snippet
from matrioska.state.artifacts import SourceFile

#: Complaints per file: the first faults cause most of the others.
MAX_PER_FILE = 5
_MAX_YAML_DEPTH = 100

#: Line, column (both from 1; 0 when unknown) and words.
Fault = tuple[int, int, str]


def syntax_complaint(file: SourceFile) -> list[str]:
    """Return the syntax faults of one file, by its suffix; none for suffixes that are not known."""
    check = _CHECKS.get(PurePosixPath(file.path).suffix.casefold())
    if check is None or _is_commented_json(file.path):
        return []
    text = file.text.removeprefix("\ufeff")
    try:
        faults = list(check(text))
    except (RecursionError, MemoryError):
        return [f"{file.path}: it is nested too deeply to be read"]
    # Words for those that are shown only: each quotes its line, and there may be very many.
    shown = [_in_words(file.path, text, fault) for fault in faults[:MAX_PER_FILE]]
    return bounded(shown + [""] * (len(faults) - len(shown)), MAX_PER_FILE)


def _in_words(path: str, text: str, fault: Fault) -> str:
    line, column, words = fault
    if not line:
        return f"{path}: {words}"
    snippet = line_snippet(text, line)
    near = f" (the line reads: {snippet})" if snippet else ""
    return f"{path}, line {line}, column {max(column, 1)}: {words}{near}"


def _python(text: str) -> Iterator[Fault]:
    try:
        with quiet():
            compile(text, "<file>", "exec", dont_inherit=True)
    except SyntaxError as error:
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        yield error.lineno or 0, error.offset or 1, f"{version} cannot read it: {error.msg}"
    except ValueError as error:
        yield 0, 0, f"it is not Python text: {error}"


def _json(text: str) -> Iterator[Fault]:
    try:
        # Numbers become floats: Python refuses integers of over 4,300 digits, JSON does not.
        json.loads(text, parse_int=float, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        yield error.lineno, error.colno, f"it is not valid JSON: {error.msg}"
    except ValueError as error:
        yield 0, 0, f"it is not valid JSON: {error}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_lines(text: str) -> Iterator[Fault]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield from ((number, column, words) for _, column, words in _json(line))


def _is_commented_json(path: str) -> bool:
    """Return whether tools that read this file take comments in its JSON."""
    pure = PurePosixPath(path)
    return pure.name.startswith(("tsconfig", "jsconfig", ".eslintrc")) or ".vscode" in pure.parts


def _yaml(text: str) -> Iterator[Fault]:
    """Read events only: no tree is built, so aliases cannot grow and depth costs nothing."""
    anchors: set[str] = set()
    depth = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_YAML_DEPTH:
                yield *_spot(event), "it is nested too deeply to be read"
                return
            if isinstance(event, yaml.DocumentStartEvent):
                anchors.clear()
            elif isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
                yield *_spot(event), f"the alias '*{event.anchor}' names no anchor before it"
            elif anchor := getattr(event, "anchor", None):
                anchors.add(anchor)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = f"it is not valid YAML: {error.problem or error.context}"
        yield (mark.line + 1, mark.column + 1, words) if mark else (0, 0, words)
    except yaml.YAMLError as error:
        yield 0, 0, f"it is not valid YAML: {' '.join(str(error).split())}"


def _spot(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _placed(text: str, faults: list[tuple[int, str]]) -> Iterator[Fault]:
    if not faults:
        return
    lines = Lines(text)
    for offset, words in sorted(faults):
        yield *lines.place(offset), words


def _css(text: str) -> Iterator[Fault]:
    yield from _placed(text, scan_css(text).faults)


def _html(text: str) -> Iterator[Fault]:
    yield from _placed(text, html_faults(text))


_FENCE = re.compile(r"^(?P<before>[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<mark>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$")


def _markdown(text: str) -> Iterator[Fault]:
    """Find a fence at the margin that runs to the end; fences in lists and quotes end with these."""
    opened: tuple[int, str] | None = None
    nested = False
    for number, line in enumerate(text.split("\n"), 1):
        found = _FENCE.match(line)
        if opened is None and found:
            opened, nested = (number, found["mark"]), bool(found["before"].strip(" ")) or len(found["before"]) > 3
        elif opened and found and found["mark"].startswith(opened[1]) and not found["info"].strip():
            opened = None
        elif opened and nested and line and not line[0].isspace() and line[0] != ">":
            # The list or quote ended, and its fence with it; the line may open the next one.
            opened = None
            if found:
                opened, nested = (number, found["mark"]), bool(found["before"].strip(" "))
    if opened and not nested:
        yield opened[0], 1, f"the code block that {opened[1]} opens here is never closed"


def _script(text: str) -> Iterator[Fault]:
    yield from _placed(text, script_faults(text))


_CHECKS: dict[str, Callable[[str], Iterator[Fault]]] = {
    **dict.fromkeys((".py", ".pyi"), _python),
    **dict.fromkeys((".json", ".geojson", ".webmanifest", ".ipynb"), _json),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
    **dict.fromkeys((".yaml", ".yml"), _yaml),
    **dict.fromkeys((".html", ".htm"), _html),
    ".css": _css,
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), _script),
    ".sql": sql_faults,
    **dict.fromkeys((".md", ".markdown"), _markdown),
}
