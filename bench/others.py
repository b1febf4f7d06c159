"""The same work done in other ways: Send waves, a bare ``@task`` per module, and asyncio alone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from bench.dags import Dag, module_ids
from bench.engine import Leg, measured
from matrioska.models.slots import Slots
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.reducers import merge_by_key
from matrioska.store.checkpointer import open_checkpointer

Keep = Literal["digest", "text"]
_CONFIG = {"configurable": {"thread_id": "bench"}, "recursion_limit": 100_000}
_STEP = "Stage: produce\nModule: {module}\n\nWrite module.py."


class _Done(TypedDict):
    done: Annotated[dict[str, Any], merge_by_key]


def prompt(module: str) -> list[BaseMessage]:
    """Return the shortest prompt on which the scripted model does a module."""
    return [HumanMessage(_STEP.format(module=module))]


async def _ask(model: ScriptedChatModel, module: str, keep: Keep) -> str:
    text = str((await model.ainvoke(prompt(module))).text)
    return text if keep == "text" else hashlib.sha256(text.encode()).hexdigest()


def _slots(count: int | None) -> AbstractAsyncContextManager[Any]:
    return asyncio.Semaphore(count) if count else nullcontext()


def waves_graph(dag: Dag, model: ScriptedChatModel, slots: int | None, keep: Keep) -> StateGraph[Any, Any, Any, Any]:
    """Return the usual fan-out of LangGraph: every module that is ready is sent out, then the next wave."""
    names = module_ids(dag)
    needs = {names[number]: [names[dep] for dep in deps] for number, deps in enumerate(dag.deps)}
    limit = _slots(slots)

    async def work(given: dict[str, str]) -> dict[str, Any]:
        async with limit:
            return {"done": {given["module"]: await _ask(model, given["module"], keep)}}

    async def gather(state: _Done) -> dict[str, Any]:
        return {}

    def ready(state: _Done) -> list[Send] | str:
        done = state.get("done") or {}
        found = [m for m, before in needs.items() if m not in done and all(b in done for b in before)]
        return [Send("work", {"module": module}) for module in found] or END

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(_Done)
    builder.add_node("work", work)  # type: ignore[call-overload]
    builder.add_node("gather", gather)
    builder.add_conditional_edges(START, ready, ["work", END])
    builder.add_edge("work", "gather")
    builder.add_conditional_edges("gather", ready, ["work", END])
    return builder


def tasks_graph(dag: Dag, model: ScriptedChatModel, slots: int | None, keep: Keep) -> StateGraph[Any, Any, Any, Any]:
    """Return one node that calls a bare ``@task`` for every module, in the order of the graph."""
    names = module_ids(dag)
    limit = _slots(slots)

    def body(number: int, futures: list[asyncio.Future[Any]]) -> Callable[[], Awaitable[Any]]:
        async def work() -> str:
            await asyncio.gather(*(futures[dep] for dep in dag.deps[number]))
            async with limit:
                return await _ask(model, names[number], keep)

        return work

    async def execute(state: _Done) -> dict[str, Any]:
        futures: list[asyncio.Future[Any]] = []
        for number, name in enumerate(names):
            work: Any = task(name=name)(body(number, futures))  # type: ignore[arg-type]
            futures.append(work())
        return {"done": dict(zip(names, await asyncio.gather(*futures), strict=True))}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(_Done)
    builder.add_node("execute", execute)
    builder.add_edge(START, "execute")
    return builder


def run_graph(builder: StateGraph[Any, Any, Any, Any], base: Path, size: int) -> Leg:
    """Run a graph of this file with the same saver and durability as the engine's.

    Raises:
        RuntimeError: not all modules were done.
    """
    base.mkdir(parents=True, exist_ok=True)
    saver = open_checkpointer(base / "other.sqlite")
    legs: list[Leg] = []

    async def drive(graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        with measured(saver, legs.append):
            final = await graph.ainvoke({"done": {}}, _CONFIG, durability="sync")  # type: ignore[call-overload]
        if len(final["done"]) != size:
            raise RuntimeError(f"{len(final['done'])} of {size} modules were done")

    try:
        asyncio.run(drive(builder.compile(checkpointer=saver)))
    finally:
        saver.conn.close()
    return legs[0]


async def bare_asyncio(dag: Dag, slots: int | None, *, ranked: bool) -> float:
    """Return the seconds that sleeping tasks take with nothing around them.

    Args:
        dag: the graph.
        slots: how many work at once.
        ranked: longest remaining path first; otherwise whoever is ready first.
    """
    ended: list[asyncio.Task[None]] = []
    fair = _slots(slots)
    urgent = Slots(slots or dag.size)

    async def work(number: int) -> None:
        if dag.deps[number]:
            await asyncio.wait([ended[dep] for dep in dag.deps[number]])
        rank = dag.seconds[number] + dag.tails[number]
        async with urgent.ahold(rank, str(number)) if ranked else fair:
            await asyncio.sleep(dag.seconds[number])

    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(dag.size):
        ended.append(asyncio.create_task(work(number)))
    await asyncio.wait(ended)
    return loop.time() - started
