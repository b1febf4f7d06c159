"""The repository's own file: made whole, for the owner only, its faults told in words, two writers no matter."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from langgraph.store.base import PutOp

from matrioska.state.errors import CorruptStoreError, LockedStoreError, StoreError
from matrioska.store.checkpointer import open_checkpointer
from matrioska.store.repository import Repository, backend
from matrioska.store.repository.backend import RepositoryStore, open_store, shared_store
from tests.store.repository.test_repository import entry

ROOT = Path(__file__).parents[3]
_WRITER = """
import asyncio, sys
from matrioska.store.repository import Repository
from matrioska.store.repository.backend import open_store
from matrioska.state.repository import Entry
name, path = sys.argv[1:]
async def main():
    repository = Repository(open_store(path), "shop")
    for n in range(20):
        await repository.put_entries([
            Entry(id=f"{name}{n}/value/{k}", level="element", section=f"{name}{n}", title="t", text="x" * 500, at=n)
            for k in range(5)
        ] + [Entry(id="both", level="section", section="both", title=name, text=name)])
asyncio.run(main())
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[RepositoryStore]:
    store = open_store(tmp_path / "deep" / "repository.sqlite")
    with closing(store.conn):
        yield store


def test_a_new_file_is_for_the_owner_only_and_survives(opened: RepositoryStore) -> None:
    asyncio.run(Repository(opened, "shop").put_entries([entry("app")]))
    for path in opened.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(opened.path.parent.stat().st_mode) == 0o700
    opened.conn.close()
    again = open_store(opened.path)
    with closing(again.conn):
        assert [found.id for found in asyncio.run(Repository(again, "shop").entries())] == ["app"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "is empty"), (b"not a database, but long enough to look at" * 20, "not a SQLite file")],
    ids=["empty", "garbage"],
)
def test_a_file_that_is_none_is_refused_and_kept(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "repository.sqlite"
    path.write_bytes(content)
    with pytest.raises(CorruptStoreError, match=expected):
        open_store(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "repository.sqlite"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE photos (id)")
    with pytest.raises(CorruptStoreError, match="belongs to another program"):
        open_store(path)


def test_a_file_of_langgraphs_own_store_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "repository.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        backend.SqliteStore(conn).setup()
    with closing(open_store(path).conn):
        pass


def test_checkpoints_and_repository_do_not_hinder_each_other(tmp_path: Path) -> None:
    with closing(open_checkpointer(tmp_path / "one.sqlite").conn), closing(open_store(tmp_path / "two.sqlite").conn):
        assert (tmp_path / "one.sqlite").exists()
        assert (tmp_path / "two.sqlite").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write to"):
        open_store(tmp_path / "file" / "repository.sqlite")


async def test_a_lock_that_stays_is_said_and_a_batch_is_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matrioska.store.database.BUSY_SECONDS", 0.05)
    store = open_store(tmp_path / "repository.sqlite")
    with closing(store.conn), closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        await store.aput(("a",), "old", {"v": 1})
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedStoreError, match="stayed locked by another process"):
            await store.abatch([PutOp(("a",), "new", {"v": 2}), PutOp(("a",), "old", None)])
        assert await store.aget(("a",), "old") is not None, "reading goes on"
        other.execute("ROLLBACK")
        await store.abatch([PutOp(("a",), "new", {"v": 2}), PutOp(("a",), "old", None)])
        assert [item.key for item in await store.asearch(("a",))] == ["new"]


async def test_a_batch_that_fails_half_way_leaves_nothing(opened: RepositoryStore) -> None:
    await opened.aput(("a",), "old", {"v": 1})
    opened.conn.execute("CREATE TRIGGER no BEFORE INSERT ON store BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    with pytest.raises(StoreError, match="the disk is full"):
        # Deletions come first in a batch.
        await opened.abatch([PutOp(("a",), "old", None), PutOp(("a",), "new", {"v": 2})])
    assert [item.key for item in await opened.asearch(("a",))] == ["old"]


async def test_a_file_that_is_damaged_later_is_said(opened: RepositoryStore) -> None:
    opened.conn.execute("DROP TABLE store")
    for work in (opened.aget(("a",), "k"), opened.asearch(("a",)), opened.aput(("a",), "k", {})):
        with pytest.raises(StoreError, match="cannot be used: no such table"):
            await work


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "repository.sqlite"
    # Neither file nor tables are there when they begin.
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, name, str(path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == ""
    store = open_store(path)
    with closing(store.conn):
        found = asyncio.run(Repository(store, "shop").entries())
        assert len(found) == 201
        assert store.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_process_has_one_connection_a_file_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "repository.sqlite"
    store = shared_store(path)
    assert shared_store(path) is store
    for n in range(backend._MOST_OPEN):
        shared_store(tmp_path / f"{n}.sqlite")
    conn = store.conn
    assert conn.execute("SELECT 1").fetchone() == (1,), "who still uses it may go on"
    assert shared_store(path) is not store
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        conn.execute("SELECT 1")


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "repository.sqlite"
    asyncio.run(Repository(shared_store(path), "shop").put_entries([entry("app")]))
    for leftover in tmp_path.glob("repository.sqlite*"):
        leftover.unlink()
    asyncio.run(Repository(shared_store(path), "shop").put_entries([entry("db")]))
    assert [found.id for found in asyncio.run(Repository(shared_store(path), "shop").entries())] == ["db"]
    assert path.exists()
