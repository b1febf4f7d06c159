"""Entries become rows: all that came in by now, in one transaction, whatever database it is.

Only plain statements are used, so that one way serves every database; whether a row is new is
known beforehand. Of each conversation written to, the ids are remembered, and the conversation's
row counts the numbers given out: found as it was left, nobody else has written meanwhile and what
is remembered holds; else it is read anew. The same statement takes the lock on that row, so two
processes never give out a number twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from matrioska.store.journal.entries import Entry, Origin
from matrioska.store.journal.tables import conversations, messages, metrics

#: Conversations whose ids are remembered; of others they are read again.
MOST_REMEMBERED = 64
_TITLE = 200
_ONCE = ("id", "conversation_id", "correlation_id", "superseded", "created")
_REWRITTEN = tuple(column.name for column in messages.c if column.name not in _ONCE)

_INSERT = sa.insert(messages)
_INSERT_METRIC = sa.insert(metrics)
_DELETE_METRICS = sa.delete(metrics).where(metrics.c.message_id == sa.bindparam("b_id"))
_REWRITE = (
    sa.update(messages)
    .where(messages.c.id == sa.bindparam("b_id"))
    .values(
        {name: sa.bindparam(f"b_{name}") for name in _REWRITTEN}
        | {
            # What an earlier attempt had said counts as said now; else it stays said when it was said first.
            "created": sa.case((messages.c.superseded, sa.bindparam("b_created")), else_=messages.c.created),
            "superseded": sa.false(),
        }
    )
)
_CLOSE = (
    sa.update(messages)
    .where(messages.c.id == sa.bindparam("b_id"))
    .values(status=sa.bindparam("b_status"), updated=sa.bindparam("b_updated"))
)
_HIDE = (
    sa.update(messages)
    .where(
        messages.c.conversation_id == sa.bindparam("b_conversation"),
        messages.c.step == sa.bindparam("b_step"),
        messages.c.parent_id.is_not(None),
    )
    .values(superseded=sa.true())
)
_ADOPT = (
    sa.update(messages)
    .where(messages.c.parent_id == sa.bindparam("b_gone"), messages.c.superseded.is_(sa.false()))
    .values(parent_id=messages.c.correlation_id)
)
_DELETE = sa.delete(messages).where(messages.c.id == sa.bindparam("b_gone"))
_SETTLE = (
    sa.update(messages)
    .where(messages.c.conversation_id == sa.bindparam("b_conversation"), messages.c.status == "open")
    .values(status=sa.bindparam("b_status"), updated=sa.bindparam("b_updated"))
)
_SETTLE_CONVERSATION = (
    sa.update(conversations)
    .where(conversations.c.id == sa.bindparam("b_conversation"))
    .values(status=sa.bindparam("b_status"), updated=sa.bindparam("b_updated"))
)
_DRAW = (
    sa.update(conversations)
    .where(conversations.c.id == sa.bindparam("b_id"), conversations.c.numbers == sa.bindparam("b_last"))
    .values(
        numbers=sa.bindparam("b_numbers"),
        updated=sa.func.coalesce(sa.bindparam("b_updated", type_=sa.Double), conversations.c.updated),
        status=sa.func.coalesce(sa.bindparam("b_status", type_=sa.String(10)), conversations.c.status),
    )
)
_NUMBERS = sa.select(conversations.c.numbers).where(conversations.c.id == sa.bindparam("b_id")).with_for_update()
_RECALL = sa.select(
    messages.c.id, messages.c.number, messages.c.step, messages.c.superseded, messages.c.parent_id
).where(messages.c.conversation_id == sa.bindparam("b_id"))


@dataclass
class Memory:
    """What a writer knows of a conversation."""

    last: int
    """Numbers given out, this writer's own included."""
    next: int
    """The number to give out next is one more."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Number by id, of all its messages."""
    steps: dict[str, list[str]] = field(default_factory=dict)
    """Ids by step, but for roots'."""
    hidden: set[str] = field(default_factory=set)
    """Ids of superseded messages."""


