"""The checkpointer of a LangGraph server: the same database as the command line's.

`langgraph.json` names `studio_checkpointer`, so that runs begun on the command line can be
opened in Studio and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple

from matrioska.store.checkpointer import Checkpointer, open_checkpointer
from matrioska.store.layout import Layout
from matrioska.store.settings import load_settings


class ThreadedCheckpointer(Checkpointer):
    """`Checkpointer` whose async methods leave the event loop free.

    A server refuses calls that block its loop (``BlockingError``), so here the hop to a
    thread, which `Checkpointer` saves, is paid.
    """

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `Checkpointer.get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `Checkpointer.list`."""

        def collect() -> list[CheckpointTuple]:
            return list(self.list(config, filter=filter, before=before, limit=limit))

        for found in await asyncio.to_thread(collect):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `Checkpointer.put`."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `Checkpointer.put_writes`."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `Checkpointer.delete_thread`."""
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See `Checkpointer.delete_for_runs`."""
        await asyncio.to_thread(self.delete_for_runs, list(run_ids))


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
