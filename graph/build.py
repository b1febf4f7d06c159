"""The graph ``matrioska``: architect → approval → execute → assemble → verify → review → deliver → remember."""

from __future__ import annotations

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore

from matrioska.graph.execute import execute_node
from matrioska.graph.guard import GuardedGraph, guard
from matrioska.graph.module import build_module_graph
from matrioska.graph.reconcile import reconcile
from matrioska.nodes.approval import approval
from matrioska.nodes.architect import architect, is_new_task
from matrioska.nodes.assemble import assemble
from matrioska.nodes.budget import budgeted
from matrioska.nodes.deliver import deliver
from matrioska.nodes.leaf import Leaf, Route
from matrioska.nodes.remember import remember
from matrioska.nodes.repair import failures, repair
from matrioska.nodes.review import review, reviewable
from matrioska.nodes.verify import verify
from matrioska.state.context import RunContext
from matrioska.state.graph_state import MatrioskaInput, MatrioskaOutput, MatrioskaState

# Edges after approval are static or conditional, never Command(goto): only then can
# update_state(as_node="approval") send a thread on from there.


def _after_architect(state: MatrioskaState) -> str:
    return END if state.get("error") else "approval"


def _after_approval(state: MatrioskaState) -> str:
    # Whoever updates the state as approval, before anybody was asked, approves.
    decided = (state.get("approval") or {}).get("type", "approve")
    return {"approve": "execute", "respond": "architect"}.get(decided, END)


def _after_execute(state: MatrioskaState) -> str:
    if state.get("claims"):
        return "reconcile"
    # What a person, or the run by itself, has decided to go on without is not asked about again.
    decided = (state.get("repair") or {}).get("modules", [])
    return "repair" if failures(state).keys() - set(decided) else "assemble"


def _after_repair(state: MatrioskaState) -> str:
    return "execute" if state["repair"]["action"] == "retry" else "assemble"


def _after_verify(state: MatrioskaState) -> str:
    if state.get("feedback"):
        return "execute"
    return "review" if reviewable(state) else "deliver"


def _after_review(state: MatrioskaState) -> str:
    return "execute" if state.get("feedback") else "deliver"


def build_graph(
    checkpointer: BaseCheckpointSaver[str] | None = None, *, store: BaseStore | None = None
) -> GuardedGraph:
    """Return the compiled graph.

    Args:
        checkpointer: what saves runs; None for a run that cannot be resumed, and for a
            LangGraph server, which brings its own.
        store: LangGraph store for memory across runs.
    """
    builder = StateGraph(
        MatrioskaState, context_schema=RunContext, input_schema=MatrioskaInput, output_schema=MatrioskaOutput
    )
    builder.add_node("architect", Leaf(budgeted(architect), is_new_task))
    calling = (budgeted(reconcile), budgeted(assemble), budgeted(review))
    for body in (*calling, approval, repair, verify, deliver, remember):
        builder.add_node(body.__name__, Leaf(body))
    builder.add_node("execute", execute_node(build_module_graph()))
    builder.add_edge(START, "architect")
    builder.add_conditional_edges("architect", Route(_after_architect), ["approval", END])
    builder.add_conditional_edges("approval", Route(_after_approval), ["execute", "architect", END])
    builder.add_conditional_edges("execute", Route(_after_execute), ["reconcile", "repair", "assemble"])
    builder.add_edge("reconcile", "execute")
    builder.add_conditional_edges("repair", Route(_after_repair), ["execute", "assemble"])
    builder.add_edge("assemble", "verify")
    builder.add_conditional_edges("verify", Route(_after_verify), ["execute", "review", "deliver"])
    builder.add_conditional_edges("review", Route(_after_review), ["execute", "deliver"])
    builder.add_edge("deliver", "remember")
    builder.add_edge("remember", END)
    return guard(builder.compile(checkpointer=checkpointer, store=store, name="matrioska"))


#: The graph that ``langgraph.json`` names.
graph = build_graph()
