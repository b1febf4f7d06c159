"""The outline of a text file: what later work must know of it, at a small part of its length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from matrioska.nodes.checks.names import HTML, PROSE, SCRIPT, module_names
from matrioska.nodes.checks.wording import shorten
from matrioska.state.artifacts import SourceFile

#: Characters of an outline.
MOST_OUTLINE = 1_500
#: Characters of a file that are looked at: a generated one may have megabytes.
_MOST_READ = 50_000
_FIRST_LINES = 8
_LINE = 120
_HEADING = re.compile(r"^(#{1,6} .+|<h[1-6][ >].+|<title>.+)$", re.MULTILINE | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def outline(file: SourceFile) -> str:
    """Return path, headings, names and first lines of a file, within `MOST_OUTLINE` characters."""
    head = f"{file.path} ({len(file.text):,} characters)"
    parts = [head, *_parts(SourceFile(path=file.path, text=file.text[:_MOST_READ]))]
    return _within("\n".join(parts), MOST_OUTLINE)


def _parts(file: SourceFile) -> Iterator[str]:
    suffix = PurePosixPath(file.path).suffix.casefold()
    if suffix in PROSE or suffix in HTML:
        yield from _line(
            "Headings", (_TAG.sub("", heading).strip("# ") for heading in _HEADING.findall(file.text)), 400
        )
    if suffix in HTML | SCRIPT | {".css", ".py"}:
        names = module_names([file])
        yield from _line("Defines", sorted(name for name in names.functions if not name.startswith("__")), 400)
        yield from _line("Ids", sorted(names.ids | names.styled_ids), 200)
        yield from _line("Classes", sorted(names.classes - names.functions), 200)
    lines = [shorten(line, _LINE) for line in file.text.splitlines() if line.strip()]
    if lines:
        yield "Begins:"
        yield from lines[:_FIRST_LINES]


def _line(head: str, names: Iterable[str], most: int) -> Iterator[str]:
    told = ", ".join(shorten(name) for name in names)
    if told:
        yield _within(f"{head}: {told}", most)


def _within(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
