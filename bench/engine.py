"""Drives of the engine itself: plan, execute and finish, each measured apart."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig

from matrioska.graph import build_graph
from matrioska.graph.guard import GuardedGraph
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.context import RunContext
from matrioska.store.checkpointer import Checkpointer, open_checkpointer
from matrioska.store.layout import Layout

#: More slots than any plan has stages.
UNLIMITED = 10_000
_CONFIG: RunnableConfig = {"configurable": {"thread_id": "bench"}, "recursion_limit": 1000}


@dataclass(frozen=True)
class Leg:
    """What a part of a run took."""

    wall: float
    """Seconds by the clock."""
    cpu: float
    """Seconds of CPU of this process, all threads."""
    database: int
    """Bytes by which the database grew."""


@dataclass(frozen=True)
class Measured:
    """A whole run."""

    plan: Leg
    """From the task to the checked plan."""
    execute: Leg
    """From the approved plan to the committed results of all modules."""
    finish: Leg | None
    """Assembly, verification and delivery; None when the run was left there."""
    objects: int
    """Bytes in the artifact store."""


def database_bytes(saver: Checkpointer) -> int:
    """Return the bytes in use in the database, what is still in its log included."""
    with saver.cursor(transaction=False) as cursor:
        pages, free, size = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def measured(saver: Checkpointer, into: Callable[[Leg], None]) -> Iterator[None]:
    """Measure what happens inside."""
    gc.collect()
    size, cpu, wall = database_bytes(saver), time.process_time(), time.perf_counter()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    into(Leg(wall, cpu, database_bytes(saver) - size))


def run_engine(
    model: ScriptedChatModel, base: Path, *, slots: int | None, sync: bool = False, finish: bool = False
) -> Measured:
    """Run the plan that ``model`` answers with, on a fresh database below ``base``.

    Raises:
        RuntimeError: a module did not end well, so that its time would mean nothing.
    """
    layout = Layout.at(base).prepare()
    saver = open_checkpointer(layout.database)
    context = RunContext(
        approval="auto",
        model=model,
        base_path=str(base),
        slots=slots or UNLIMITED,
        max_mends=0,
        refine_rounds=0,
        review_rounds=0,
    )
    drive = _drive_sync if sync else _drive_async
    try:
        legs = drive(build_graph(saver), saver, context, finish)
        _check(build_graph(saver))
    finally:
        saver.conn.close()
    return Measured(legs[0], legs[1], legs[2] if finish else None, folder_bytes(layout.objects))


def _legs(finish: bool) -> list[tuple[Any, list[str]]]:
    stops: list[tuple[Any, list[str]]] = [({"task": "Measure the engine."}, ["execute"]), (None, ["assemble"])]
    return [*stops, (None, [])] if finish else stops


def _drive_sync(graph: GuardedGraph, saver: Checkpointer, context: RunContext, finish: bool) -> list[Leg]:
    legs: list[Leg] = []
    for given, before in _legs(finish):
        with measured(saver, legs.append):
            for _ in graph.stream(given, _CONFIG, context=context, stream_mode="custom", interrupt_before=before):
                pass
    return legs


def _drive_async(graph: GuardedGraph, saver: Checkpointer, context: RunContext, finish: bool) -> list[Leg]:
    async def drive() -> list[Leg]:
        legs: list[Leg] = []
        for given, before in _legs(finish):
            with measured(saver, legs.append):
                await _exhaust(
                    graph.astream(given, _CONFIG, context=context, stream_mode="custom", interrupt_before=before)
                )
        return legs

    return asyncio.run(drive())


async def _exhaust(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


def _check(graph: GuardedGraph) -> None:
    results = graph.get_state(_CONFIG).values.get("results") or {}
    broken = {module: found for module, found in results.items() if found["status"] != "done"}
    if broken or not results:
        raise RuntimeError(
            f"{len(broken)} of {len(results)} modules did not end well: {dict(list(broken.items())[:1])}"
        )
