"""The book of fitness: what was learnt of each node, in one SQLite file that all runs share.

Every change reads what it changes and writes it back inside one transaction that no other writer
can enter, so concurrent runs and processes lose nothing. The file is opened for each change and
each look: both are rare beside the models' answers, and nothing has to be closed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matrioska.state.ensemble import NodeId
from matrioska.state.errors import CorruptStoreError, NewerFormatError, UsageError
from matrioska.state.fitness import Evidence, KindName, Posterior, Reward, Tally, overall, posterior
from matrioska.store.database import open_database, typed_error

#: Fitness expected of a node for which no prior is given.
UNKNOWN = 0.5
_SCHEMA_VERSION = 1
_COLUMNS = ("right", "wrong", "agreed", "differed", "observations", "timed", "log_seconds")
_TABLE = """
    CREATE TABLE IF NOT EXISTS fitness (
        node TEXT NOT NULL,
        kind TEXT NOT NULL,
        right REAL NOT NULL,
        wrong REAL NOT NULL,
        agreed REAL NOT NULL,
        differed REAL NOT NULL,
        observations INTEGER NOT NULL,
        timed REAL NOT NULL,
        log_seconds REAL NOT NULL,
        PRIMARY KEY (node, kind)
    ) WITHOUT ROWID
"""
_TAKEN = "CREATE TABLE IF NOT EXISTS taken (number INTEGER PRIMARY KEY, ticket TEXT NOT NULL UNIQUE)"
#: Tickets that are remembered: those of the last so many votes.
_MOST_TAKEN = 10_000
_SELECT = f"SELECT node, kind, {', '.join(_COLUMNS)} FROM fitness"  # noqa: S608 - column names of our own
_REPLACE = f"REPLACE INTO fitness (node, kind, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"  # noqa: S608
#: Nodes and kinds that an export may hold.
_MOST_RECORDS = 10_000

Rows = dict[tuple[str, str], Tally]


class FitnessRow(BaseModel):
    """One line of the table: a node at one kind of task, or at all of them."""

    node: str
    kind: str
    """'' for all kinds together."""
    mean: float
    low: float
    """The share of right answers lies between this and ``high`` with a probability of 0.9."""
    high: float
    observations: int
    seconds: float | None
    """Median of what an answer takes."""


class Record(Tally):
    """A tally with its names, as exports hold it."""

    node: NodeId
    kind: KindName


class Export(BaseModel):
    """The whole book as JSON."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["matrioska-fitness"] = "matrioska-fitness"
    version: Literal[1] = 1
    records: Annotated[list[Record], Field(max_length=_MOST_RECORDS)]


class FitnessBook:
    """What was learnt of nodes.

    Args:
        path: its file, made with the first reward; None keeps it in memory, which is also what to
            go on with when the file is damaged.
        priors: fitness expected of each node before anything is known; `UNKNOWN` for those not in it.

    Raises (from every method that looks or changes):
        CorruptStoreError: the file is damaged, empty, or belongs to another program.
        NewerFormatError: it was written by a newer version.
        LockedStoreError: another process holds it.
        StoreError: it cannot be read or written.
    """

    def __init__(self, path: Path | None, priors: Mapping[str, float] | None = None) -> None:
        self.path = path
        self.priors = dict(priors or {})
        self._rows: Rows = {}
        self._taken: deque[str] = deque(maxlen=_MOST_TAKEN)

    async def posterior(self, node: str, kind: str) -> Posterior:
        """Return what to believe of a node at a kind of task."""
        return (await self.posteriors([node], [kind]))[node, kind]

    async def posteriors(self, nodes: Iterable[str], kinds: Iterable[str]) -> dict[tuple[str, str], Posterior]:
        """Return what to believe of every node at every kind of task, by both; one look at the file."""
        rows = await self._look()
        wanted = set(kinds)
        return {(node, kind): self._believed(rows, node, kind) for node in set(nodes) for kind in wanted}

    async def record(
        self, node: str, kind: str, *, right: float, seconds: float | None = None, evidence: Evidence = "check"
    ) -> None:
        """Add one reward; see `Reward` for what its parts mean."""
        await self.record_all([Reward(node=node, kind=kind, right=right, seconds=seconds, evidence=evidence)])

    async def record_all(self, rewards: Sequence[Reward], *, once: str | None = None) -> None:
        """Add rewards, all of them or, on an error, none.

        Args:
            rewards: what to add.
            once: a ticket of whoever may repeat this after a kill; what comes with a ticket that was
                taken is left out. The last 10,000 are remembered.
        """

        def add(rows: Rows) -> None:
            for reward in rewards:
                place = reward.node, reward.kind
                rows[place] = rows.get(place, Tally()).after(reward)

        if rewards:
            await self._change(add, once)

    async def table(self) -> list[FitnessRow]:
        """Return a line for every node overall and one for each of its kinds, by name; the best node first."""
        rows = await self._look()
        nodes = {node for node, _ in rows} | set(self.priors)
        found = {node: overall(self._prior(node), _tallies(rows, node)) for node in nodes}
        lines: list[FitnessRow] = []
        for node in sorted(nodes, key=lambda name: (-found[name].mean, name)):
            lines.append(_line(node, "", found[node]))
            kinds = sorted(kind for name, kind in rows if name == node)
            lines += [_line(node, kind, self._believed(rows, node, kind)) for kind in kinds]
        return lines

    async def reset(self, node: str | None = None) -> int:
        """Forget what was learnt of a node, or of all; return how many nodes that were."""
        forgotten: set[str] = set()

        def forget(rows: Rows) -> None:
            forgotten.update(name for name, _ in rows if node in (None, name))
            for place in [place for place in rows if place[0] in forgotten]:
                del rows[place]

        await self._change(forget)
        return len(forgotten)

    async def export(self) -> dict[str, Any]:
        """Return the whole book as JSON."""
        rows = await self._look()
        records = [Record(node=node, kind=kind, **tally.model_dump()) for (node, kind), tally in sorted(rows.items())]
        return Export(records=records).model_dump(mode="json")

    async def restore(self, exported: object) -> int:
        """Take in an export: its records take the place of those of the same node and kind. Return their number.

        Raises:
            UsageError: it is no export of a book; nothing was changed.
        """
        try:
            records = Export.model_validate(exported).records
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise UsageError(
                f"This is no export of fitness: {where}: {first['msg']}.",
                next_step="Give a file that `matrioska fitness --export FILE` wrote.",
            ) from error

        def put(rows: Rows) -> None:
            rows.update({(record.node, record.kind): _tally(record) for record in records})

        await self._change(put)
        return len(records)

    def _prior(self, node: str) -> float:
        return self.priors.get(node, UNKNOWN)

    def _believed(self, rows: Rows, node: str, kind: str) -> Posterior:
        others = [tally for place, tally in rows.items() if place[0] == node and place[1] != kind]
        return posterior(self._prior(node), rows.get((node, kind), Tally()), others)

    async def _look(self) -> Rows:
        if self.path is None:
            return self._rows
        return await asyncio.to_thread(_read_file, self.path)

    async def _change(self, change: Callable[[Rows], None], once: str | None = None) -> None:
        if self.path is not None:
            await asyncio.to_thread(_change_file, self.path, change, once)
        elif once is None or once not in self._taken:
            change(self._rows)
            if once is not None:
                self._taken.append(once)


