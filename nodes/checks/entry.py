"""Which file of a deliverable to open first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

_PROGRAMS = ("main.py", "app.py", "__main__.py")


def entry_point(paths: Sequence[str]) -> str:
    """Return the file to open first; '' when there is none.

    In this order: an ``index.html``, other HTML, ``main.py``, ``app.py``, ``__main__.py``,
    ``README.md``, other Markdown, anything. Among equals the one nearest the root, then by name.
    """
    return min(paths, key=_rank, default="")


def _rank(path: str) -> tuple[int, int, int, str]:
    pure = PurePosixPath(path)
    name, suffix, depth = pure.name.casefold(), pure.suffix.casefold(), len(pure.parts)
    if suffix in {".html", ".htm"}:
        kind = 0 if pure.stem.casefold() == "index" else 1
        return kind, 0, depth, path
    if name in _PROGRAMS:
        return 2, _PROGRAMS.index(name), depth, path
    if suffix in {".md", ".markdown"}:
        return (3 if name == "readme.md" else 4), 0, depth, path
    return 5, 0, depth, path
