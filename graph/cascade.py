"""The graph ``cascade``: begin → think → answer.

Each step of each mind is a unit of work (`matrioska.graph.units`), so that what was thought before the
process died is not thought again. What was thought while others had failed is not kept as long as the
question has not ended: a resumed one asks those again, and whoever had to do without them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from matrioska.graph.guard import GuardedGraph, guard
from matrioska.graph.units import Units, Unsaved, units_node
from matrioska.models.meter import metered
from matrioska.nodes.budget import BudgetReached, Labelled, RunMeter
from matrioska.nodes.common import pick_client, run_options
from matrioska.nodes.leaf import Leaf
from matrioska.nodes.progress import emit
from matrioska.nodes.recording import always, settle
from matrioska.state.cascade import MindTree
from matrioska.state.cascade_state import CascadeInput, CascadeOutput, CascadeState
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.settings import find_member
from matrioska.workers.cascade.plan import Unit, units
from matrioska.workers.cascade.run import Cascade, check_question
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.embedding import embedder_of


def own_model(options: RunOptions) -> str:
    """Return the name of the run's own model: who thinks for minds that name none."""
    return options.roles.get("worker") or options.model


def begin(state: CascadeState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Check the question, and say which minds think about it."""
    question = check_question(state.get("question"))
    options = run_options(state, runtime)
    return {
        "format": STATE_FORMAT,
        "question": question,
        "options": options.model_dump(mode="json"),
        "tree": load_tree(own_model(options)).model_dump(mode="json"),
    }


class _Thinking(Units[Unit]):
    """What one drive of ``think`` works on."""

    def __init__(self, state: CascadeState, runtime: Runtime[RunContext]) -> None:
        tree = MindTree.model_validate(state["tree"])
        super().__init__(units(tree), runtime)
        options = run_options(state, runtime)
        self._question = state["question"]
        self._meter = RunMeter(state, options, runtime)
        self._cascade = _cascade(tree, options, runtime)
        self._began = time.perf_counter()
        minds = [{"id": mind.id, "name": mind.called, "parent": mind.parent} for mind in tree.minds]
        emit({"type": "minds", "minds": minds})

    async def work(self, unit: Unit, needs: Mapping[str, Any]) -> dict[str, Any]:
        """Let a mind take one step. No step begins once the budget is used up; its calls are then not stopped.

        Raises:
            Unsaved: it was taken while others had failed, or failed itself.
            BudgetReached: the budget is used up.
        """
        self._meter.admit()
        with metered(Labelled(self._meter, admits=False, stage=unit.step, module=unit.mind)):
            thought = await self._cascade.run(unit, self._question, needs, emit)
        if lacking := thought.get("lacking"):
            raise Unsaved(thought, f"{unit.name} was thought while {len(lacking)} had failed")
        return thought

    def paused(self, error: BaseException) -> None:
        """Ask for more where the budget is what pauses."""
        if isinstance(error, BudgetReached):
            self._meter.pause()

    def commit(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer.

        Raises:
            CascadeError: no mind answered.
        """
        answer = self._cascade.answer(self._question, results)
        return answer.model_dump(mode="json") | {"seconds": round(time.perf_counter() - self._began, 3)}


def _cascade(tree: MindTree, options: RunOptions, runtime: Runtime[RunContext]) -> Cascade:
    """Return the minds of a tree; those that name no model think with the run's own."""
    own = pick_client("worker", options, runtime)
    return Cascade(
        tree, default_model=own, find=find_member, base_path=Path(options.base_path), embedder=embedder_of(options)
    )


def answer(state: CascadeState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Hand the answer over: the question has ended."""
    told = {name: value for name, value in state.items() if name in CascadeOutput.__annotations__}
    emit({"type": "done", "answer": told})
    settle()
    return {"answer": state["answer"]}


def build_cascade_graph(checkpointer: BaseCheckpointSaver[str] | None = None) -> GuardedGraph:
    """Return the compiled graph.

    Args:
        checkpointer: what saves questions; None for one that cannot be resumed, and for a
            LangGraph server, which brings its own.
    """
    builder = StateGraph(
        CascadeState, context_schema=RunContext, input_schema=CascadeInput, output_schema=CascadeOutput
    )
    builder.add_node("begin", Leaf(begin, always))
    builder.add_node("think", units_node("think", _Thinking))
    builder.add_node("answer", Leaf(answer))
    builder.add_edge(START, "begin")
    builder.add_edge("begin", "think")
    builder.add_edge("think", "answer")
    builder.add_edge("answer", END)
    return guard(builder.compile(checkpointer=checkpointer, name="cascade"))


#: The graph that ``langgraph.json`` names.
graph = build_cascade_graph()