class Memories(OrderedDict[str, Memory]):
    """What is known of the conversations written to last, by id.

    Attributes:
        doubted: what holds only if nobody else has written since; the next claim finds out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.doubted: dict[str, Memory] = {}

    def doubt(self, conversation: str) -> None:
        """Say that another process may have written to a conversation."""
        # One step, since this may be any thread.
        if (memory := self.pop(conversation, None)) is not None:
            self.doubted[conversation] = memory

    def find(self, conversation: str) -> Memory | None:
        """Return what is, or was, known of a conversation."""
        return self.get(conversation) or self.doubted.get(conversation)

    def keep(self, conversation: str, memory: Memory) -> None:
        """Remember a conversation, and forget the one that was not written to for longest."""
        self[conversation] = memory
        self.move_to_end(conversation)
        self.doubted.pop(conversation, None)
        if len(self) > MOST_REMEMBERED:
            self.popitem(last=False)
        if len(self.doubted) > MOST_REMEMBERED:
            self.doubted.clear()


def write(connection: sa.Connection, memories: Memories, entries: Sequence[Entry]) -> None:
    """Write entries down in one transaction. When it raises, ``memories`` no longer hold.

    Raises:
        SQLAlchemyError: the database cannot, or will not, take them; nothing was written.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.origin.conversation, []).append(entry)
    with connection.begin():
        # In one order everywhere: two processes that lock the same rows must not wait for each other.
        for conversation in sorted(groups):
            memory = _claim(connection, memories.find(conversation), groups[conversation])
            if memory is not None:
                _Work(connection, conversation, memory).do(groups[conversation])
                memories.keep(conversation, memory)


def _claim(connection: sa.Connection, memory: Memory | None, entries: Sequence[Entry]) -> Memory | None:
    """Lock a conversation, draw numbers for these entries, and return what is known of it.

    None when it is not there, and nothing is said that would begin it.
    """
    conversation = entries[0].origin.conversation
    said = [entry for entry in entries if entry.kind in ("say", "ask")]
    drawn = _drawn(memory, entries)
    if memory is None or not _draw(connection, conversation, memory.last, drawn, said):
        last = connection.execute(_NUMBERS, {"b_id": conversation}).scalar()
        if last is None:
            drawn = _drawn(None, entries)
            return _begin(connection, said, drawn) if said else None
        memory = _recall(connection, conversation, last)
        drawn = _drawn(memory, entries)
        _draw(connection, conversation, last, drawn, said)
    memory.next = memory.last
    memory.last += drawn
    return memory


def _drawn(memory: Memory | None, entries: Sequence[Entry]) -> int:
    """Return how many numbers entries may need: one a message and a new root, and one where any is taken away."""
    roots = {entry.origin.root for entry in entries if entry.kind in ("say", "ask")}
    steps = {entry.step for entry in entries if entry.kind in ("begin", "end")}
    if memory is not None:
        roots -= memory.numbers.keys()
        steps &= memory.steps.keys()
    return len(roots) + sum(entry.kind == "say" for entry in entries) + len(steps)


def _draw(connection: sa.Connection, conversation: str, last: int, drawn: int, said: Sequence[Entry]) -> bool:
    """Draw numbers; return whether nobody else has since ``last``. What is said opens the conversation again."""
    values = {
        "b_id": conversation,
        "b_last": last,
        "b_numbers": last + drawn,
        "b_updated": said[-1].at if said else None,
        "b_status": "open" if said else None,
    }
    return connection.execute(_DRAW, values).rowcount == 1


def _begin(connection: sa.Connection, said: Sequence[Entry], drawn: int) -> Memory:
    origin = said[0].origin
    title = " ".join(origin.text[: 2 * _TITLE].split())[:_TITLE]
    values = {
        "id": origin.conversation,
        "graph": origin.graph,
        "title": title,
        "status": "open",
        "created": said[0].at,
        "updated": said[-1].at,
        "numbers": drawn,
    }
    connection.execute(sa.insert(conversations), values)
    return Memory(last=drawn, next=0)


def _recall(connection: sa.Connection, conversation: str, last: int) -> Memory:
    memory = Memory(last=last, next=last)
    for id, number, step, superseded, parent in connection.execute(_RECALL, {"b_id": conversation}):
        memory.numbers[id] = number
        if parent is not None:
            memory.steps.setdefault(step, []).append(id)
        if superseded:
            memory.hidden.add(id)
    return memory


