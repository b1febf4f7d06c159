"""One body for both worlds: a node is written once, async, and runs under ``invoke`` as well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache, wraps
from typing import Any, TypeVar

from langchain_core.runnables import RunnableLambda
from langgraph.runtime import Runtime, get_runtime

from matrioska.state.context import RunContext

T = TypeVar("T")
NodeBody = Callable[[Any, Runtime[RunContext]], Awaitable[dict[str, Any]]]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop on which sync callers run async bodies.

    It lives as long as the process: clients of models bind to the loop of their first call,
    and a loop per call would leave them with closed connections.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="matrioska-sync", daemon=True).start()
    return loop


def run_blocking(body: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from sync code, with the caller's context variables."""
    future = asyncio.run_coroutine_threadsafe(body, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def leaf(body: NodeBody) -> RunnableLambda[Any, Any]:
    """Return ``body`` as a node for ``invoke`` and ``ainvoke``.

    Args:
        body: ``async (state, runtime) -> update``. It must not call a graph synchronously.
    """

    @wraps(body)
    async def run_async(state: Any) -> dict[str, Any]:
        return await body(state, get_runtime(RunContext))

    def run_sync(state: Any) -> dict[str, Any]:
        return run_blocking(run_async(state))

    return RunnableLambda(run_sync, afunc=run_async, name=body.__name__)
