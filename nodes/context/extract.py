"""What is told of an entry when no model condenses it: its names, and its most telling lines as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from matrioska.nodes.context.names import words_of

#: Stands where lines were left out.
GAP = "…"
#: Longer lines are taken in parts.
_LONGEST_LINE = 160
_LINE = re.compile(r"[^\n]+\n*|\n+")
_SIGNATURE = re.compile(
    r"\s*(?:#{1,6}\s|<h[1-6]\b|@\w|\"[^\"]{1,80}\"\s*:|(?:export\s+|default\s+|async\s+|public\s+|static\s+)*"
    r"(?:def|class|function|interface|type|enum|struct|fn|func|const|let|var)\b)"
)


@dataclass(frozen=True)
class _Span:
    """A line, or a part of a long one, with the line breaks behind it."""

    start: int
    end: int
    depth: int
    """Characters by which its line is indented."""


def headline(names: Collection[str]) -> str:
    """Return the line that an extract begins with: every name that must survive; without names only a mark."""
    return f"Names: {', '.join(sorted(names))}" if names else GAP


def extract(text: str, names: Collection[str], fits: Callable[[str], bool]) -> str:
    """Return the names and as many of the most telling lines as fit, in the order of the text.

    Lines that hold a name come first, then headings and signatures, outer lines before inner ones,
    earlier before later.

    Args:
        text: the entry.
        names: what must survive; they all stand in the first line.
        fits: whether a text is small enough. The `headline` alone has to be.
    """
    spans = _spans(text)
    order = _ranked(text, spans, names)
    best, low, high = headline(names), 0, len(order)
    # A text with more lines is larger, so that the largest that fits is found by halves.
    while low < high:
        middle = (low + high + 1) // 2
        candidate = _shown(text, [spans[index] for index in sorted(order[:middle])], names)
        if fits(candidate):
            low, best = middle, candidate
        else:
            high = middle - 1
    return best


def _spans(text: str) -> list[_Span]:
    spans = []
    for found in _LINE.finditer(text):
        line = found.group()
        depth, start = len(line) - len(line.lstrip()), found.start()
        while found.end() - start > _LONGEST_LINE:
            space = text.rfind(" ", start + 1, start + _LONGEST_LINE)
            end = space + 1 if space > 0 else start + _LONGEST_LINE
            spans.append(_Span(start, end, depth))
            start = end
        spans.append(_Span(start, found.end(), depth))
    return spans


def _ranked(text: str, spans: list[_Span], names: Collection[str]) -> list[int]:
    wanted = words_of(" ".join(names))

    def key(index: int) -> tuple[bool, bool, int, int]:
        line = text[spans[index].start : spans[index].end]
        return wanted.isdisjoint(words_of(line)), _SIGNATURE.match(line) is None, spans[index].depth, index

    return sorted(range(len(spans)), key=key)


def _shown(text: str, chosen: list[_Span], names: Collection[str]) -> str:
    """Return the names, and the chosen spans with a mark for each gap."""
    runs, shown = _runs(chosen), [headline(names)] if names else []
    for number, (start, end) in enumerate(runs):
        if start > (runs[number - 1][1] if number else 0):
            shown.append(GAP)
        shown.append(text[start:end].rstrip("\n"))
    if runs[-1][1] < len(text):
        shown.append(GAP)
    return "\n".join(shown)


def _runs(chosen: list[_Span]) -> list[tuple[int, int]]:
    """Return the spans with neighbours joined."""
    runs: list[tuple[int, int]] = []
    for span in chosen:
        if runs and runs[-1][1] == span.start:
            runs[-1] = (runs[-1][0], span.end)
        else:
            runs.append((span.start, span.end))
    return runs
