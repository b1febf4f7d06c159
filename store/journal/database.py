"""The journal's database: opened with care whatever it is, its errors told in words without passwords."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from matrioska.state.errors import JournalError, StoreError
from matrioska.store import database as files
from matrioska.store.journal import migrate
from matrioska.store.journal.migrate import WRITING
from matrioska.store.journal.spill import UNNAMED
from matrioska.store.journal.tables import VERSION_TABLE, conversations, messages, write_json

#: Seconds to wait for a server to take a connection, a lock to be let go, and a statement to end.
CONNECT_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS = 10, 30, 60
#: Connections kept open to a server, and those that may come on top; seconds after which one is made anew.
POOL_SIZE, POOL_OVERFLOW, POOL_SECONDS = 2, 3, 1800
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class Database:
    """Where the journal is kept.

    Args:
        address: SQLAlchemy URL, or the path of a SQLite file.
    """

    def __init__(self, address: str | Path) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None

    @property
    def file(self) -> Path | None:
        """The SQLite file; None of a server, or of a database that only a URL can describe."""
        if isinstance(self._address, Path):
            return self._address
        url = self._url()
        named = url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:")
        return Path(str(url.database)).absolute() if named else None

    @property
    def display(self) -> str:
        """Where it is, as it may be shown and written down: without password and parameters."""
        if isinstance(self._address, Path):
            return str(self._address)
        try:
            url = self._url()
        except StoreError:
            return UNNAMED
        host = url.host or str(url.query.get("host", "")) or None
        shown = sa.URL.create(url.get_backend_name(), url.username, None, host, url.port, url.database)
        return str(self.file or shown.render_as_string())

    def connect(self) -> sa.Connection:
        """Return a connection for writing; the tables are there, and up to date.

        Raises:
            StoreError: of the kind that says what is wrong.
        """
        with self.telling():
            return self._ready().connect().execution_options(**WRITING)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """Give a connection for reading, in a transaction; None when there is no journal yet.

        Raises:
            StoreError: of the kind that says what is wrong.
        """
        file = self.file
        if file is not None and not file.exists():
            yield None
            return
        with self.telling():
            engine = self._ready()
            with engine.connect() as connection, connection.begin():
                yield connection

    def prune(self, chosen: Sequence[str]) -> None:
        """Remove conversations, each on its own, and give their space back to the file system.

        Raises:
            StoreError: of the kind that says what is wrong; what was removed by then stays removed.
        """
        with self.telling(), self._ready().connect().execution_options(**WRITING) as connection:
            for conversation in chosen:
                with connection.begin():
                    # SQLite follows parents to their children a thousand deep, no further.
                    answers = (messages.c.conversation_id == conversation) & messages.c.parent_id.is_not(None)
                    connection.execute(sa.update(messages).where(answers).values(parent_id=messages.c.correlation_id))
                    connection.execute(sa.delete(conversations).where(conversations.c.id == conversation))
            if self.file is not None:
                # Of itself the file would keep its size; VACUUM would write all of it anew. As a script,
                # since execute() takes one step of it only, and each step gives back one page.
                connection.connection.cursor().executescript(
                    "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);"
                )

    def rest(self) -> None:
        """Let go of a file: what is there when it is opened again is looked at anew. Connections to a server stay."""
        if self._engine is not None and isinstance(self._engine.pool, NullPool):
            self.dispose()

    def dispose(self) -> None:
        """Let go of all connections that nobody uses."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn errors of the database into ours."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self.typed(error) from error
        except ImportError as error:
            extra = "'matrioska[postgres]'" if "psycopg" in str(error) else error.name or "its driver"
            raise JournalError(
                f"The journal {self.display} needs a package that is not installed: {error}.",
                path=self.display,
                next_step=f"Install it: pip install {extra}",
            ) from error

    def typed(self, error: Exception) -> StoreError:
        """Return our error for one of the database's."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        if isinstance(cause, sqlite3.Error):
            told = files.typed_error(self.file or Path(self.display), cause)
            if type(told) is not StoreError:
                return told
            return JournalError(told.message, path=told.path, next_step=told.next_step)
        return JournalError(
            f"The journal {self.display} cannot be used: {self._said(cause)}.",
            path=self.display,
            next_step="Start its server or correct the setting journal; nothing that was said is lost.",
        )

    def _said(self, error: BaseException) -> str:
        """Return the first line of an error, without the password should a driver quote it."""
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        password = None if isinstance(self._address, Path) else self._url().password
        return said.replace(str(password), "***") if password else said

    def _url(self) -> sa.URL:
        """Return the address as SQLAlchemy takes it.

        Raises:
            JournalError: it is none, or one that lasts no longer than the process.
        """
        try:
            url = sa.make_url(str(self._address).strip())
        except (ArgumentError, ValueError):
            # Not from the error, which may quote the address and with it a password.
            url = None
        # An "@" in a password that is not escaped ends it: the rest of it would be shown as the server's name.
        if url is None or "@" in (url.host or ""):
            raise JournalError(
                "The setting journal is no address of a database.",
                next_step='Give "sqlite:///path/to/file", "postgresql://user@host/database", or "off"; '
                'in a password write "@" as "%40" and "/" as "%2F".',
            )
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise JournalError(
                "The setting journal names a database in memory, which nobody could read.",
                next_step='Give a file ("sqlite:///path/to/file"), or "off" to keep nothing.',
            )
        return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))

    def _ready(self) -> sa.Engine:
        """Return the engine of a database whose tables are up to date."""
        with self._lock:
            if self._engine is None:
                if self.file is not None:
                    self._engine = self._of_file(self.file)
                else:
                    self._engine = self._of_server()
            return self._engine

    def _of_file(self, file: Path) -> sa.Engine:
        files.open_database(file, known_by=VERSION_TABLE, prepare=lambda raw: _prepare(raw, file)).close()
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(file)),
            # The writer keeps one connection while it works, readers are few; an open file is nobody's gain.
            poolclass=NullPool,
            connect_args={"timeout": files.BUSY_SECONDS, "check_same_thread": False},
            hide_parameters=True,
            json_serializer=write_json,
        )
        _govern(engine)
        return engine

    def _of_server(self) -> sa.Engine:
        url = self._url()
        options: dict[str, Any] = {}
        if url.get_backend_name() == "sqlite":
            options = {"poolclass": NullPool}
        else:
            options = {"pool_size": POOL_SIZE, "max_overflow": POOL_OVERFLOW, "pool_timeout": LOCK_SECONDS}
            options |= {"pool_pre_ping": True, "pool_recycle": POOL_SECONDS, "connect_args": _limits(url)}
        engine = sa.create_engine(url, hide_parameters=True, json_serializer=write_json, **options)
        if url.get_backend_name() == "sqlite":
            _govern(engine)
        try:
            with engine.connect() as connection:
                migrate.bring_up(connection, self.display)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _limits(url: sa.URL) -> dict[str, Any]:
    """Return what keeps a server from making us wait for ever; what the address says itself comes first."""
    if url.get_backend_name() != "postgresql":
        return {}
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "matrioska",
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
        f" -c idle_in_transaction_session_timeout={STATEMENT_SECONDS}s",
    }
    return {name: value for name, value in limits.items() if name not in url.query}


def _govern(engine: sa.Engine) -> None:
    """Let SQLite hold foreign keys, and let us say when its transactions begin."""
    sa.event.listen(engine, "connect", _configure)
    sa.event.listen(engine, "begin", _begin)


def _configure(raw: sqlite3.Connection, _record: object) -> None:
    # Python's own transactions begin with the first change: what was read before could be old by then.
    raw.isolation_level = None
    raw.execute("PRAGMA foreign_keys = ON")
    # In WAL mode NORMAL loses nothing on a crash of the process, only on a power cut.
    raw.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: sa.Connection) -> None:
    writing = WRITING.items() <= connection.get_execution_options().items()
    # Whoever reads first and writes then could find that somebody else has written in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare(raw: sqlite3.Connection, file: Path) -> None:
    """Make the tables of a file, or bring them up to date; an older one is copied before."""
    if raw.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        # Only while nothing is in it can a file be told to give space back.
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
        raw.execute("VACUUM")
    engine = sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, hide_parameters=True)
    raw.isolation_level = None
    sa.event.listen(engine, "begin", _begin)
    try:
        with engine.connect() as connection:
            migrate.bring_up(connection, str(file), lambda revision: _copy(file, revision))
    except DBAPIError as error:
        raise error.orig if isinstance(error.orig, sqlite3.Error) else error from error


def _copy(file: Path, revision: str) -> None:
    """Keep a copy of a file whose tables are about to change."""
    place = file.with_name(f"{file.name}.before-{revision}")
    place.unlink(missing_ok=True)
    # For its owner alone, like the file itself.
    place.touch(mode=0o600)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(place)) as target:
        source.backup(target)
