"""One body for both worlds: a node is written once and runs under ``invoke`` and ``ainvoke``.

A body that waits for models is async; one that only computes and touches files is sync.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, ParamSpec, TypeVar

from langchain_core.runnables import RunnableLambda
from langgraph.runtime import Runtime, get_runtime

from matrioska.state.context import RunContext

P = ParamSpec("P")
T = TypeVar("T")
Update = dict[str, Any]
AsyncBody = Callable[[Any, Runtime[RunContext]], Awaitable[Update]]
SyncBody = Callable[[Any, Runtime[RunContext]], Update]


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


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do file work from an async body.

    In place, because a hop to a thread costs more than the work; but under a LangGraph
    server, which refuses blocking calls in its loop, in a thread.
    """
    if get_runtime(RunContext).server_info is None:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


def leaf(body: AsyncBody | SyncBody) -> RunnableLambda[Any, Any]:
    """Return ``body`` as a node for ``invoke`` and ``ainvoke``.

    Args:
        body: ``(state, runtime) -> update``, async or not. It must not call a graph
            synchronously.
    """
    if inspect.iscoroutinefunction(body):

        async def run_async(state: Any) -> Update:
            update: Update = await body(state, get_runtime(RunContext))
            return update

        def run_sync(state: Any) -> Update:
            return run_blocking(run_async(state))

    else:

        async def run_async(state: Any) -> Update:
            return await off_loop(run_sync, state)

        def run_sync(state: Any) -> Update:
            update: Update = body(state, get_runtime(RunContext))  # type: ignore[assignment]
            return update

    return RunnableLambda(run_sync, afunc=run_async, name=body.__name__)
