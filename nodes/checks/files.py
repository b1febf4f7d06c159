"""Checks of a module's files as a set: paths, sizes, collisions."""

from __future__ import annotations

from collections.abc import Sequence

from matrioska.nodes.checks.wording import bounded, listed, shorten
from matrioska.state.artifacts import MAX_FILE_BYTES, MAX_MODULE_BYTES, SourceFile
from matrioska.state.errors import UnsafePathError
from matrioska.state.paths import safe_relative_path


def file_complaints(files: Sequence[SourceFile]) -> list[str]:
    """Return every fault of a module's files: none at all, unsafe, empty, too large, colliding."""
    if not files:
        return ["The answer holds no file. Write each file in a fenced block with its path."]
    complaints: list[str] = []
    paths: list[str] = []
    total = 0
    for file in files:
        size = len(file.text.encode("utf-8", "surrogatepass"))
        total += size
        try:
            paths.append(safe_relative_path(file.path))
        except UnsafePathError as error:
            complaints.append(f"The path '{shorten(file.path)}' is refused: {error.reason}.")
        if not file.text.strip():
            complaints.append(f"The file {shorten(file.path)} is empty.")
        if size > MAX_FILE_BYTES:
            complaints.append(f"The file {shorten(file.path)} has {size:,} bytes, more than {MAX_FILE_BYTES:,}.")
    if total > MAX_MODULE_BYTES:
        complaints.append(f"The files have {total:,} bytes together, more than {MAX_MODULE_BYTES:,}.")
    return bounded(complaints + _collisions(paths))


def _collisions(paths: Sequence[str]) -> list[str]:
    """Return complaints about paths that are one on systems that ignore case, and files used as folders."""
    by_folded: dict[str, list[str]] = {}
    for path in paths:
        by_folded.setdefault(path.casefold(), []).append(path)
    complaints = []
    for same in by_folded.values():
        if len(same) > 1 and len(set(same)) == 1:
            complaints.append(f"The path '{same[0]}' is given {len(same)} times.")
        elif len(same) > 1:
            complaints.append(f"The paths {listed(dict.fromkeys(same))} differ only in case.")
    folders = {folder for folded in by_folded for folder in _folders_of(folded)}
    complaints.extend(
        f"The path '{by_folded[folded][0]}' is a file and a folder at once."
        for folded in by_folded
        if folded in folders
    )
    return complaints


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
