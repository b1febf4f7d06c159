"""Every test of the engine runs sync and async, and on every checkpointer where that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import MODES, SAVERS, Author, Driven, opened

Start = Callable[..., Driven]


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
