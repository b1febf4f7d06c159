"""Every test of the engine runs sync and async, and on every checkpointer where that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from matrioska.graph.guard import GuardedGraph
from matrioska.store.checkpointer import open_checkpointer
from tests.support import MODES, SAVERS, Author, Driven, opened

Start = Callable[..., Driven]
Build = Callable[[BaseCheckpointSaver[str]], GuardedGraph]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[(mode, saver) for mode in MODES for saver in SAVERS], ids="-".join)
def world(request: pytest.FixtureRequest) -> tuple[str, str]:
    mode, saver = request.param
    return mode, saver


#: For long lists of cases: both modes and both checkpointers, but not each with each.
DIAGONAL = pytest.mark.parametrize(
    "world", list(zip(MODES, reversed(SAVERS), strict=True)), ids="-".join, indirect=True
)


@pytest.fixture
def start(world: tuple[str, str], tmp_path: Path) -> Iterator[Start]:
    """Open a graph for an author; options are those of `RunContext`."""
    with ExitStack() as stack:

        def begin(author: Author, **options: Any) -> Driven:
            mode, saver = world
            graph = stack.enter_context(opened(saver, tmp_path))
            return Driven(graph, mode, tmp_path, author.model, options=options)

        yield begin


@pytest.fixture
def graph(request: pytest.FixtureRequest, world: tuple[str, str], tmp_path: Path) -> Iterator[GuardedGraph]:
    """Open the graph that the test file's ``BUILD`` builds on a checkpointer."""
    build: Build = request.module.BUILD
    if world[1] == "memory":
        yield build(InMemorySaver())
        return
    saver = open_checkpointer(tmp_path / "runs.sqlite")
    try:
        yield build(saver)
    finally:
        saver.conn.close()
