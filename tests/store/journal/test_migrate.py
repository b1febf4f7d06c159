"""Older tables are brought up to date, whole or not at all; today's are what the code takes them for."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from matrioska.models.recorder import Voice
from matrioska.state.errors import StoreError
from matrioska.store.journal import Journal, migrate
from matrioska.store.journal.tables import HEAD, VERSION_TABLE, metadata
from tests.store.journal.conftest import Open, called, rows, scope_of

_NEXT = '''
"""A revision of the days to come."""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

def upgrade():
    op.add_column("conversations", sa.Column("mood", sa.String(20), nullable=False, server_default="calm"))
    {then}
'''


def _to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str = "") -> None:
    """Let the code be of a later version, with another revision."""
    folder = tmp_path / "100% new"
    folder.mkdir(exist_ok=True)
    (folder / "mood.py").write_text(_NEXT.format(then=then))
    monkeypatch.setattr(migrate, "LOCATIONS", [*migrate.LOCATIONS[:1], folder])
    monkeypatch.setattr(migrate, "HEAD", "0002")


def _fill(journal: Journal) -> None:
    with scope_of(journal) as scope:
        for number in range(3):
            scope.call(called(str(number)), Voice())
    journal.close()


def test_the_revisions_lead_to_the_tables_of_the_code(raw: sa.Connection) -> None:
    assert ScriptDirectory.from_config(migrate._config()).get_heads() == [HEAD]
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    with raw.begin():
        assert compare_metadata(MigrationContext.configure(raw, opts=options), metadata) == []
        for table in metadata.tables.values():
            named = {check["name"] for check in sa.inspect(raw).get_check_constraints(table.name)}
            own = [check for check in table.constraints if isinstance(check, sa.CheckConstraint)]
            assert named == {check.name for check in own}


def test_an_older_journal_is_brought_up_to_date(
    opened: Open, address: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(opened())
    _to_come(tmp_path, monkeypatch)
    journal = opened()
    assert len(journal.messages("c")) == 4
    with journal._keeper.database.connect() as connection:
        assert rows(connection, "SELECT mood FROM conversations") == [("calm",)]
        assert rows(connection, f"SELECT version_num FROM {VERSION_TABLE}") == [("0002",)]
    if isinstance(address, Path):
        copy = address.with_name(f"{address.name}.before-0001")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with closing(sqlite3.connect(copy)) as before:
            assert before.execute("SELECT count(*) FROM messages").fetchone() == (4,)
            assert "mood" not in [row[1] for row in before.execute("PRAGMA table_info(conversations)")]


def test_a_migration_that_breaks_changes_nothing(
    opened: Open, tmp_path: Path, pending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(opened())
    with monkeypatch.context() as later:
        _to_come(tmp_path, later, then='op.execute("SELECT nonsense FROM nowhere")')
        journal = opened()
        with pytest.raises(StoreError, match="nowhere"):
            journal.messages("c")
        with scope_of(journal, "later") as scope:
            scope.call(called("meanwhile"), Voice())
        assert pending.exists()
        journal.close()
    journal = opened()
    with scope_of(journal, "after") as scope:
        scope.call(called("after"), Voice())
    assert [message.content for message in journal.messages("c")][1:] == ["0", "1", "2", "meanwhile", "after"]


def test_whoever_opens_at_the_same_time_waits(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(opened())
    _to_come(tmp_path, monkeypatch)
    journals, counts = [opened() for _ in range(4)], list[int]()
    threads = [threading.Thread(target=lambda one=one: counts.append(len(one.messages("c")))) for one in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4] * 4
