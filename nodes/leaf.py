"""One body for both worlds: a node is written once and runs under ``invoke`` and ``ainvoke``.

A body that waits for models is async; one that only computes and touches files is sync.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime, get_runtime

from matrioska.nodes.recording import Begins, Recording, is_question, node_recording, step_recording
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


class Leaf(Runnable[Any, Update]):
    """A node for ``invoke`` and ``ainvoke``.

    A Runnable of its own, since LangGraph runs it in the right context and traces it as the
    node anyway: `RunnableLambda` would start a second trace around each body.

    What the body says goes into the journal, durable before the update is saved: see
    `matrioska.nodes.recording`.

    Args:
        body: ``(state, runtime) -> update``, async or not. It must not call a graph
            synchronously.
        begins: of a node that takes questions: whether a state is that of a new one. The update
            then names its turn, by which the journal tells it from others on the same thread.
    """

    def __init__(self, body: AsyncBody | SyncBody, begins: Begins | None = None) -> None:
        self.name = self._node = body.__name__
        self._begins = begins
        self._async = body if inspect.iscoroutinefunction(body) else None
        self._sync = cast(SyncBody, body) if self._async is None else None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Run the body from sync code."""
        if self._sync is None:
            return run_blocking(self.ainvoke(input, config))
        runtime = get_runtime(RunContext)
        recording = self._recording(input, runtime, config)
        with recording:
            update = self._sync(input, runtime)
        return self._named(update, recording)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """Run the body from async code."""
        runtime = get_runtime(RunContext)
        recording = await off_loop(self._recording, input, runtime, config)
        async with recording:
            if self._async is not None:
                update: Update = await self._async(input, runtime)
            else:
                update = await off_loop(cast(SyncBody, self._sync), input, runtime)
        return self._named(update, recording)

    def _recording(self, state: Any, runtime: Runtime[RunContext], config: RunnableConfig | None) -> Recording:
        if is_question(state):
            return node_recording(state, runtime, self._node, begins=self._begins)
        return step_recording(self._node, config)

    def _named(self, update: Update, recording: Recording) -> Update:
        """Return an update, with the turn when one begins."""
        return update if self._begins is None else {**update, "turn": recording.turn}


class Route(Runnable[Any, str]):
    """A choice of the next node for ``invoke`` and ``ainvoke``.

    LangGraph takes a plain function to a thread in async runs, at a quarter of what a stage costs.

    Args:
        choose: ``state -> name``; it only computes.
    """

    def __init__(self, choose: Callable[[Any], str]) -> None:
        self.name = choose.__name__
        self._choose = choose

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self._choose(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Choose."""
        return self._choose(input)
