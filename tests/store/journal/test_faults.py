"""A journal that cannot be written to stops no run and loses nothing; one that cannot be read says why."""

from __future__ import annotations

import json
import resource
import sqlite3
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from matrioska.models.recorder import Voice
from matrioska.state.errors import CorruptStoreError, JournalError, LockedStoreError, NewerFormatError, StoreError
from matrioska.store import database as files
from matrioska.store.journal import Journal, database, keeper, spill
from matrioska.store.journal.entries import Entry
from matrioska.store.journal.tables import VERSION_TABLE
from tests.postgres import new_database
from tests.store.journal.conftest import Open, called, scope_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def of_file(file: Path, pending: Path) -> Iterator[Journal]:
    journal = Journal(file, pending)
    yield journal
    journal.close()


def _say(journal: Journal, *words: str) -> None:
    for word in words:
        with scope_of(journal, f"step {word}") as scope:
            scope.call(called(word), Voice())


def _said(journal: Journal) -> list[str]:
    return [message.content for message in journal.messages("c")][1:]


def _waiting(pending: Path) -> list[str]:
    """Return the contents that wait in the spill file."""
    entries = [json.loads(line) for line in pending.read_text().splitlines() if line]
    return [entry["row"]["content"] for entry in entries if entry["kind"] == "say"]


def _past_us(address: str | Path) -> sa.Connection:
    """Return a connection that another program might have."""
    url = f"sqlite:///{address}" if isinstance(address, Path) else address.replace("postgresql:", "postgresql+psycopg:")
    return sa.create_engine(url, poolclass=sa.NullPool).connect()


@contextmanager
def _locked(address: str | Path) -> Iterator[None]:
    """Keep everybody else from writing."""
    with _past_us(address) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if isinstance(address, Path) else "LOCK TABLE conversations")
        yield
        connection.rollback()


