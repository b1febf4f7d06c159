"""A graph of one node, on our own database or a platform's store, and a run that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from matrioska.nodes.context.memory import local_repository
from matrioska.nodes.leaf import Leaf
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.results import ModuleResult
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from matrioska.store.repository import Repository
from tests.support import plan, spec

TASK = "Build a shop"


def ended(base: Path, **more: Any) -> dict[str, Any]:
    """Return the state of a run that has ended: ``app`` is done, ``db`` failed."""
    store = ArtifactStore(Layout.at(base).objects)
    files = [
        store.put_text("app.py", "def sell(item):\n    return item\n"),
        store.put_text("README.md", "# Shop\n\nHow it sells.\n"),
        store.put("logo.png", b"\x89PNG\0\0"),
    ]
    done = ModuleResult(status="done", values={"app.api": {"route": "/sell"}}, artifacts=files)
    failed = ModuleResult(status="failed", values={"db.api": 1})
    return {
        "task": TASK,
        "options": RunOptions(base_path=str(base), project="shop").model_dump(),
        "architecture": plan(
            spec("app", modality="code", shared_state_writes=["app.api"]),
            spec("db"),
            guidelines=["calm"],
            timeline=["app before db"],
            glossary=[{"term": "tempo", "domains": {"code": "bpm"}}],
        ),
        "approval": {"type": "approve", "text": ""},
        "results": {"app": done.model_dump(mode="json"), "db": failed.model_dump(mode="json")},
        **more,
    }


def in_graph(
    body: Callable[[Any, Runtime[RunContext]], Awaitable[dict[str, Any]]],
    state: dict[str, Any],
    *,
    mode: str = "async",
    thread: str = "one",
    store: BaseStore | None = None,
) -> dict[str, Any]:
    """Run a node in a graph and return the state that it leaves."""
    builder = StateGraph(MatrioskaState, context_schema=RunContext)
    builder.add_node("node", Leaf(body))
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    graph = builder.compile(store=store)
    config: Any = {"configurable": {"thread_id": thread}}
    if mode == "sync":
        return graph.invoke(state, config)  # type: ignore[arg-type]
    return asyncio.run(graph.ainvoke(state, config))  # type: ignore[arg-type]


def repository_at(base: Path, store: BaseStore | None = None) -> Repository:
    """Return the repository that such a run writes to."""
    if store is not None:
        return Repository(store, "shop")
    return local_repository(RunOptions(base_path=str(base), project="shop"), "")