def _tallies(rows: Rows, node: str) -> list[Tally]:
    return [tally for (name, _), tally in rows.items() if name == node]


def _tally(record: Record) -> Tally:
    return Tally(**record.model_dump(exclude={"node", "kind"}))


def _line(node: str, kind: str, found: Posterior) -> FitnessRow:
    low, high = found.interval()
    return FitnessRow(
        node=node,
        kind=kind,
        mean=found.mean,
        low=low,
        high=high,
        observations=found.observations,
        seconds=found.seconds,
    )


def _read_file(path: Path) -> Rows:
    if not path.exists():
        return {}
    with _opened(path) as conn:
        return _read(conn, path)


def _change_file(path: Path, change: Callable[[Rows], None], once: str | None = None) -> None:
    with _opened(path) as conn, conn:
        # Before the first look, so that nobody writes between it and ours.
        conn.execute("BEGIN IMMEDIATE")
        if once is not None and not _takes(conn, once):
            return
        before = _read(conn, path)
        rows = dict(before)
        change(rows)
        conn.executemany("DELETE FROM fitness WHERE node = ? AND kind = ?", before.keys() - rows.keys())
        changed = [place for place, tally in rows.items() if before.get(place) is not tally]
        conn.executemany(_REPLACE, [(*place, *_values(rows[place])) for place in changed])


def _takes(conn: sqlite3.Connection, ticket: str) -> bool:
    """Take a ticket, and forget the oldest; return whether it was new. It is kept with what else the change writes."""
    inserted = conn.execute("INSERT OR IGNORE INTO taken (ticket) VALUES (?)", (ticket,))
    conn.execute("DELETE FROM taken WHERE number <= (SELECT max(number) FROM taken) - ?", (_MOST_TAKEN,))
    return inserted.rowcount == 1


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, and close it; SQLite's errors become ours."""
    try:
        with closing(open_database(path, known_by="fitness", prepare=_prepare)) as conn:
            version = conn.execute("PRAGMA user_version").fetchone()[0]
            if version > _SCHEMA_VERSION:
                raise NewerFormatError(
                    f"The fitness in {path} was written by a newer version (format {version}).",
                    path=str(path),
                    next_step="Update Matrioska, or choose another folder with --base-path.",
                )
            yield conn
    except sqlite3.Error as error:
        raise typed_error(path, error) from error


def _prepare(conn: sqlite3.Connection) -> None:
    conn.execute(_TABLE)
    conn.execute(_TAKEN)
    if conn.execute("PRAGMA user_version").fetchone()[0] == 0:
        conn.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _read(conn: sqlite3.Connection, path: Path) -> Rows:
    try:
        return {
            (str(node), str(kind)): Tally.model_validate(dict(zip(_COLUMNS, values, strict=True)))
            for node, kind, *values in conn.execute(_SELECT)
        }
    except ValidationError as error:
        raise CorruptStoreError(
            f"The fitness in {path} holds what cannot be: {error.error_count()} values out of range.",
            path=str(path),
            next_step="Restore it from a backup, or move it away to start anew.",
        ) from error


def _values(tally: Tally) -> tuple[float, ...]:
    return tuple(getattr(tally, name) for name in _COLUMNS)