class _Work:
    """One conversation's entries, in one transaction."""

    def __init__(self, connection: sa.Connection, conversation: str, memory: Memory) -> None:
        self._connection = connection
        self._conversation = conversation
        self._memory = memory
        self._rows: dict[str, dict[str, Any]] = {}
        self._metrics: dict[str, dict[str, Any]] = {}
        self._closed: dict[str, Entry] = {}

    def do(self, entries: Sequence[Entry]) -> None:
        """Write them down, in order."""
        for entry in entries:
            match entry.kind:
                case "ask":
                    self._ask(entry.origin, entry.at)
                case "say":
                    self._say(entry)
                case "close":
                    self._close(entry)
                case "begin":
                    self._begin(entry)
                case "end":
                    self._end(entry)
                case "settle":
                    self._settle(entry)
        self._flush()

    def _ask(self, origin: Origin, at: float) -> None:
        if origin.root in self._memory.numbers or origin.root in self._rows:
            return
        self._rows[origin.root] = {
            "id": origin.root,
            "conversation_id": self._conversation,
            "correlation_id": origin.root,
            "parent_id": None,
            "number": self._number(),
            "step": "",
            "type": "query",
            "source": origin.source,
            "destination": origin.destination,
            "content": origin.text,
            "context": {},
            "processing": {},
            "status": "done",
            "superseded": False,
            "created": at,
            "updated": at,
        }

    def _say(self, entry: Entry) -> None:
        self._ask(entry.origin, entry.at)
        row, known = dict(entry.row or {}), self._memory.numbers
        id, parent = row["id"], row["parent_id"]
        before = self._rows.get(id)
        visible = id in known and id not in self._memory.hidden
        self._rows[id] = row | {
            "conversation_id": self._conversation,
            "correlation_id": entry.origin.root,
            # An answer to what is not here (pruned, or of another thread) answers what was asked.
            "parent_id": parent if parent != id and (parent in known or parent in self._rows) else entry.origin.root,
            "number": before["number"] if before else known[id] if visible else self._number(),
            "step": entry.step,
            "status": entry.status,
            "superseded": False,
            "created": before["created"] if before else entry.at,
            "updated": entry.at,
        }
        self._metrics.pop(id, None)
        if entry.metric is not None:
            own = {"id": id, "message_id": id, "conversation_id": self._conversation, "created": entry.at}
            self._metrics[id] = entry.metric | own
        self._closed.pop(id, None)

    def _close(self, entry: Entry) -> None:
        if row := self._rows.get(entry.message):
            row |= {"status": entry.status, "updated": entry.at}
        elif entry.message in self._memory.numbers:
            self._closed[entry.message] = entry

    def _begin(self, entry: Entry) -> None:
        self._flush()
        if before := self._memory.steps.get(entry.step):
            self._connection.execute(_HIDE, {"b_conversation": self._conversation, "b_step": entry.step})
            self._memory.hidden.update(before)

    def _end(self, entry: Entry) -> None:
        memory = self._memory
        if memory.hidden.isdisjoint(memory.steps.get(entry.step, ())):
            return
        self._flush()
        gone = [id for id in memory.steps.get(entry.step, ()) if id in memory.hidden]
        if not gone:
            return
        # Other steps' answers to what is gone stay; they were kept for good on their own.
        self._connection.execute(_ADOPT, [{"b_gone": id} for id in gone])
        self._connection.execute(_DELETE, [{"b_gone": id} for id in gone])
        for id in gone:
            del memory.numbers[id]
        memory.steps[entry.step] = [id for id in memory.steps[entry.step] if id in memory.numbers]
        memory.hidden.difference_update(gone)

    def _settle(self, entry: Entry) -> None:
        self._flush()
        values = {"b_conversation": self._conversation, "b_status": entry.status, "b_updated": entry.at}
        self._connection.execute(_SETTLE, values)
        self._connection.execute(_SETTLE_CONVERSATION, values)

    def _flush(self) -> None:
        """Execute what has gathered: new rows before others, since those may answer them."""
        known, execute = self._memory.numbers, self._connection.execute
        if new := [row for id, row in self._rows.items() if id not in known]:
            execute(_INSERT, new)
        if again := [row for id, row in self._rows.items() if id in known]:
            execute(_REWRITE, [{f"b_{name}": value for name, value in row.items()} for row in again])
            execute(_DELETE_METRICS, [{"b_id": row["id"]} for row in again])
        if self._metrics:
            execute(_INSERT_METRIC, list(self._metrics.values()))
        if self._closed:
            closed = self._closed.values()
            execute(_CLOSE, [{"b_id": one.message, "b_status": one.status, "b_updated": one.at} for one in closed])
        for row in new:
            if row["parent_id"] is not None:
                self._memory.steps.setdefault(row["step"], []).append(row["id"])
        known.update((id, row["number"]) for id, row in self._rows.items())
        self._memory.hidden.difference_update(self._rows)
        self._rows, self._metrics, self._closed = {}, {}, {}

    def _number(self) -> int:
        self._memory.next += 1
        return self._memory.next
