"""Writing a deliverable where the person looks for it: a folder, a zip, and the plan beside them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.paths import resolve_below, safe_relative_path
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout, unwritable

ARCHITECTURE_FILE = "architecture.json"
SHARED_STATE_FILE = "shared_state.json"
# Zip stores local times; a fixed one makes equal deliverables equal archives.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_tree(folder: Path, files: Sequence[ArtifactRef], store: ArtifactStore) -> None:
    """Make ``folder`` hold exactly these files.

    The new tree is built aside and swapped in, so a kill never leaves half a deliverable. A
    folder that a person changed is kept beside it as ``<name>.edited-<n>``.

    Raises:
        StoreError: the disk is full or the folder not writable.
        UnsafePathError: a path would leave the folder.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # One name for each folder, so that what a kill left behind goes with the next delivery.
        aside = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            for ref in files:
                place = resolve_below(aside, ref.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(store.get(ref))
            _move_away(folder, store)
            aside.replace(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def _move_away(folder: Path, store: ArtifactStore) -> None:
    """Remove an earlier delivery, unless it holds work that is nowhere else."""
    if not folder.exists():
        return
    present = [path for path in folder.rglob("*") if path.is_file()]
    if all(store.holds(path.read_bytes()) for path in present):
        shutil.rmtree(folder)
        return
    count = 1
    while (kept := folder.with_name(f"{folder.name}.edited-{count}")).exists():
        count += 1
    folder.rename(kept)


def write_archive(
    archive: Path,
    files: Sequence[ArtifactRef],
    store: ArtifactStore,
    *,
    architecture: dict[str, Any],
    shared_state: dict[str, Any],
) -> None:
    """Write a zip of the deliverable, with the plan and the whiteboard in a folder ``matrioska``.

    Raises:
        StoreError: the disk is full or the folder not writable.
        UnsafePathError: a path would leave the folder it is unpacked into.
    """
    records = {ARCHITECTURE_FILE: architecture, SHARED_STATE_FILE: shared_state}
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}-")
        try:
            with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as bundle:
                for ref in files:
                    _add(bundle, safe_relative_path(ref.path), store.get(ref))
                for name, value in records.items():
                    _add(bundle, f"{_free_folder(files)}/{name}", _pretty(value).encode("utf-8"))
            Path(aside).replace(archive)
            archive.chmod(0o644)
        finally:
            Path(aside).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(archive, error) from error


def _free_folder(files: Sequence[ArtifactRef]) -> str:
    """Return a folder for the records that no module's file stands in."""
    taken = {ref.path.split("/")[0].casefold() for ref in files}
    name = "matrioska"
    while name in taken:
        name += "_"
    return name


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_ZIP_TIME)
    info.external_attr = 0o644 << 16
    bundle.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def write_records(layout: Layout, thread_id: str, architecture: dict[str, Any], shared_state: dict[str, Any]) -> None:
    """Write plan and whiteboard as JSON, for the thread and, as the latest, for the base path.

    Raises:
        StoreError: the disk is full or the folder not writable.
    """
    for folder in (layout.records(thread_id), layout.checkpoints):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ARCHITECTURE_FILE).write_text(_pretty(architecture), encoding="utf-8")
            (folder / SHARED_STATE_FILE).write_text(_pretty(shared_state), encoding="utf-8")
        except OSError as error:
            raise unwritable(folder, error) from error
