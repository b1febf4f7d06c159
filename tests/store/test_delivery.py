"""Deliveries: whole or not at all, confined, equal for equal content, and never over a person's work."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import StoreError, UnsafePathError
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.delivery import write_archive, write_records, write_tree
from matrioska.store.layout import Layout
from tests.support import delivered


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "objects")


def _files(store: ArtifactStore, **texts: str) -> list[ArtifactRef]:
    return [store.put_text(name.replace("__", "/") + ".txt", text) for name, text in texts.items()]


def _unsafe(store: ArtifactStore, path: str) -> ArtifactRef:
    return store.put_text("x.txt", "x").model_copy(update={"path": path})


def test_the_folder_holds_exactly_the_files(store: ArtifactStore, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "one"
    write_tree(folder, _files(store, a="A", sub__b="B"), store)
    write_tree(folder, _files(store, a="A2", c="C"), store)
    assert sorted(delivered(folder)) == ["a.txt", "c.txt"]
    assert (folder / "a.txt").read_text() == "A2"
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_what_a_person_changed_is_kept_beside_it(store: ArtifactStore, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for n, change in enumerate(["edited", "edited again"]):
        write_tree(folder, _files(store, a="A"), store)
        (folder / "a.txt").write_text(change)
        write_tree(folder, _files(store, a="A"), store)
        assert (folder / "a.txt").read_text() == "A"
        assert (tmp_path / f"one.edited-{n + 1}" / "a.txt").read_text() == change


def test_a_file_that_a_person_added_is_kept_too(store: ArtifactStore, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    write_tree(folder, _files(store, a="A"), store)
    (folder / "notes.txt").write_text("mine")
    write_tree(folder, _files(store, a="A"), store)
    assert (tmp_path / "one.edited-1" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("path", ["../up.txt", "/etc/x", "a/../../x", ".git/config"])
def test_unsafe_references_write_nothing(store: ArtifactStore, tmp_path: Path, path: str) -> None:
    refs = [*_files(store, a="A"), _unsafe(store, path)]
    with pytest.raises(UnsafePathError):
        write_tree(tmp_path / "out" / "one", refs, store)
    with pytest.raises(UnsafePathError):
        write_archive(tmp_path / "out" / "one.zip", refs, store, architecture={}, shared_state={})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failing_delivery_leaves_the_old_one(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out" / "one"
    write_tree(folder, _files(store, a="A"), store)
    refs = _files(store, a="B")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="No space left"):
        write_tree(folder, refs, store)
    assert (folder / "a.txt").read_text() == "A"
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_a_link_in_place_of_the_folder_is_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    (tmp_path / "one").symlink_to(elsewhere)
    write_tree(tmp_path / "one", _files(store, a="A"), store)
    assert delivered(elsewhere) == delivered(tmp_path / "one.edited-1")
    assert (tmp_path / "one" / "a.txt").read_text() == "A"
    assert not (elsewhere / "a.txt").exists()


def test_a_link_inside_is_not_followed(store: ArtifactStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("A")
    folder = tmp_path / "one"
    write_tree(folder, _files(store, a="A"), store)
    (folder / "link.txt").symlink_to(outside)
    write_tree(folder, _files(store, a="A"), store)
    assert outside.read_text() == "A"
    assert sorted(delivered(folder)) == ["a.txt"]


def test_equal_deliverables_are_equal_archives(store: ArtifactStore, tmp_path: Path) -> None:
    refs = _files(store, a="A", sub__b="ü" * 1000)
    for name in ("1.zip", "2.zip"):
        write_archive(tmp_path / name, refs, store, architecture={"name": "ü"}, shared_state={"k": 1})
        os.utime(store.root)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as bundle:
        assert bundle.testzip() is None
        assert bundle.namelist() == ["a.txt", "sub/b.txt", "matrioska/architecture.json", "matrioska/shared_state.json"]
        assert json.loads(bundle.read("matrioska/architecture.json")) == {"name": "ü"}


def test_a_module_may_be_called_as_our_records_are(store: ArtifactStore, tmp_path: Path) -> None:
    ref = store.put_text("matrioska/architecture.json", "{}")
    write_archive(tmp_path / "1.zip", [ref], store, architecture={"name": "plan"}, shared_state={})
    with zipfile.ZipFile(tmp_path / "1.zip") as bundle:
        assert len(set(bundle.namelist())) == len(bundle.namelist()) == 3
        assert bundle.read("matrioska/architecture.json") == b"{}"


def test_records_are_for_the_thread_and_the_latest(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path).prepare()
    write_records(layout, "one", {"name": "A"}, {"k": "ü"})
    for folder in (layout.checkpoints, layout.checkpoints / "one"):
        assert json.loads((folder / "architecture.json").read_text()) == {"name": "A"}
        assert json.loads((folder / "shared_state.json").read_text()) == {"k": "ü"}


def test_a_base_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot write to") as caught:
        Layout.at(tmp_path / "file").prepare()
    assert "--base-path" in caught.value.next_step


def test_what_is_not_delivered_is_private(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path / "base").prepare()
    assert {folder.stat().st_mode & 0o077 for folder in (layout.checkpoints, layout.objects)} == {0}
