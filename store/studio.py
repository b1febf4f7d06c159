"""The checkpointer of a LangGraph server: the same database as the command line's.

`langgraph.json` names `studio_checkpointer`, so that runs begun on the command line can be
opened in Studio and the other way round. A server takes only UUIDs for threads, a person
rather reads names: under a server a named thread goes by the UUID made from its name
(RFC 9562, version 5).
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple

from matrioska.store.checkpointer import Checkpointer, P, T, open_checkpointer
from matrioska.store.layout import Layout
from matrioska.store.settings import load_settings

_NAMESPACE = uuid.UUID("7e1f6b5c-53a5-5c1e-9d3b-6d6174726f73")


def studio_thread_id(thread_id: str) -> str:
    """Return the UUID under which a server knows a thread; one that is a UUID keeps it."""
    try:
        return str(uuid.UUID(thread_id))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, thread_id))


class ThreadedCheckpointer(Checkpointer):
    """`Checkpointer` whose async methods leave the event loop free.

    A server refuses calls that block its loop (``BlockingError``), so here the hop to a
    thread, which `Checkpointer` saves, is paid.
    """

    def __init__(self, conn: sqlite3.Connection, path: Path) -> None:
        super().__init__(conn, path)
        self._names: dict[str, str] = {}

    def own_name(self, thread_id: str) -> str:
        """Return the name of the thread that a server knows by this UUID, else the UUID itself."""
        # Asked with every read and write: all threads are gone through only for one not seen before.
        if thread_id not in self._names:
            self._names = {studio_thread_id(name): name for name in self.thread_ids()}
        return self._names.get(thread_id, thread_id)

    def _own(self, config: RunnableConfig) -> RunnableConfig:
        place = config["configurable"]
        return {**config, "configurable": {**place, "thread_id": self.own_name(str(place["thread_id"]))}}

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `Checkpointer.get_tuple`."""
        found = super().get_tuple(self._own(config))
        return _as_asked(found, config) if found is not None else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """See `Checkpointer.list`."""
        if config is None:
            yield from super().list(config, filter=filter, before=before, limit=limit)
            return
        for found in super().list(self._own(config), filter=filter, before=before, limit=limit):
            yield _as_asked(found, config)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `Checkpointer.put`."""
        written = super().put(self._own(config), checkpoint, metadata, new_versions)
        written["configurable"]["thread_id"] = config["configurable"]["thread_id"]
        return written

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `Checkpointer.put_writes`."""
        super().put_writes(self._own(config), writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """See `SqliteSaver.delete_thread`."""
        super().delete_thread(self.own_name(thread_id))
        self._names.pop(thread_id, None)

    def lease(self, thread_id: str) -> AbstractContextManager[None]:
        """See `Checkpointer.lease`: the command line and the server exclude each other."""
        return super().lease(self.own_name(thread_id))

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do database work in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)


def _as_asked(found: CheckpointTuple, asked: RunnableConfig) -> CheckpointTuple:
    """Return what was found under the thread id that it was asked for by."""
    for config in (found.config, found.parent_config):
        if config is not None:
            config["configurable"]["thread_id"] = asked["configurable"]["thread_id"]
    return found


@asynccontextmanager
async def studio_checkpointer() -> AsyncIterator[ThreadedCheckpointer]:
    """Open the database below the settings' base path (``MATRIOSKA_BASE_PATH``, else here)."""

    def open_here() -> ThreadedCheckpointer:
        layout = Layout.at(load_settings().base_path or ".").prepare()
        plain = open_checkpointer(layout.database)
        saver = ThreadedCheckpointer(plain.conn, plain.path)
        saver.setup()
        return saver

    saver = await asyncio.to_thread(open_here)
    try:
        yield saver
    finally:
        await asyncio.to_thread(saver.conn.close)
