"""The journal: what all graphs say, kept; opened by everybody who writes or reads it."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Awaitable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from matrioska.state.errors import JournalError, UsageError
from matrioska.state.journal import Conversation, Message, Status
from matrioska.state.text import clean_text
from matrioska.store.environment import file_stamp, load_environment
from matrioska.store.journal.entries import Asked, Entry, Origin, bounded_step, derived_id
from matrioska.store.journal.keeper import Keeper
from matrioska.store.journal.rendering import content_of, party_of
from matrioska.store.journal.scope import Place, Scope
from matrioska.store.journal.writer import Writer
from matrioska.store.layout import Layout
from matrioska.store.settings import config_path, load_settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from matrioska.store.journal.reader import PartyMetrics

#: The setting that keeps nothing.
OFF = "off"
MAX_CONVERSATION = 200


class Journal:
    """Conversations, messages and metrics in one database; any number of threads may use it.

    Writing never raises: see `trouble`. Nothing is opened before the first message or look, and a
    journal that was closed, or had nothing to do for a while, opens again by itself.

    Raises (from every method that reads):
        JournalError: the database cannot be reached or read, its driver or its address included.
        LockedStoreError, NewerFormatError, CorruptStoreError: as their names say.

    Args:
        address: SQLAlchemy URL, or the path of a SQLite file; None keeps nothing.
        aside: file for what cannot be written now; taken in when the database works again.
    """

    def __init__(self, address: str | Path | None, aside: Path) -> None:
        self.keeps = address is not None
        self._keeper = Keeper(address, aside)
        self._writer = Writer(self._keeper.keep, self._keeper.rest)

    @property
    def address(self) -> str:
        """Where it is, without passwords; '' when nothing is kept."""
        return self._keeper.database.display if self.keeps else ""

    @property
    def trouble(self) -> JournalError | None:
        """Why what is said goes to a file beside the journal for now; None while all is well."""
        return self._keeper.trouble

    def scope(
        self,
        conversation: str,
        step: str,
        *,
        graph: str,
        turn: str,
        root: Asked,
        parent: str = "",
        source: str = "",
        destination: str = "",
        operation: str = "",
        repeats: bool = False,
    ) -> Scope:
        """Return a step's scope.

        Args:
            conversation: the thread's id.
            step: what is the same step when it is done again: a task's id.
            graph: ``matrioska``, ``ensemble``, ``cascade``, ``single`` or ``compare``.
            turn: tells several questions on one thread apart; each has a root of its own.
            root: what was asked.
            parent: id of the message that those of this step answer; '' for the root.
            source: who speaks; '' for the graph.
            destination: to whom; '' for whoever asked.
            operation: what calls are for; '' for the source's name.
            repeats: whether the step's work is done anew as a whole when it was cut off. What an
                earlier attempt left is hidden when it begins, and gone when it ends. Else its
                messages stay, and are written over by those of the same key.

        Raises:
            UsageError: the conversation has no id, or one of more than 200 characters.
        """
        origin = _origin(conversation, graph, turn, root)
        if self.keeps:
            # A step of a graph begins: since the last one, another process may have had the thread.
            self._keeper.doubt(origin.conversation)
        path, speaker = bounded_step(clean_text(step)), party_of(source) or origin.graph
        addressed, purpose = party_of(destination) or origin.source, party_of(operation) or speaker
        place = Place(path, path, repeats, speaker, addressed, parent, purpose)
        return Scope(self, origin, place)

    def append(self, entry: Entry) -> None:
        """Take an entry; never waits."""
        self._writer.append(entry)

    def flush(self) -> Future[None]:
        """Return what is done once everything said so far is kept for good. It never fails."""
        if self.keeps:
            return self._writer.flush()
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return nothing

    def flushed(self) -> Awaitable[None]:
        """Return the same for the running event loop."""
        return self._writer.flushed()

    def knows(self, conversation: str, message: str) -> bool:
        """Whether a message stands in the journal, unless somebody has removed its conversation since."""
        return not self.keeps or self._keeper.knows(conversation, message)

    def may_hold(self, conversation: str, step: str) -> bool:
        """Whether an attempt of this step may have left messages."""
        return self.keeps and self._keeper.may_hold(conversation, step)

    def messages(
        self,
        conversation: str,
        after: int = 0,
        *,
        most: int | None = None,
        party: str = "",
        brief: bool = False,
    ) -> list[Message]:
        """Return a conversation's messages in order, with their metrics.

        Args:
            conversation: the conversation.
            after: only those with a number above this.
            most: so many at the most; None for all.
            party: only what this one said or was told; '' for everybody.
            brief: without prompts, and of each content only the beginning.
        """
        from matrioska.store.journal import reader

        with self._reading() as connection:
            if connection is None:
                return []
            return reader.messages(connection, conversation, after, most=most, party=party, brief=brief)

    def children(self, message: str) -> list[Message]:
        """Return the messages that answer one, in order."""
        from matrioska.store.journal import reader

        with self._reading() as connection:
            return reader.children(connection, message) if connection is not None else []

    def conversations(self) -> list[Conversation]:
        """Return all conversations, the latest first, with their counts."""
        from matrioska.store.journal import reader

        with self._reading() as connection:
            return reader.conversations(connection) if connection is not None else []

    def heads(self, wanted: Collection[str]) -> dict[str, Conversation]:
        """Return conversations by their ids, without their counts, which takes no look at the messages.

        Args:
            wanted: ids, some hundred at the most; those that the journal does not hold are left out.
        """
        from matrioska.store.journal import reader

        with self._reading() as connection:
            found = reader.heads(connection, wanted) if connection is not None else []
        return {head.id: head for head in found}

    def latest(self) -> dict[str, tuple[str, float]]:
        """Return of every conversation its graph, and when something was last said in it, in seconds since 1970."""
        from matrioska.store.journal import reader

        with self._reading() as connection:
            return reader.latest(connection) if connection is not None else {}

    def metrics(self, conversation: str) -> list[PartyMetrics]:
        """Return what each who spoke in a conversation took, in the order of their first words."""
        from matrioska.store.journal import reader

        with self._reading() as connection:
            return reader.metrics(connection, conversation) if connection is not None else []

    def settle(self, conversation: str, status: Status = "done") -> None:
        """Say that a conversation has ended, for now, and wait until that is kept.

        What is still open in it gets the status. A conversation that the journal does not hold is left alone.
        """
        if self.keeps:
            nowhere = Origin(clean_text(conversation), "", "", "", "", "")
            self.append(Entry("settle", nowhere, time.time(), status=status))
            self.flush().result()

    def prune(
        self,
        older_than: timedelta | None = None,
        keep: int | None = None,
        conversation: str | None = None,
        *,
        dry: bool = False,
        unfinished: bool = False,
    ) -> int:
        """Remove whole conversations, and give their space back. What several wishes name must fit all of them.

        Args:
            older_than: those in which nothing was said for so long.
            keep: but the latest so many.
            conversation: this one.
            dry: only count.
            unfinished: those too that are still open; else they are passed over.

        Returns:
            How many.

        Raises:
            UsageError: no wish was given, or the one named is open and ``unfinished`` was not said.
        """
        from matrioska.store.journal import retention

        wish = retention.Wish(older_than, keep, conversation, unfinished)
        with self._reading() as connection:
            chosen = retention.chosen(connection, wish) if connection is not None else []
        if chosen and not dry:
            self._keeper.database.prune(chosen)
        return len(chosen)

    def close(self) -> None:
        """Keep what is left and let go of the database. Whoever goes on writing opens it again."""
        if self.keeps:
            self._writer.stop()
            self._keeper.close()

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """Give a connection that sees all that was said so far; None when there is nothing to see."""
        if not self.keeps:
            yield None
            return
        self.flush().result()
        with self._keeper.database.reading() as connection:
            yield connection


@lru_cache(maxsize=64)
def _origin(conversation: str, graph: str, turn: str, root: Asked) -> Origin:
    """Return the origin that all scopes of a turn share.

    Raises:
        UsageError: the conversation has no id, or too long a one.
    """
    conversation = clean_text(conversation)
    if not 0 < len(conversation) <= MAX_CONVERSATION:
        raise UsageError(
            f"A conversation cannot have an id of {len(conversation)} characters.",
            next_step=f"Give one of 1 to {MAX_CONVERSATION}.",
        )
    return Origin(
        conversation=conversation,
        graph=party_of(graph) or "matrioska",
        root=derived_id(conversation, "root", clean_text(turn)),
        text=content_of(root.text),
        source=party_of(root.source) or "person",
        destination=party_of(root.destination) or "matrioska",
    )


_JOURNALS: dict[tuple[int, str, Path], Journal] = {}
_LOCK = threading.Lock()


def open_journal(base_path: str | os.PathLike[str]) -> Journal:
    """Return the journal of the settings; the same one for all who ask in this process.

    Looks at the settings' file: where nothing may block, call it off the loop.

    Raises:
        ConfigError: the settings are faulty.
    """
    load_environment()
    path = config_path().absolute()
    setting = _setting(path, file_stamp(path), os.environ.get("MATRIOSKA_JOURNAL", ""))
    layout = Layout.at(base_path)
    # By process too: a forked one has none of its parent's threads.
    with _LOCK:
        key = (os.getpid(), setting or "", layout.journal)
        if key not in _JOURNALS:
            address = None if setting == OFF else setting or layout.journal
            _JOURNALS[key] = Journal(address, layout.journal.with_name("journal.pending.jsonl"))
        return _JOURNALS[key]


@lru_cache(maxsize=8)
def _setting(path: Path, stamp: tuple[int, int] | None, environment: str) -> str | None:
    setting = load_settings().journal
    return OFF if setting is not None and setting.strip().lower() == OFF else setting


@atexit.register
def _close_all() -> None:
    for (process, _, _), journal in _JOURNALS.items():
        if process == os.getpid():
            journal.close()
