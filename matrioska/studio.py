"""What rides along with a LangGraph server: its runs and those of the command line see each other.

`langgraph.json` mounts `app`. A server lists only the threads that were made through its own
API, so while it runs, every thread of the database is made known to it. In `langgraph dev` the
monitor stands beside it (`web/studio.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from langgraph_sdk import get_client
from langgraph_sdk.errors import LangGraphError
from starlette.applications import Starlette
from starlette.middleware import Middleware

from matrioska.state.errors import StoreError
from matrioska.store.studio import ThreadedCheckpointer, studio_checkpointer, studio_thread_id
from matrioska.threads import graph_of
from matrioska.web.studio import Beside, monitor_beside

GRAPH = "matrioska"
#: Seconds between two looks into the database.
INTERVAL = 3.0


async def attach_threads(saver: ThreadedCheckpointer, known: set[str]) -> None:
    """Make the threads of the database known to the server, but those in ``known``; adds to it."""
    client = get_client()
    for name in await asyncio.to_thread(saver.thread_ids):
        if name not in known:
            thread_id = studio_thread_id(name)
            graph = await asyncio.to_thread(_graph_of, saver, name)
            await client.threads.create(
                thread_id=thread_id, graph_id=graph, metadata={"name": name}, if_exists="do_nothing"
            )
            known.add(name)


def _graph_of(saver: ThreadedCheckpointer, name: str) -> str:
    try:
        return graph_of(saver, name)
    except StoreError:
        # Saved by a newer version, say: it is listed all the same.
        return GRAPH


async def _attach_again_and_again() -> None:
    known: set[str] = set()
    async with studio_checkpointer() as saver:
        while True:
            # The server answers itself only once it has started; the next look will do.
            with suppress(LangGraphError, OSError):
                await attach_threads(saver, known)
            await asyncio.sleep(INTERVAL)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Attach threads, and keep the monitor open, for as long as the server runs."""
    attaching = asyncio.create_task(_attach_again_and_again())
    try:
        async with monitor_beside():
            yield
    finally:
        attaching.cancel()
        with suppress(asyncio.CancelledError):
            await attaching


app = Starlette(lifespan=lifespan, middleware=[Middleware(Beside)])
