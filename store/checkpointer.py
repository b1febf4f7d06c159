"""The SQLite checkpointer: langgraph's own, opened strictly and with our guards around it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from matrioska.state.errors import CorruptStoreError, NewerFormatError, StoreError
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.database import open_database, typed_error
from matrioska.store.lease import thread_lease

P = ParamSpec("P")
T = TypeVar("T")

# "execute:…|<module>.<stage>:…" is the namespace of a module subgraph.
NS_SEP = "|"
_MODULE_DEPTH = 1
_BRANCH = "branch:to:"
# Where a module goes once a model has answered: the one step that must not be taken twice.
_ANSWERED = f"{_BRANCH}check"
_Put = tuple[RunnableConfig, Checkpoint, CheckpointMetadata, ChannelVersions]


class _Serializer(JsonPlusSerializer):
    """`JsonPlusSerializer` whose faults say what is wrong."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """See `JsonPlusSerializer.loads_typed`.

        Raises:
            CorruptStoreError: it is damaged, or of a kind that is never restored.
        """
        try:
            return super().loads_typed(data)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise CorruptStoreError(
                f"What is saved here is damaged, or was not saved by Matrioska: {type(error).__name__}.",
                next_step="Take the database back from a copy. Other runs in it can be used as they are.",
            ) from error


def strict_serializer() -> JsonPlusSerializer:
    """Return a serializer that restores plain data only: no pickle, no classes by name."""
    return _Serializer(pickle_fallback=False, allowed_msgpack_modules=[], allowed_json_modules=[])


class Checkpointer(SqliteSaver):
    """`SqliteSaver` for both worlds, with typed errors.

    The async methods call the sync ones in place: a hop to another thread for each write
    costs several times the write itself (docs/engine.md has the figures). After a write
    fails, `failure` is set and every further write is refused, so that a full disk stops a
    run at the next step and not after all work is done.
    """

    def __init__(self, conn: sqlite3.Connection, path: Path) -> None:
        super().__init__(conn, serde=strict_serializer())
        self.path = path
        self.failure: StoreError | None = None
        self._held: dict[tuple[str, str], _Put] = {}

    def get_next_version(self, current: str | int | None, channel: None) -> str:
        """Return the version after ``current``, in the form that a LangGraph server's own adapter counts on."""
        return _version(1 if current is None else _number(current) + 1)

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """See `SqliteSaver.cursor`.

        Raises:
            StoreError: the database is locked, damaged or cannot be written.
        """
        if transaction and self.failure is not None:
            raise self.failure
        try:
            with self.lock, closing(self.conn.cursor()) as cursor:
                self.setup()
                # `SqliteSaver` commits after an error too: half a task's result would count as all.
                try:
                    yield cursor
                    if transaction:
                        self.conn.commit()
                except BaseException:
                    self.conn.rollback()
                    raise
        except sqlite3.Error as error:
            typed = typed_error(self.path, error)
            if transaction:
                self.failure = typed
            raise typed from error

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `SqliteSaver.get_tuple`. The latest checkpoint is the one written last.

        Raises:
            NewerFormatError: the checkpoint was saved in a newer format.
        """
        if not get_checkpoint_id(config):
            latest = self._written_last(config)
            if latest is None:
                return None
            place = config["configurable"]
            namespace = place.get("checkpoint_ns", "")
            config = {
                "configurable": {"thread_id": place["thread_id"], "checkpoint_ns": namespace, "checkpoint_id": latest}
            }
        found = super().get_tuple(config)
        if found is None:
            return None
        _check_format(found, self.path)
        return found._replace(checkpoint=_with_versions(found.checkpoint, _version))

    def _written_last(self, config: RunnableConfig) -> str | None:
        # Ids carry the time of day: after a clock that was set back, the highest is an old one.
        place = config["configurable"]
        with self.cursor(transaction=False) as cursor:
            row = cursor.execute(
                "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? "
                "ORDER BY rowid DESC LIMIT 1",
                (str(place["thread_id"]), place.get("checkpoint_ns", "")),
            ).fetchone()
        return str(row[0]) if row else None

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `SqliteSaver.put_writes`.

        Pending writes let a superstep of several tasks keep those that ended. A superstep of
        the module subgraph is one task, and the checkpoint right behind it says the same:
        there only interrupts, errors and answers are written, at half the disk and time.
        """
        if (key := _module_key(config)) is not None:
            writes = [write for write in writes if write[0] in WRITES_IDX_MAP]
            if not writes:
                return
            if (held := self._held.pop(key, None)) is not None:
                self._save(*held)
        super().put_writes(config, writes, task_id, task_path)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """See `SqliteSaver.list`.

        Raises:
            NewerFormatError: a checkpoint was saved in a newer format.
        """
        # Collected first: its lock must not be held while the caller looks at what it got.
        for found in tuple(super().list(config, filter=filter, before=before, limit=limit)):
            _check_format(found, self.path)
            yield found._replace(checkpoint=_with_versions(found.checkpoint, _version))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `SqliteSaver.put`.

        Of a module subgraph only the steps behind a model's answer are saved: the others can be
        taken again in a millisecond, and would be four of five writes. They are held back until
        they are outdated, or until an interrupt or error must be kept with them.
        """
        key = _module_key(config)
        if key is None:
            return self._save(config, checkpoint, metadata, new_versions)
        updated = checkpoint.get("updated_channels") or []
        self._held.pop(key, None)
        if _ANSWERED in updated:
            return self._save(config, checkpoint, metadata, new_versions)
        # The last step of all leads nowhere and is not even held: the task's own result follows.
        if any(channel.startswith(_BRANCH) for channel in updated) or metadata.get("source") != "loop":
            self._held[key] = (config, checkpoint, metadata, new_versions)
        thread_id, namespace = key
        place = {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint["id"]}
        return {"configurable": place}

    def _save(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Write a checkpoint, its versions as numbers.

        As strings of 50 characters, once a channel and once more a node, they would be a third
        of every checkpoint.
        """
        return super().put(config, _with_versions(checkpoint, _number), metadata, new_versions)

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do database work from async code, in place: the one thing that a server needs otherwise."""
        return function(*args, **kwargs)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return await self._work(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""

        def collect() -> tuple[CheckpointTuple, ...]:
            return tuple(self.list(config, filter=filter, before=before, limit=limit))

        for found in await self._work(collect):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return await self._work(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        await self._work(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await self._work(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See `delete_for_runs`."""
        await self._work(self.delete_for_runs, run_ids)

    def lease(self, thread_id: str) -> AbstractContextManager[None]:
        """Return the lease of a thread of this database; see `thread_lease`."""
        # A new drive starts with a clean slate: the disk may have room again, and what a stage
        # that died had held back is outdated.
        self.failure = None
        self._held = {key: held for key, held in self._held.items() if key[0] != thread_id}
        return thread_lease(self.path.parent / "locks", thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that a LangGraph server wrote for these runs (a rollback)."""
        with self.cursor() as cursor:
            for run_id in run_ids:
                cursor.execute(
                    "DELETE FROM writes WHERE (thread_id, checkpoint_ns, checkpoint_id) IN (SELECT thread_id, "
                    "checkpoint_ns, checkpoint_id FROM checkpoints WHERE json_extract(metadata, '$.run_id') = ?)",
                    (run_id,),
                )
                cursor.execute("DELETE FROM checkpoints WHERE json_extract(metadata, '$.run_id') = ?", (run_id,))

    def thread_ids(self) -> Sequence[str]:
        """Return the ids of all threads, the one written last first."""
        with self.cursor(transaction=False) as cursor:
            rows = cursor.execute(
                "SELECT thread_id FROM checkpoints WHERE checkpoint_ns = '' GROUP BY thread_id ORDER BY MAX(rowid) DESC"
            )
            return [row[0] for row in rows]


def _module_key(config: RunnableConfig) -> tuple[str, str] | None:
    """Return thread and namespace of a module subgraph, None for any other graph."""
    place = config["configurable"]
    namespace = str(place.get("checkpoint_ns", ""))
    return (str(place["thread_id"]), namespace) if namespace.count(NS_SEP) == _MODULE_DEPTH else None


def _number(version: str | int | float) -> int:
    return int(str(version).split(".")[0])


def _version(number: str | int | float) -> str:
    return f"{_number(number):032}"


def _with_versions(checkpoint: Checkpoint, convert: Callable[[Any], Any]) -> Checkpoint:
    """Return a checkpoint with every version in it converted."""
    return {
        **checkpoint,
        "channel_versions": {name: convert(version) for name, version in checkpoint["channel_versions"].items()},
        "versions_seen": {
            node: {name: convert(version) for name, version in seen.items()}
            for node, seen in checkpoint["versions_seen"].items()
        },
    }


def _check_format(found: CheckpointTuple, path: Path) -> None:
    saved = found.checkpoint.get("channel_values", {}).get("format", STATE_FORMAT)
    if not isinstance(saved, int) or saved > STATE_FORMAT:
        raise NewerFormatError(
            f"This run was saved in format {saved}; this version reads up to {STATE_FORMAT}.",
            path=str(path),
            next_step="Upgrade Matrioska to open it; nothing was changed.",
        )


def open_checkpointer(path: str | os.PathLike[str]) -> Checkpointer:
    """Open (or create) a database of checkpoints; the caller closes ``.conn``.

    Raises:
        CorruptStoreError: the file is damaged, empty or belongs to another program.
        LockedStoreError: another process holds it.
        StoreError: it cannot be created.
    """
    place = Path(path).expanduser().absolute()
    conn = open_database(place)
    try:
        saver = Checkpointer(conn, place)
        saver.setup()
    except sqlite3.Error as error:
        conn.close()
        raise typed_error(place, error) from error
    return saver
