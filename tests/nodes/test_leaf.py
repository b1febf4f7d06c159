"""One body under ``invoke`` and ``ainvoke``, with its runtime, its errors and its interrupts."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from matrioska.nodes.leaf import Leaf, run_blocking
from matrioska.state.context import RunContext
from tests.support import MODES


class State(TypedDict, total=False):
    said: str
    threads: list[str]


async def waits(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"said": f"{state['said']} {runtime.context.language}"}


def computes(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    return {"said": f"{state['said']} {runtime.context.language}"}


async def asks(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    return {"said": interrupt("What?")}


async def fails(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    raise LookupError("not here")


def _run(body: Any, mode: str, *inputs: Any) -> Any:
    builder = StateGraph(State, context_schema=RunContext)
    builder.add_node("body", Leaf(body))
    builder.add_edge(START, "body")
    builder.add_edge("body", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "one"}}
    result = None
    for given in inputs:
        if mode == "sync":
            result = graph.invoke(given, config, context=RunContext(language="pt"))
        else:
            result = asyncio.run(graph.ainvoke(given, config, context=RunContext(language="pt")))
    return result


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [waits, computes])
def test_a_body_sees_state_and_context(body: Any, mode: str) -> None:
    assert _run(body, mode, {"said": "olá"}) == {"said": "olá pt"}


@pytest.mark.parametrize("mode", MODES)
def test_a_body_may_ask(mode: str) -> None:
    assert _run(asks, mode, {"said": ""}, Command(resume="This."))["said"] == "This."


@pytest.mark.parametrize("mode", MODES)
def test_an_error_keeps_its_type(mode: str) -> None:
    with pytest.raises(LookupError, match="not here"):
        _run(fails, mode, {"said": ""})


_VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


def test_sync_callers_share_one_loop_and_bring_their_variables() -> None:
    async def where() -> tuple[int, str]:
        return threading.get_ident(), _VARIABLE.get()

    _VARIABLE.set("mine")
    first, second = run_blocking(where()), run_blocking(where())
    assert first == second
    assert first[0] != threading.get_ident()
    assert first[1] == "mine"


async def test_sync_code_inside_a_running_loop_works_too() -> None:
    async def answer() -> int:
        return 42

    assert run_blocking(answer()) == 42
