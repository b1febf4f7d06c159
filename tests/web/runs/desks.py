"""A desk for a scripted author, and patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from matrioska.state.context import RunContext
from matrioska.web.runs.desk import Desk, open_desk
from matrioska.web.runs.views import RunView
from tests.support import Author

#: Seconds after which a test gives up.
PATIENCE = 90.0


@asynccontextmanager
async def desk_of(author: Author, base: Path, **options: Any) -> AsyncIterator[Desk]:
    """Open the desk of an author who plays every role but the critic's."""
    context = RunContext.model_validate({"model": author.model, "review_rounds": 0, **options})
    async with open_desk(base, context) as desk:
        yield desk


async def until(desk: Desk, thread: str, holds: Callable[[RunView], bool]) -> RunView:
    """Return the first view of a run of which something holds."""
    end = time.monotonic() + PATIENCE
    while True:
        view = await desk.run(thread)
        if holds(view):
            return view
        if time.monotonic() > end:
            raise TimeoutError(f"it is {view.status}, {[module.state for module in view.modules]}")
        await asyncio.sleep(0.02)


async def rests(desk: Desk, thread: str) -> RunView:
    """Return a run once nobody works on it any more."""
    return await until(desk, thread, lambda view: view.status != "working")
