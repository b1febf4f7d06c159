"""A SQLite file that is ours: created whole, opened with care, its errors told in words."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from matrioska.state.errors import CorruptStoreError, LockedStoreError, StoreError

#: Seconds to wait for another process's write before giving up.
BUSY_SECONDS = 30.0
# Marks the file as ours ("MTRK"), so that a foreign database is never written to.
_APPLICATION_ID = 0x4D54524B
Prepare = Callable[[sqlite3.Connection], None]

# As `SqliteSaver.setup` makes it, but clustered: a rowid table would hold every key twice.
_WRITES_TABLE = """
    CREATE TABLE IF NOT EXISTS writes (
        thread_id TEXT NOT NULL,
        checkpoint_ns TEXT NOT NULL DEFAULT '',
        checkpoint_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        task_path TEXT NOT NULL DEFAULT '',
        idx INTEGER NOT NULL,
        channel TEXT NOT NULL,
        type TEXT,
        value BLOB,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
    ) WITHOUT ROWID
"""


def prepare_checkpoints(conn: sqlite3.Connection) -> None:
    """Make the table of ours that checkpoints need, where it is missing."""
    conn.execute(_WRITES_TABLE)


def open_database(
    place: Path, *, known_by: str = "checkpoints", prepare: Prepare = prepare_checkpoints
) -> sqlite3.Connection:
    """Open (or create) a database, for checkpoints unless said otherwise.

    Args:
        place: the file.
        known_by: table by which a file of LangGraph's own, without our mark, is taken for one of its kind.
        prepare: makes the tables that are missing; called with every opening, and once before a new
            file gets its name.

    Raises:
        CorruptStoreError: the file is damaged, empty or belongs to another program.
        LockedStoreError: another process holds it.
        StoreError: it cannot be created.
    """
    try:
        _check_file(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            _create(place, prepare)
    except sqlite3.Error as error:
        raise typed_error(place, error) from error
    except OSError as error:
        raise StoreError(
            f"Cannot open the database {place}: {error.strerror or error}.",
            path=str(place),
            next_step="Check the folder's permissions, or choose another with --base-path.",
        ) from error
    conn = sqlite3.connect(place, check_same_thread=False, timeout=BUSY_SECONDS)
    try:
        _configure(conn, place, known_by)
        prepare(conn)
    except sqlite3.Error as error:
        conn.close()
        raise typed_error(place, error) from error
    except StoreError:
        conn.close()
        raise
    return conn


def typed_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Return our error for one of SQLite's, with the next step."""
    text = str(error)
    if isinstance(error, sqlite3.OperationalError) and "locked" in text:
        return LockedStoreError(
            f"The database {path} stayed locked by another process for {BUSY_SECONDS:.0f} s.",
            path=str(path),
            next_step="Close the program that holds it and resume; what is saved stays saved.",
        )
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
        return StoreError(
            f"The database {path} cannot be used: {text}.",
            path=str(path),
            next_step="Free disk space or check the permissions, then resume; what is saved stays saved.",
        )
    return CorruptStoreError(
        f"The database {path} is damaged or not a SQLite file ({text}).",
        path=str(path),
        next_step="Restore it from a backup, or move it away to start anew.",
    )


def _check_file(path: Path) -> None:
    """Refuse what SQLite would silently take for a new database.

    By name and size only: to open and close the file here would drop the locks of every
    connection that this process already has on it, and another process could then take away
    the log under them (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if path.is_dir():
        raise CorruptStoreError(f"{path} is a folder.", path=str(path), next_step="Name a database file.")
    if path.exists() and path.stat().st_size == 0:
        raise CorruptStoreError(
            f"The database {path} is empty: its content was lost.",
            path=str(path),
            next_step="Restore it from a backup, or delete the file to start anew.",
        )


def _create(place: Path, prepare: Prepare) -> None:
    """Make a database. It appears whole: an empty file counts as a lost one, and two makers of tables collide."""
    # mkstemp's mode is 0600: checkpoints hold the person's task and files, for their eyes only.
    handle, aside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}-")
    os.close(handle)
    try:
        with closing(sqlite3.connect(aside)) as conn:
            conn.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            prepare(conn)
        # A link, unlike a rename, never replaces what another process made meanwhile.
        with suppress(FileExistsError):
            os.link(aside, place)
    finally:
        Path(aside).unlink()


def _configure(conn: sqlite3.Connection, place: Path, known_by: str) -> None:
    application_id = conn.execute("PRAGMA application_id").fetchone()[0]
    tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    # Most programs leave the id at 0; so did databases of LangGraph's own saver.
    foreign = tables and known_by not in tables if application_id == 0 else application_id != _APPLICATION_ID
    if foreign:
        raise CorruptStoreError(
            f"The database {place} belongs to another program.",
            path=str(place),
            next_step="Choose another folder with --base-path.",
        )
    conn.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL loses nothing on a crash of the process, only on a power cut.
    conn.execute("PRAGMA synchronous = NORMAL")
