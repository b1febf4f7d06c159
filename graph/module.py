"""The module subgraph: distill → agree | produce | mend → check, and mends until it passes."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from matrioska.nodes.agree import agree
from matrioska.nodes.check import check
from matrioska.nodes.distill import distill
from matrioska.nodes.leaf import Leaf, Route
from matrioska.nodes.mend import mend
from matrioska.nodes.produce import produce
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import ModuleInput, ModuleState


def _stage(state: ModuleState) -> str:
    return state["stage"]


def _after_check(state: ModuleState) -> str:
    allowed = RunOptions.model_validate(state["options"]).max_mends
    return "mend" if state.get("complaints") and state.get("mends", 0) < allowed else END


def build_module_graph() -> CompiledStateGraph[ModuleState, RunContext, ModuleInput, ModuleState]:
    """Return the compiled subgraph. It inherits its caller's checkpointer."""
    builder = StateGraph(ModuleState, context_schema=RunContext, input_schema=ModuleInput)
    for body in (distill, agree, produce, mend, check):
        builder.add_node(body.__name__, Leaf(body))
    builder.add_edge(START, "distill")
    builder.add_conditional_edges("distill", Route(_stage), ["agree", "produce", "mend"])
    for worked in ("agree", "produce", "mend"):
        builder.add_edge(worked, "check")
    builder.add_conditional_edges("check", Route(_after_check), ["mend", END])
    return builder.compile(name="module")
