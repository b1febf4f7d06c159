"""A person in front of the monitor: simulated for what pages do, and in a real Chromium for what they look like."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
from nicegui.testing import User, user_simulation
from nicegui.testing.general import nicegui_reset_globals

from matrioska.web.monitor.mount import build_monitor, register_pages
from tests.web.conftest import on_a_port
from tests.web.monitor.desks import FakeDesk


@contextmanager
def _modules_kept() -> Iterator[None]:
    """Keep what is imported: NiceGUI's simulation forgets the modules of pages, and every package that they are in."""
    kept = dict(sys.modules)
    try:
        yield
    finally:
        sys.modules.update(kept)


@asynccontextmanager
async def _looking_at(desk: Any) -> AsyncIterator[User]:
    with _modules_kept():
        async with user_simulation() as user:
            register_pages(desk)
            yield user


@contextmanager
def _monitor_of(desk: FakeDesk) -> Iterator[str]:
    with _modules_kept(), nicegui_reset_globals(), on_a_port(build_monitor(desk)) as url:  # type: ignore[arg-type]
        yield url


@pytest.fixture
def looking_at() -> Callable[[Any], Any]:
    """Simulate a person in front of a desk."""
    return _looking_at


@pytest.fixture
def monitor_of() -> Callable[[FakeDesk], AbstractContextManager[str]]:
    """Serve the monitor of a desk on a port of this machine."""
    return _monitor_of
