"""Content-addressed files: whole or not there, found by digest, checked when read."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import CorruptStoreError, StoreError, UnsafePathError
from matrioska.store.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "objects")


def _place(store: ArtifactStore, ref: ArtifactRef) -> Path:
    return store.root / ref.sha256[:2] / ref.sha256[2:]


def test_what_is_put_comes_back(store: ArtifactStore) -> None:
    ref = store.put("a/b.html", b"<p>")
    assert ref == ArtifactRef(
        path="a/b.html", sha256=hashlib.sha256(b"<p>").hexdigest(), size=3, media_type="text/html"
    )
    assert store.get(ref) == b"<p>"


@given(content=st.binary(max_size=200))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    store = ArtifactStore(tmp_path_factory.getbasetemp() / "any")
    assert store.get(store.put("file", content)) == content
    assert store.holds(content)


def test_equal_contents_are_kept_once(store: ArtifactStore) -> None:
    first, second = store.put("a.txt", b"same"), store.put("b.txt", b"same")
    assert first.sha256 == second.sha256
    assert len([path for path in store.root.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("a.md", "text/markdown"),
        ("a.yml", "application/yaml"),
        ("a.sql", "application/sql"),
        ("a", "application/octet-stream"),
    ],
)
def test_media_types_do_not_depend_on_the_machine(store: ArtifactStore, path: str, media: str) -> None:
    assert store.put(path, b"x").media_type == media


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a\\b",
        "a\0b",
        "C:x",
        "C:/x",
        ".git/hooks/x",
        "GIT~1/x",
        "con",
        "x" * 300,
    ],
)
def test_unsafe_paths_are_refused_before_anything_is_written(store: ArtifactStore, path: str) -> None:
    with pytest.raises(UnsafePathError):
        store.put(path, b"x")
    assert not store.root.exists()


def test_changed_content_is_noticed(store: ArtifactStore) -> None:
    ref = store.put("a.txt", b"right")
    _place(store, ref).write_bytes(b"wrong")
    with pytest.raises(CorruptStoreError, match=r"a\.txt was changed on disk") as caught:
        store.get(ref)
    assert "redo" in caught.value.next_step


def test_missing_content_is_named(store: ArtifactStore) -> None:
    ref = store.put("a.txt", b"x")
    _place(store, ref).unlink()
    with pytest.raises(StoreError, match=r"a\.txt is missing"):
        store.get(ref)


def test_a_link_in_the_store_cannot_stand_in_for_content(store: ArtifactStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    ref = store.put("a.txt", b"x")
    _place(store, ref).unlink()
    _place(store, ref).symlink_to(secret)
    with pytest.raises(CorruptStoreError):
        store.get(ref)
    assert secret.read_bytes() == b"secret"


def test_a_write_that_fails_leaves_no_trace(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(StoreError, match="No space left on device") as caught:
            store.put("a.txt", b"x")
    assert "--base-path" in caught.value.next_step
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    assert store.get(store.put("a.txt", b"x")) == b"x"


def test_contents_are_for_the_owner_only(store: ArtifactStore) -> None:
    assert stat.S_IMODE(_place(store, store.put("a.txt", b"x")).stat().st_mode) == 0o600


def test_sources_are_the_texts(store: ArtifactStore) -> None:
    refs = [store.put("a.txt", "ü".encode()), store.put("b.bin", b"\0\1"), store.put("c.txt", b"\xff")]
    assert [(file.path, file.text) for file in store.sources(refs)] == [("a.txt", "ü"), ("c.txt", "\ufffd")]
