"""The files that a person sees beside ``.git``: changed only where that loses nothing of theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dulwich.index import Index, IndexEntry, index_entry_from_stat
from dulwich.objects import Blob, ObjectID

from matrioska.state.errors import UnsafePathError
from matrioska.state.paths import resolve_below
from matrioska.store.exporters.repository import Repository

Files = Mapping[str, ObjectID]

#: What git leaves in its folder while a person is in the midst of something.
_UNDER_WAY = (
    "index.lock",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "rebase-merge",
    "rebase-apply",
    "BISECT_LOG",
)


def is_clean(repository: Repository, old: Files, new: Files) -> bool:
    """Whether the files are those of the last export, or already of the new one, and nothing is under way.

    Args:
        repository: the repository that they belong to.
        old: the files of the last export.
        new: those that are to take their place.
    """
    if any(os.path.lexists(repository.git / name) for name in _UNDER_WAY):
        return False
    try:
        staged = {path.decode(): entry for path, entry in Index(str(repository.git / "index")).items()}
    except Exception:  # noqa: BLE001 - a damaged or hostile index may upset its parser in any way
        return False
    for path in {*old, *new, *staged}:
        known = {old.get(path), new.get(path)}
        entry = staged.get(path)
        if entry is not None and (not isinstance(entry, IndexEntry) or entry.sha not in known):
            return False
        if (entry is None and None not in known) or _content(repository.folder, path) not in known:
            return False
    return True


def _content(folder: Path, path: str) -> ObjectID | None:
    """Return the name of a file's content; None when there is no file, '' when there is something else."""
    try:
        place = resolve_below(folder, path)
        if place.is_file():
            return Blob.from_string(place.read_bytes()).id
        # A file where a folder is to be is in the way, too.
        above = next(parent for parent in place.parents if os.path.lexists(parent))
        return ObjectID(b"") if os.path.lexists(place) or not above.is_dir() else None
    except UnsafePathError:
        return ObjectID(b"")


def write_files(repository: Repository, old: Files, new: Files) -> None:
    """Write the files of a commit, take away those of the one before, and tell git that they are there.

    Raises:
        OSError: they cannot be written.
        CorruptStoreError: the repository does not give back what was written to it.
        UnsafePathError: a path would leave the folder.
    """
    folder = repository.folder
    for path in old.keys() - new.keys():
        _remove(folder, path)
    index = Index(str(repository.git / "index"), read=False)
    for path, name in sorted(new.items()):
        place = resolve_below(folder, path)
        if not place.is_file() or _content(folder, path) != name:
            content = repository.content(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            # Aside and renamed: a link that somebody puts there meanwhile is replaced, never followed.
            aside = place.with_name(f".{os.urandom(8).hex()}.part")
            with aside.open("xb") as stream:
                stream.write(content)
            aside.replace(place)
        index[path.encode()] = index_entry_from_stat(place.stat(), name, mode=0o100644)
    index.write()


def _remove(folder: Path, path: str) -> None:
    place = resolve_below(folder, path)
    place.unlink(missing_ok=True)
    root = folder.resolve()
    for parent in place.parents:
        if parent == root or (parent.exists() and any(parent.iterdir())):
            break
        if parent.exists():
            parent.rmdir()
