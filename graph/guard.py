"""The guarded graph: a compiled LangGraph that keeps our rules at its own door.

Whoever runs it, by ``invoke``, the command line or a LangGraph server, gets the same: one
process at a time per thread, durable checkpoints, and clear refusals of what would hang,
lose work or do nothing without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from matrioska.models.telemetry import start_telemetry
from matrioska.state.errors import ConfigError, UsageError
from matrioska.state.ids import THREAD_ID

# Tasks of a sync run are threads of one pool, waiting ones included; slots bound the work.
_POOL = 20_000


class GuardedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """See the module's text. Made by `guard`."""

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """See `CompiledStateGraph.stream`.

        Raises:
            ThreadBusyError: another process works on the thread.
            UsageError: a resume value that would be lost, or durability "exit".
        """
        if self._is_nested(config):
            yield from super().stream(input, config, **kwargs)
            return
        _check_input(input)
        start_telemetry()
        pooled: RunnableConfig = {**(config or {}), "max_concurrency": _POOL}
        with self._lease(config):
            yield from super().stream(input, pooled, **self._durable(kwargs))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """See `CompiledStateGraph.astream` and `stream`.

        Raises:
            ConfigError: ``max_concurrency`` is set, which can deadlock an async run.
        """
        if self._is_nested(config):
            async for part in super().astream(input, config, **kwargs):
                yield part
            return
        _check_input(input)
        if self._bound(config).get("max_concurrency") is not None:
            raise ConfigError(
                "max_concurrency cannot be used here: modules that wait would hold its places and stop the run.",
                next_step="Leave it out and bound the work with the option 'slots'.",
            )
        # What it may import is read from files, which a server refuses in its loop.
        await asyncio.to_thread(start_telemetry)
        async with self._alease(config):
            async for part in super().astream(input, config, **self._durable(kwargs)):
                yield part

    def bulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """See `CompiledStateGraph.bulk_update_state`, on which `update_state` stands.

        Raises:
            ThreadBusyError: another process works on the thread.
        """
        if self._is_nested(config):
            return super().bulk_update_state(config, supersteps)
        with self._lease(config):
            return super().bulk_update_state(config, supersteps)

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """See `bulk_update_state`."""
        if self._is_nested(config):
            return await super().abulk_update_state(config, supersteps)
        async with self._alease(config):
            return await super().abulk_update_state(config, supersteps)

    def _bound(self, config: RunnableConfig | None) -> RunnableConfig:
        """Return the config with what `with_config` bound to the graph."""
        return merge_configs(self.config, config)

    def _is_nested(self, config: RunnableConfig | None) -> bool:
        return bool(self._bound(config).get("configurable", {}).get("checkpoint_ns"))

    @asynccontextmanager
    async def _alease(self, config: RunnableConfig | None) -> AsyncIterator[None]:
        """Hold the lease; a server refuses file work in its loop, so a thread does it."""
        lease = await asyncio.to_thread(self._lease, config)
        await asyncio.to_thread(lease.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(lease.__exit__, None, None, None)

    def _lease(self, config: RunnableConfig | None) -> AbstractContextManager[None]:
        # By attribute and not by class: a LangGraph server wraps the checkpointer.
        lease = getattr(self.checkpointer, "lease", None)
        if lease is None:
            return nullcontext()
        thread_id = str(self._bound(config).get("configurable", {}).get("thread_id", ""))
        if not THREAD_ID.fullmatch(thread_id):
            raise UsageError(
                f"The thread id {thread_id!r} is not allowed.",
                next_step="Use 1 to 64 letters, digits, '_' or '-'.",
            )
        held: AbstractContextManager[None] = lease(thread_id)
        return held

    def _durable(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with durability "sync": "async" runs finished stages again after a kill."""
        asked = kwargs.get("durability")
        if asked == "exit":
            raise UsageError(
                'durability="exit" would lose all work when the process dies.',
                next_step='Leave it out: Matrioska saves with durability="sync".',
            )
        if not self.checkpointer:
            return kwargs
        return {**kwargs, "durability": "sync"}


def _check_input(given: Any) -> None:
    if not isinstance(given, Command) or given.goto or given.update:
        return
    if given.resume is None or given.resume == {}:
        raise UsageError(
            "The answer is empty: LangGraph would drop it without a word.",
            next_step="Resume with a decision, such as Command(resume=True).",
        )


def guard(compiled: CompiledStateGraph[Any, Any, Any, Any]) -> GuardedGraph:
    """Return ``compiled`` as a guarded graph."""
    return GuardedGraph(**vars(compiled))
