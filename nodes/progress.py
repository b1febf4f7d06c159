"""Progress events: small JSON objects on the ``custom`` stream, for every screen that watches.

A nested graph's own writer stays silent unless the caller streams subgraphs, so the step
that starts the modules lends its writer to whatever runs below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langgraph.config import get_stream_writer

from matrioska.state.results import Phase

_lent: ContextVar[Callable[[Any], None] | None] = ContextVar("matrioska_progress", default=None)


@contextmanager
def lend_writer(writer: Callable[[Any], None]) -> Iterator[None]:
    """Let everything that runs inside emit through ``writer``."""
    token = _lent.set(writer)
    try:
        yield
    finally:
        _lent.reset(token)


def emit(event: dict[str, Any]) -> None:
    """Send one event to whoever streams the run."""
    writer = _lent.get() or get_stream_writer()
    writer(event)


def emit_step(name: str, **details: Any) -> None:
    """Say that the run entered a step: ``{"type": "step", "step": name, …}``."""
    emit({"type": "step", "step": name, **details})


def emit_module(module: str, phase: Phase, **details: Any) -> None:
    """Say where a module stands: ``{"type": "module", "module": id, "phase": …, …}``."""
    emit({"type": "module", "module": module, "phase": phase.value, **details})
