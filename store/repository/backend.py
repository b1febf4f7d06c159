"""The repository's own database: langgraph's SQLite store, opened strictly, its async methods off the loop."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.store.base import Op, Result
from langgraph.store.sqlite import SqliteStore

from matrioska.store.database import open_database, typed_error
from matrioska.store.layout import unwritable

#: Databases that one process keeps open; of more, those used longest ago are closed.
_MOST_OPEN = 16
_Identity = tuple[int, int, int]

_open: OrderedDict[Path, tuple[_Identity, RepositoryStore]] = OrderedDict()
_lock = threading.Lock()


class RepositoryStore(SqliteStore):
    """`SqliteStore` with typed errors, whole batches, and async methods that work.

    langgraph's own raises on every async call. These hop to a thread: a run reads once and
    writes once, so the hop costs nothing that counts, and another process's lock never
    stops the event loop.
    """

    def __init__(self, conn: sqlite3.Connection, path: Path) -> None:
        super().__init__(conn)
        self.path = path

    @contextmanager
    def _cursor(self, *, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """See `SqliteStore._cursor`, which commits after an error too: half a batch would count as all.

        Raises:
            StoreError: the database is locked, damaged or cannot be written.
        """
        try:
            self.setup()
            with self.lock, closing(self.conn.cursor()) as cursor:
                if transaction:
                    cursor.execute("BEGIN")
                try:
                    yield cursor
                    if transaction:
                        self.conn.commit()
                except BaseException:
                    self.conn.rollback()
                    raise
        except sqlite3.Error as error:
            raise typed_error(self.path, error) from error
        except ValueError as error:
            # As langgraph wraps what goes wrong while it reads.
            if isinstance(error.__cause__ or error.__context__, sqlite3.Error):
                raise typed_error(self.path, error.__cause__ or error.__context__) from error  # type: ignore[arg-type]
            raise

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `SqliteStore.batch`."""
        return await asyncio.to_thread(self.batch, list(ops))


def open_store(path: str | os.PathLike[str]) -> RepositoryStore:
    """Open (or create) a repository's database; the caller closes ``.conn``.

    Raises:
        CorruptStoreError: the file is damaged, empty or belongs to another program.
        LockedStoreError: another process holds it.
        StoreError: it cannot be created.
    """
    place = Path(path).expanduser().absolute()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(place.parent, error) from error
    return RepositoryStore(open_database(place, known_by="store", prepare=_prepare), place)


def _prepare(conn: sqlite3.Connection) -> None:
    # `SqliteStore` begins and ends its transactions itself.
    conn.isolation_level = None
    SqliteStore(conn).setup()


def shared_store(path: Path) -> RepositoryStore:
    """Return this process's one store on a database; see `open_store` for what it raises.

    It is closed when nobody uses it any more. A file that was deleted or replaced, and a process
    that was forked off, get another.
    """
    place = path.absolute()
    with _lock:
        identity, store = _open.get(place, (None, None))
        if store is None or identity != _identity(place):
            store = open_store(place)
            weakref.finalize(store, store.conn.close)
            _open[place] = (_identity(place), store)
        _open.move_to_end(place)
        if len(_open) > _MOST_OPEN:
            _open.popitem(last=False)
        return store


def _identity(place: Path) -> _Identity:
    try:
        found = place.stat()
    except OSError:
        return (os.getpid(), 0, 0)
    return (os.getpid(), found.st_dev, found.st_ino)
