"""The graph on a database: runs that persist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from matrioska.graph.build import build_graph
from matrioska.graph.guard import GuardedGraph
from matrioska.store.checkpointer import open_checkpointer


@contextmanager
def open_graph(path: str | os.PathLike[str]) -> Iterator[GuardedGraph]:
    """Open the graph on a SQLite file, created when missing.

        with open_graph("runs.sqlite") as graph:
            graph.invoke({"task": "…"}, {"configurable": {"thread_id": "one"}})

    Raises:
        CorruptStoreError: the file is damaged, empty or belongs to another program.
        LockedStoreError: another process holds it.
        StoreError: it cannot be created.
    """
    saver = open_checkpointer(path)
    try:
        yield build_graph(saver)
    finally:
        saver.conn.close()
