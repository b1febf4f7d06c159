"""A person's files become assets: looked at, named, and kept by content for modules to read by reference."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import AssetError, UnsafePathError
from matrioska.state.paths import safe_relative_path
from matrioska.state.repository import MAX_ASSET_BYTES, Asset
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.kinds import PART, Kind, kind_of

#: Most files taken in at a time.
MOST_ASSETS = 1_000


def take_in_all(paths: Sequence[str | Path], store: ArtifactStore) -> list[Asset]:
    """Take in files, and folders with all that is in them. Nothing is kept unless all of it can be.

    A file is known by its name; one in a folder by the folder's name and its way from there. Two of the
    same name are told apart by a number. Files and folders whose names begin with a dot are passed over.

    Raises:
        AssetError: a file cannot be taken in; names every fault of every file.
        ConfigError: a package that reads a kind of file is missing.
        StoreError: the disk is full or not writable.
    """
    found, faults = list[tuple[Path, str]](), list[str]()
    for given in paths:
        for place, name in _files(Path(given), faults):
            found.append((place, name))
            if len(found) > MOST_ASSETS:
                # At once: a folder given by mistake may be a whole disk.
                faults.append(f"There are more than {MOST_ASSETS:,} files, and no more are taken in at a time.")
                raise AssetError(faults)
    for place, name in found:
        try:
            _look(place, name)
        except AssetError as error:
            faults += error.faults
    if faults:
        raise AssetError(faults)
    return [take_in(place, store, name) for place, name in _told_apart(found)]


def take_in(path: str | Path, store: ArtifactStore, name: str | None = None) -> Asset:
    """Take in one file.

    Args:
        path: where it is.
        store: where its bytes are kept.
        name: by which modules refer to it; None for the file's own.

    Raises:
        AssetError, ConfigError, StoreError: see `take_in_all`.
    """
    place = Path(path).expanduser()
    name = place.name if name is None else name
    kind = _look(place, name)
    digest, size = store.keep_parts(_parts(place, name))
    ref = ArtifactRef(path=safe_relative_path(name), sha256=digest, size=size, media_type=kind.media_type)
    return Asset(ref=ref, domain=kind.domain, description=kind.description, at=time.time())


def _look(place: Path, name: str) -> Kind:
    """Return what a file is.

    Raises:
        AssetError: it cannot be taken in.
    """
    try:
        safe_relative_path(name)
        found = place.stat()
        if not stat.S_ISREG(found.st_mode):
            raise AssetError([f"{place} is neither a file nor a folder."])
        if found.st_size > MAX_ASSET_BYTES:
            raise AssetError([f"{name} has {found.st_size:,} bytes; {MAX_ASSET_BYTES:,} are the most."])
        return kind_of(place, name)
    except UnsafePathError as error:
        raise AssetError([f"The name {error.path!r} is refused: {error.reason}."], next_step="Rename it.") from error
    except OSError as error:
        raise _unreadable(place, error) from error


def _unreadable(place: Path, error: OSError) -> AssetError:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return AssetError([f"There is no file {place}." if missing else f"{place} cannot be read: {error.strerror}."])


def _parts(place: Path, name: str) -> Iterator[bytes]:
    size = 0
    try:
        with place.open("rb") as stream:
            while part := stream.read(PART):
                size += len(part)
                if size > MAX_ASSET_BYTES:
                    raise AssetError([f"{name} grew beyond {MAX_ASSET_BYTES:,} bytes while it was read."])
                yield part
    except OSError as error:
        raise _unreadable(place, error) from error


def _files(given: Path, faults: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield the files that a path stands for with their names; add to ``faults`` what cannot be looked into."""
    try:
        given = given.expanduser()
        root = given.resolve() if given.is_dir() else None
    except OSError as error:
        faults += _unreadable(given, error).faults
        return
    except RuntimeError:
        # So pathlib speaks of a name behind "~" that is nobody's.
        faults.append(f"{given} cannot be found: it names the home of nobody on this system.")
        return
    if root is None:
        yield given, given.name
        return
    count = 0
    for place in _walk(root, faults):
        count += 1
        yield place, (PurePosixPath(root.name) / place.relative_to(root).as_posix()).as_posix()
    if not count and not faults:
        faults.append(f"The folder {given} holds no files.")


def _walk(root: Path, faults: list[str]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        faults.append(f"{error.filename} cannot be read: {error.strerror}.")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = sorted(name for name in files if not name.startswith("."))
        for number, name in enumerate((*folders, *seen)):
            place = Path(folder) / name
            # Not pathlib's: it raises where links lead in a circle, which the look at the file tells better.
            if place.is_symlink() and not Path(os.path.realpath(place)).is_relative_to(root):
                faults.append(f"{place} is a link that leads out of its folder.")
            elif number >= len(folders):
                yield place


def _told_apart(found: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    """Yield files with names that differ, in any case of letters too: some systems know none."""
    taken: set[str] = set()
    for place, name in found:
        pure, number, free = PurePosixPath(name), 2, name
        while free.casefold() in taken:
            free, number = str(pure.with_name(f"{pure.stem}-{number}{pure.suffix}")), number + 1
        taken.add(free.casefold())
        yield place, free
