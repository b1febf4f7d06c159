"""agree: a module promises the whiteboard values that others wait for."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.work import ask_worker, keep_values
from matrioska.state.context import RunContext
from matrioska.state.graph_state import ModuleState


async def agree(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask for the contract's values; check judges them."""
    asked = await ask_worker("agree", state, runtime)
    return {**keep_values(asked), **asked.costs}
