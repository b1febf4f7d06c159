"""produce: a module writes its files, and the values that it has not promised before."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.leaf import off_loop
from matrioska.nodes.work import ask_worker, keep_files
from matrioska.state.context import RunContext
from matrioska.state.graph_state import ModuleState


async def produce(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask for the files; check judges them."""
    asked = await ask_worker("produce", state, runtime)
    kept = await off_loop(keep_files, asked, state)
    return {**kept, **asked.costs}
