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


@pytest.fixture(params=SAVERS)
def saver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(mode: str, saver: str, tmp_path: Path) -> Iterator[Start]:
    """Open a graph for an author; options are those of `RunContext`."""
    with ExitStack() as stack:

        def begin(author: Author, **options: Any) -> Driven:
            graph = stack.enter_context(opened(saver, tmp_path))
            return Driven(graph, mode, tmp_path, author.model, options=options)

        yield begin
