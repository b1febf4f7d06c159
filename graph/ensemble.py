"""The graph ``ensemble``: decompose → vote → synthesise.

Each unit of the query is a unit of work (`matrioska.graph.units`): one that was decided before the
process died is not asked again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from matrioska.graph.guard import GuardedGraph, guard
from matrioska.graph.units import Units, Unsaved, units_node
from matrioska.models.meter import metered
from matrioska.models.recorder import current_recorder
from matrioska.nodes.budget import Labelled, RunMeter, budgeted
from matrioska.nodes.common import run_options
from matrioska.nodes.leaf import AsyncBody, Leaf, off_loop
from matrioska.nodes.progress import emit
from matrioska.nodes.recording import PERSON, always, settle
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.ensemble import ChunkResult, Topology
from matrioska.state.ensemble_state import EnsembleInput, EnsembleOutput, EnsembleState
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.store.settings import find_member
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.asked import Assignment
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.run import Ensemble, check_query, require_an_answer
from matrioska.workers.ensemble.topology import load_topology


def _ensemble(topology: Topology, options: RunOptions) -> Ensemble:
    """Return the ensemble of a topology, with what is known of its nodes below the run's base path."""
    book = FitnessBook(Layout.at(options.base_path).fitness, priors_of(topology))
    return Ensemble(topology, find=find_member, fitness=book, embedder=embedder_of(options))


def _decompose(given: Topology | None) -> AsyncBody:
    """Return the node ``decompose``.

    Args:
        given: the nodes that vote; None for those of the settings.
    """

    async def decompose(state: EnsembleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
        """Divide the query, and say which nodes vote on what."""
        began = time.perf_counter()
        query = check_query(state.get("query"))
        options = await off_loop(run_options, state, runtime)
        topology = given if given is not None else await off_loop(load_topology)
        ensemble = await off_loop(_ensemble, topology, options)
        assignments = await ensemble.plan(query, emit)
        return {
            "format": STATE_FORMAT,
            "query": query,
            "options": options.model_dump(mode="json"),
            "topology": topology.model_dump(mode="json"),
            "assignments": [found.model_dump(mode="json") for found in assignments],
            "timings": {"decompose": time.perf_counter() - began},
        }

    return decompose


async def synthesise(state: EnsembleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Make one answer of all units' answers."""
    began = time.perf_counter()
    options = await off_loop(run_options, state, runtime)
    ensemble = await off_loop(_ensemble, Topology.model_validate(state["topology"]), options)
    results = [ChunkResult.model_validate(raw) for raw in state["results"]]
    answer = await ensemble.join(state["query"], results, emit)
    timings = {**state["timings"], "synthesis": time.perf_counter() - began}
    current_recorder().note("synthesis", answer.answer, destination=PERSON, details={"missing": answer.missing})
    settle()
    update = answer.model_dump(mode="json") | {"timings": {**timings, "total": sum(timings.values())}}
    emit({"type": "done", "answer": update})
    return {**update, "results": []}


class _VotedOn:
    """A unit of the query, as a unit of work."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.name = _name(assignment.chunk.number)
        self.needs = [_name(number) for number in assignment.chunk.after]


def _name(number: int) -> str:
    return f"chunk-{number}"


class _Vote(Units[_VotedOn]):
    """What one drive of ``vote`` works on."""

    def __init__(self, state: EnsembleState, runtime: Runtime[RunContext]) -> None:
        assignments = [Assignment.model_validate(raw) for raw in state["assignments"]]
        super().__init__([_VotedOn(assignment) for assignment in assignments], runtime)
        options = run_options(state, runtime)
        self._meter = RunMeter(state, options, runtime)
        self._topology = Topology.model_validate(state["topology"])
        self._ensemble = _ensemble(self._topology, options)
        self._timings = state["timings"]
        self._began = time.perf_counter()

    async def work(self, unit: _VotedOn, needs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the nodes decide on a unit of the query. Once begun, a vote is not stopped by a budget.

        Raises:
            Unsaved: no node answered; a resumed query asks again.
        """
        before = [ChunkResult.model_validate(raw) for raw in needs.values()]
        with metered(Labelled(self._meter, admits=False, stage="vote", module=unit.name)):
            result = await self._ensemble.decide(unit.assignment, before, emit)
        told = result.model_dump(mode="json")
        if not result.answer:
            raise Unsaved(told, f"Nobody answered unit {result.chunk.number}: {result.error}")
        return told

    def commit(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the node's update.

        Raises:
            EnsembleError: no unit was answered.
        """
        require_an_answer([ChunkResult.model_validate(raw) for raw in results.values()], self._topology.node_timeout)
        timings = {**self._timings, "nodes": time.perf_counter() - self._began}
        return {"results": list(results.values()), "timings": timings}


def build_ensemble_graph(
    checkpointer: BaseCheckpointSaver[str] | None = None, *, topology: Topology | None = None
) -> GuardedGraph:
    """Return the compiled graph.

    Args:
        checkpointer: what saves queries; None for one that cannot be resumed, and for a LangGraph
            server, which brings its own.
        topology: the nodes that vote; None for those of the settings.
    """
    builder = StateGraph(
        EnsembleState, context_schema=RunContext, input_schema=EnsembleInput, output_schema=EnsembleOutput
    )
    builder.add_node("decompose", Leaf(_decompose(topology), always))
    builder.add_node("vote", units_node("vote", _Vote))
    builder.add_node("synthesise", Leaf(budgeted(synthesise)))
    builder.add_edge(START, "decompose")
    builder.add_edge("decompose", "vote")
    builder.add_edge("vote", "synthesise")
    builder.add_edge("synthesise", END)
    return guard(builder.compile(checkpointer=checkpointer, name="ensemble"))


#: The graph that ``langgraph.json`` names.
graph = build_ensemble_graph()
