"""The keeper: whatever becomes of the database, the run goes on and nothing that was said is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matrioska.state.errors import JournalError, StoreError
from matrioska.store.journal.entries import Entry
from matrioska.store.journal.spill import Spill

if TYPE_CHECKING:
    import sqlalchemy as sa

    from matrioska.store.journal.batch import Memories
    from matrioska.store.journal.database import Database

_LOG = logging.getLogger("matrioska.journal")
#: Seconds after which a database that failed is tried again.
RETRY_SECONDS = 30.0


class Keeper:
    """Keeps entries: in the database, or aside while that cannot take them.

    All methods but `doubt`, `knows`, `may_hold` and `close` are called in the writer's thread.

    Attributes:
        trouble: why entries go aside; None while they do not.
    """

    def __init__(self, address: str | Path | None, aside: Path) -> None:
        self._address = address
        self._aside = aside
        self._spill = Spill(aside)
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._connection: sa.Connection | None = None
        self._memories: Memories | None = None
        self._retry_at = 0.0
        self.trouble: JournalError | None = None

    @property
    def database(self) -> Database:
        """The database; imported and made with the first look at it."""
        from matrioska.store.journal.database import Database

        with self._lock:
            if self._database is None:
                self._database = Database(self._address or "")
            return self._database

    def doubt(self, conversation: str) -> None:
        """Say that another process may have written to a conversation since this one did."""
        memories = self._memories
        if memories is not None:
            memories.doubt(conversation)

    def knows(self, conversation: str, message: str) -> bool:
        """Whether a message stands in the journal, unless somebody has removed its conversation since."""
        memories = self._memories
        memory = memories.find(conversation) if memories is not None else None
        return memory is not None and message in memory.numbers

    def may_hold(self, conversation: str, step: str) -> bool:
        """Whether an attempt of this step may have left messages."""
        # One look: the writer may forget everything at any time.
        memories = self._memories
        memory = memories.get(conversation) if memories is not None else None
        return memory is None or step in memory.steps

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep entries for good, in order. Never raises."""
        if self.trouble is not None and time.monotonic() < self._retry_at:
            self._set_aside(entries)
            return
        try:
            if self._connection is None:
                self._spill.take_in(self.database.display, self._write)
            self._write(entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on, and what was said goes aside
            self.rest()
            self._set_aside(entries)
            self._tell(error)
        else:
            self.trouble = None

    def rest(self) -> None:
        """Let go of the database until there is something to keep."""
        connection, self._connection, self._memories = self._connection, None, None
        if connection is not None:
            connection.close()
        self.database.rest()

    def close(self) -> None:
        """Try a last time to keep what could be kept nowhere, and let go of the database; the writer has ended."""
        if self._spill.held:
            self._retry_at = self._spill.retry_at = 0.0
            self.keep([])
            self.rest()
        if self._spill.held:
            _LOG.error("The journal lost %d entries: neither it nor %s can be written.", self._spill.held, self._aside)
        self.database.dispose()

    def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries into the database; those that it will not take for what they are go aside for good.

        Raises:
            StoreError, SQLAlchemyError: it cannot be reached, or take anything.
        """
        from sqlalchemy.exc import DBAPIError, StatementError

        try:
            self._transact(entries)
            return
        except DBAPIError as error:
            # A server that was started anew takes us in at the second try.
            if error.connection_invalidated:
                self.rest()
            elif not _refused(error):
                raise
        except (StatementError, LookupError, TypeError):
            # Raised before anything reached the database, by an entry that is none.
            pass
        for entry in entries:
            try:
                self._transact([entry])
            except (StatementError, LookupError, TypeError) as error:
                if isinstance(error, DBAPIError) and not _refused(error):
                    raise
                self._memories = None
                self._reject(entry, error)

    def _transact(self, entries: Sequence[Entry]) -> None:
        from matrioska.store.journal.batch import Memories, write

        if self._connection is None:
            self._connection = self.database.connect()
        if self._memories is None:
            self._memories = Memories()
        try:
            write(self._connection, self._memories, entries)
        except BaseException:
            self._memories = None
            raise

    def _set_aside(self, entries: Sequence[Entry]) -> None:
        try:
            self._spill.put(self.database.display, entries)
        except OSError as error:
            if self._spill.lost:
                _LOG.error(
                    "The journal lost %d entries: %s cannot be written: %s", self._spill.lost, self._aside, error
                )

    def _reject(self, entry: Entry, error: Exception) -> None:
        """Put an entry where it keeps no other from being written."""
        place = self._aside.with_name("journal.rejected.jsonl")
        _LOG.warning("The journal will not take an entry (%s); it is kept in %s.", type(error).__name__, place)
        try:
            Spill(place).put(self.database.display, [entry])
        except OSError as fault:
            _LOG.error("An entry of the journal is lost: %s cannot be written: %s", place, fault)

    def _tell(self, error: Exception) -> None:
        """Say once what is wrong."""
        self._retry_at = time.monotonic() + RETRY_SECONDS
        told = error if isinstance(error, StoreError) else self.database.typed(error)
        known = self.trouble
        self.trouble = JournalError(
            f"{told.message} What is said goes to {self._aside} until it works again.",
            path=told.path,
            next_step=told.next_step,
        )
        if known is None:
            _LOG.warning("%s", self.trouble)


def _refused(error: Exception) -> bool:
    """Whether a database is well, and only will not take these very rows."""
    from sqlalchemy.exc import DataError, IntegrityError

    return isinstance(error, DataError | IntegrityError)