def test_locked_for_too_long(
    opened: Open,
    address: str | Path,
    pending: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    journal = opened()
    _say(journal, "before")
    assert journal.trouble is None
    with _locked(address):
        _say(journal, "meanwhile", "and then")
    trouble = journal.trouble
    assert trouble is not None
    assert str(pending) in trouble.message
    assert trouble.next_step
    assert [record.message for record in caplog.records if record.name == "matrioska.journal"] == [str(trouble)]
    assert _waiting(pending) == ["meanwhile", "and then"]
    assert stat.S_IMODE(pending.stat().st_mode) == 0o600
    assert _said(journal) == ["before"]
    again = opened()
    _say(again, "after")
    assert _said(again) == ["before", "meanwhile", "and then", "after"]
    assert all(len(message.metrics) == 1 for message in again.messages("c")[1:])
    assert again.trouble is None
    assert not pending.exists()


def test_a_journal_that_works_again_is_taken_up_by_itself(
    opened: Open, address: str | Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    journal = opened()
    _say(journal, "before")
    with _locked(address):
        _say(journal, "meanwhile")
    monkeypatch.setattr(keeper.time, "monotonic", lambda: float("inf"))
    _say(journal, "after")
    assert journal.trouble is None
    assert _said(journal) == ["before", "meanwhile", "after"]


def test_what_went_aside_is_taken_in_once(of_file: Journal, file: Path, pending: Path) -> None:
    file.write_bytes(b"")
    _say(of_file, "one", "two")
    file.unlink()
    kept = pending.read_bytes()
    for _ in range(2):
        # As if the process had died after writing it down and before forgetting it.
        pending.write_bytes(kept)
        journal = Journal(file, pending)
        _say(journal, "three")
        assert _said(journal) == ["one", "two", "three"]
        journal.close()


def test_two_that_take_it_in_at_once_take_it_in_once(of_file: Journal, file: Path, pending: Path) -> None:
    file.write_bytes(b"")
    _say(of_file, *(str(number) for number in range(100)))
    file.unlink()
    journals = [Journal(file, pending) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _say(journals[number], f"after {number}"), range(4)))
    said = _said(journals[0])
    assert said[:100] == [str(number) for number in range(100)]
    assert sorted(said[100:]) == [f"after {number}" for number in range(4)]
    assert [journal.trouble for journal in journals] == [None] * 4
    for journal in journals:
        journal.close()


def test_lines_of_others_and_torn_lines_stay(of_file: Journal, file: Path, pending: Path) -> None:
    file.write_bytes(b"")
    _say(of_file, "one")
    file.unlink()
    other = json.dumps({"to": "postgresql://elsewhere/journal", "kind": "say"})
    pending.write_text(f'{{"to": "{file}", "kind": "sa\n{other}\n{pending.read_text()}{{"to')
    of_file.close()
    journal = Journal(file, pending)
    _say(journal, "two")
    assert _said(journal) == ["one", "two"]
    journal.close()
    assert pending.read_text().splitlines() == [f'{{"to": "{file}", "kind": "sa', other, '{"to']
    assert stat.S_IMODE(pending.stat().st_mode) == 0o600


def test_nowhere_to_write_at_all(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"")
    (tmp_path / "aside").write_text("no folder")
    journal = Journal(file, tmp_path / "aside" / "pending")
    _say(journal, "one", "two")
    assert journal.trouble is not None
    file.unlink()
    monkeypatch.setattr(keeper.time, "monotonic", lambda: float("inf"))
    _say(journal, "three")
    assert _said(journal) == ["one", "two", "three"]
    journal.close()


def test_what_is_held_in_memory_is_kept_when_the_journal_closes(tmp_path: Path, file: Path) -> None:
    file.write_bytes(b"")
    (tmp_path / "aside").write_text("no folder")
    journal = Journal(file, tmp_path / "aside" / "pending")
    _say(journal, "one", "two")
    file.unlink()
    journal.close()
    assert _said(journal) == ["one", "two"]
    journal.close()


@pytest.mark.parametrize("most", [5, 100])
def test_what_is_lost_in_the_end_is_told(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, most: int
) -> None:
    monkeypatch.setattr(spill, "MOST_HELD", most)
    file.write_bytes(b"")
    (tmp_path / "aside").write_text("no folder")
    journal = Journal(file, tmp_path / "aside" / "pending")
    _say(journal, "one", "two", "three")
    journal.close()
    assert "The journal lost" in caplog.text
    assert file.read_bytes() == b""


def test_read_only(of_file: Journal, file: Path, pending: Path) -> None:
    _say(of_file, "before")
    of_file.close()
    journal = Journal(f"sqlite:///file:{file}?mode=ro&uri=true", pending)
    assert _said(journal) == ["before"]
    _say(journal, "meanwhile")
    assert "readonly" in str(journal.trouble)
    assert _waiting(pending) == ["meanwhile"]
    journal.close()


def test_disk_full(of_file: Journal, file: Path, pending: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure = database._configure

    def small(raw: sqlite3.Connection, record: object) -> None:
        configure(raw, record)
        raw.execute("PRAGMA max_page_count = 40")

    monkeypatch.setattr(database, "_configure", small)
    words = [str(number) * 10_000 for number in range(20)]
    _say(of_file, *words)
    of_file.close()
    assert "full" in str(of_file.trouble)
    monkeypatch.undo()
    journal = Journal(file, pending)
    _say(journal, "after")
    assert _said(journal) == [*words, "after"]
    journal.close()


def test_a_disk_too_full_for_either_file(of_file: Journal, file: Path, pending: Path) -> None:
    """Of a line that does not fit nothing stays: what is cut off could never be taken in."""
    words = [str(number) * 30_000 for number in range(10)]
    _say(of_file, "before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        _say(of_file, *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert of_file.trouble is not None
    of_file.close()
    journal = Journal(file, pending)
    _say(journal, "after")
    assert _said(journal) == ["before", *words, "after"]
    assert not pending.exists()
    journal.close()


def test_a_file_that_cannot_be_written_is_not_tried_with_every_step(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(b"")
    (tmp_path / "aside").write_text("no folder")
    tried: list[int] = []

    def as_json(entry: Entry) -> dict[str, object]:
        tried.append(1)
        return {}

    monkeypatch.setattr(spill, "as_json", as_json)
    journal = Journal(file, tmp_path / "aside" / "pending")
    _say(journal, *map(str, range(50)))
    # One step's entries, and not those of all steps before with every one of them.
    assert len(tried) < 10
    file.unlink()
    journal.close()
    assert len(_said(journal)) == 50
    journal.close()


def test_a_server_that_is_not_there_and_then_is(tmp_path: Path, pending: Path) -> None:
    with new_database() as url:
        address, folder = url.split("host=")
        link = tmp_path / "server"
        journal = Journal(f"{address.replace('postgres:@', 'postgres:s3cr3t@')}host={link}", pending)
        _say(journal, "meanwhile")
        assert "cannot be used" in str(journal.trouble)
        with pytest.raises(JournalError) as caught:
            journal.messages("c")
        assert "s3cr3t" not in f"{journal.trouble}{caught.value}{caught.value!r}{pending.read_text()}{journal.address}"
        journal.close()
        link.symlink_to(folder)
        again = Journal(f"{address}host={link}", pending)
        _say(again, "after")
        assert _said(again) == ["meanwhile", "after"]
        again.close()


def test_a_server_that_was_started_anew_is_reached_again(pending: Path) -> None:
    with new_database() as url:
        journal = Journal(url, pending)
        _say(journal, "before")
        with _past_us(url) as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        _say(journal, "after")
        assert (_said(journal), journal.trouble) == (["before", "after"], None)
        journal.close()


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100], ids=["empty", "damaged"])
def test_lost_and_damaged_files(of_file: Journal, file: Path, pending: Path, content: bytes) -> None:
    file.write_bytes(content)
    _say(of_file, "meanwhile")
    assert _waiting(pending) == ["meanwhile"]
    assert file.read_bytes() == content
    with pytest.raises(CorruptStoreError, match=r"empty|damaged") as caught:
        of_file.messages("c")
    assert caught.value.next_step


def test_another_programs_file(of_file: Journal, file: Path, pending: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE messages (body TEXT)")
    _say(of_file, "meanwhile")
    assert _waiting(pending) == ["meanwhile"]
    with pytest.raises(CorruptStoreError, match="another program"):
        of_file.conversations()


def test_another_file_of_ours(of_file: Journal, file: Path) -> None:
    files.open_database(file).close()
    with pytest.raises(CorruptStoreError, match="another part of this one"):
        of_file.conversations()


def test_another_programs_tables_on_a_server(pending: Path) -> None:
    with new_database() as url:
        with _past_us(url) as connection:
            connection.exec_driver_sql("CREATE TABLE messages (body TEXT)")
            connection.commit()
        journal = Journal(url, pending)
        with pytest.raises(CorruptStoreError, match="another program"):
            journal.conversations()
        journal.close()


def test_a_newer_version(opened: Open, pending: Path) -> None:
    journal = opened()
    _say(journal, "before")
    with journal._keeper.database.connect() as connection, connection.begin():
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    journal.close()
    newer = opened()
    with pytest.raises(NewerFormatError, match="format 9999"):
        newer.messages("c")
    _say(newer, "meanwhile")
    assert _waiting(pending) == ["meanwhile"]


def test_reading_a_locked_file_says_so(of_file: Journal, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.1)
    _say(of_file, "before")
    of_file.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("PRAGMA locking_mode = EXCLUSIVE")
        raw.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LockedStoreError):
            of_file.messages("c")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("no address", "no address"),
        ("nosuch://host/db", "cannot be used"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://u:s3cr3t@h:port/d", "no address"),
        ("postgresql://u:and@s3cr3t@h/d", "no address"),
        ("postgresql+asyncpg://u:s3cr3t@h/d", "journal"),
        ("mysql+pymysql://u:s3cr3t@127.0.0.1:1/d", "pymysql"),
    ],
)
def test_addresses_that_cannot_be(address: str, says: str, pending: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(address, pending)
    _say(journal, "meanwhile")
    assert _waiting(pending) == ["meanwhile"]
    with pytest.raises(StoreError, match=says) as caught:
        journal.conversations()
    assert caught.value.next_step
    assert "s3cr3t" not in f"{caught.value!r}{caplog.text}{journal.trouble}{pending.read_text()}"
    journal.close()


def test_what_was_said_to_no_address_goes_to_the_corrected_one(tmp_path: Path, file: Path, pending: Path) -> None:
    journal = Journal("no address", pending)
    _say(journal, "one")
    journal.close()
    journal = Journal(file, pending)
    _say(journal, "two")
    assert _said(journal) == ["one", "two"]
    assert not pending.exists()
    journal.close()


def test_a_driver_that_is_missing(pending: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    journal = Journal("postgres://u:s3cr3t@localhost/journal", pending)
    with pytest.raises(JournalError, match="not installed") as caught:
        journal.conversations()
    assert "pip install 'matrioska[postgres]'" in caught.value.next_step


def test_an_entry_that_no_database_takes_keeps_no_other_back(journal: Journal, pending: Path) -> None:
    with scope_of(journal) as scope:
        scope.call(called("before"), Voice())
        wrong = {"id": "x" * 36, "parent_id": scope.root, "type": "gossip", "source": "a", "destination": "b"}
        row = wrong | {"content": "", "context": {}, "processing": {}}
        journal.append(Entry("say", scope.origin, 1.0, "step", row=row))
        journal.append(Entry("say", scope.origin, 1.0, "step", row={"id": "y"}))
        scope.call(called("after"), Voice())
    assert _said(journal) == ["before", "after"]
    assert journal.trouble is None
    rejected = pending.with_name("journal.rejected.jsonl").read_text()
    assert [json.loads(line)["row"]["id"] for line in rejected.splitlines() if line] == ["x" * 36, "y"]
