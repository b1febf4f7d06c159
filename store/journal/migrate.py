"""From no tables, or older ones, to today's: Alembic, run by us, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from matrioska.state.errors import CorruptStoreError, NewerFormatError
from matrioska.store.journal.tables import HEAD, VERSION_TABLE, metadata

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent / "migrations"
#: Folders with revisions.
LOCATIONS = [_HERE / "versions"]
#: Option of a connection whose transactions will write.
WRITING = {"matrioska_writing": True}
# Any number that no other program locks in the same database.
_LOCK = 0x4D54524B


def bring_up(connection: sa.Connection, place: str, keep_copy: Callable[[str], None] | None = None) -> None:
    """Make the tables, or bring older ones up to date; nothing is done to those that are.

    Args:
        connection: to the database, in no transaction.
        place: what to call it in errors.
        keep_copy: called with the revision before anything that holds data is changed.

    Raises:
        CorruptStoreError: the database holds something else.
        NewerFormatError: a newer version wrote it.
        SQLAlchemyError: it cannot be changed; nothing was.
    """
    with connection.begin():
        if _revision(connection, place) == HEAD:
            return
    with connection.execution_options(**WRITING).begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        # Looked at again under the lock: another process may have been faster.
        revision = _revision(connection, place)
        if revision == HEAD:
            return
        if revision is not None and keep_copy is not None:
            keep_copy(revision)
        _upgrade(connection)
        if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise CorruptStoreError(
                f"The journal {place} holds messages that belong to nothing.",
                path=place,
                next_step="Restore it from a backup, or move it away to start anew.",
            )


def _revision(connection: sa.Connection, place: str) -> str | None:
    """Return the revision of a database; None when it is empty.

    Raises:
        CorruptStoreError: it holds something else.
        NewerFormatError: the revision is none of ours.
    """
    inspector = sa.inspect(connection)
    if not inspector.has_table(VERSION_TABLE):
        tables = set(inspector.get_table_names())
        # A server's database may be shared, a file is not.
        if tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables):
            raise CorruptStoreError(
                f"The database {place} belongs to another program, or to another part of this one.",
                path=place,
                next_step="Name a database of its own in the setting journal.",
            )
        return None
    revision = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    if revision is not None and revision != HEAD and revision not in _known():
        raise NewerFormatError(
            f"The journal {place} was written by a newer version (format {revision}).",
            path=place,
            next_step="Update Matrioska, or name another database in the setting journal.",
        )
    return None if revision is None else str(revision)


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _upgrade(connection: sa.Connection) -> None:
    # Alembic is slow to import, and needed once in a journal's life.
    from alembic import command

    config = _config()
    config.attributes["configure"] = {
        "connection": connection,
        "version_table": VERSION_TABLE,
        # Of a file that another process has open, all changes or none.
        "transactional_ddl": True,
    }
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # A "%" would be taken for the beginning of a placeholder.
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, LOCATIONS)).replace("%", "%%"))
    return config
