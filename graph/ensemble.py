"""The graph ``ensemble``: decompose → vote → synthesise.

Each unit of the query is a durable `@task`, called up front in the order of the query, for the
reasons that `execute` gives: a unit that was decided before the process died is not asked again.
Tasks of a sync run are threads and those of an async run are coroutines, hence two bodies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime

from matrioska.graph.execute import raise_pauses
from matrioska.graph.guard import GuardedGraph, guard
from matrioska.models.meter import metered
from matrioska.nodes.budget import Labelled, RunMeter, budgeted
from matrioska.nodes.common import run_options
from matrioska.nodes.leaf import Leaf, off_loop, run_blocking
from matrioska.nodes.progress import emit, lend_writer
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.ensemble import ChunkResult, Topology
from matrioska.state.ensemble_state import EnsembleInput, EnsembleOutput, EnsembleState
from matrioska.state.errors import EnsembleError
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.store.settings import find_member
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.asked import Assignment
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.run import Ensemble, check_query, require_an_answer
from matrioska.workers.ensemble.topology import load_topology


class _UnansweredError(EnsembleError):
    """Nobody answered a unit. Raised by its task, so that nothing is saved and a resumed query asks again."""

    def __init__(self, result: ChunkResult) -> None:
        self.result = result
        super().__init__(f"Nobody answered unit {result.chunk.number}: {result.error}")


def _ensemble(topology: Topology, options: RunOptions) -> Ensemble:
    """Return the ensemble of a topology, with what is known of its nodes below the run's base path."""
    book = FitnessBook(Layout.at(options.base_path).fitness, priors_of(topology))
    return Ensemble(topology, find=find_member, fitness=book, embedder=embedder_of(options))


async def decompose(state: EnsembleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Divide the query, and say which nodes vote on what."""
    began = time.perf_counter()
    query = check_query(state["query"])
    options = await off_loop(run_options, state, runtime)
    topology = await off_loop(load_topology)
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


async def synthesise(state: EnsembleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Make one answer of all units' answers."""
    began = time.perf_counter()
    options = await off_loop(run_options, state, runtime)
    ensemble = await off_loop(_ensemble, Topology.model_validate(state["topology"]), options)
    results = [ChunkResult.model_validate(raw) for raw in state["results"]]
    answer = await ensemble.join(state["query"], results, emit)
    timings = {**state["timings"], "synthesis": time.perf_counter() - began}
    update = answer.model_dump(mode="json") | {"timings": {**timings, "total": sum(timings.values())}}
    emit({"type": "done", "answer": update})
    return {**update, "results": []}


class _Vote:
    """What the two bodies of ``vote`` share."""

    def __init__(self, state: EnsembleState, runtime: Runtime[RunContext]) -> None:
        self.runtime = runtime
        options = run_options(state, runtime)
        self._meter = RunMeter(state, options, runtime)
        self.topology = Topology.model_validate(state["topology"])
        self.ensemble = _ensemble(self.topology, options)
        self.assignments = [Assignment.model_validate(raw) for raw in state["assignments"]]
        self._timings = state["timings"]
        self._began = time.perf_counter()

    def metered(self, assignment: Assignment) -> AbstractContextManager[None]:
        """Count the calls made inside as that unit's. Once begun, a vote is not stopped by a budget."""
        return metered(Labelled(self._meter, admits=False, stage="vote", module=f"chunk-{assignment.chunk.number}"))

    async def decide(self, assignment: Assignment, before: Iterable[Any]) -> dict[str, Any]:
        """Return what the nodes decide on a unit, as JSON.

        Args:
            assignment: the unit.
            before: results of the units that it needs, as JSON, or what they raised.

        Raises:
            _UnansweredError: no node answered.
        """
        with self.metered(assignment):
            result = await self.ensemble.decide(assignment, _results(before), emit)
        if not result.answer:
            raise _UnansweredError(result)
        return result.model_dump(mode="json")

    def commit(self, ended: Sequence[Any]) -> dict[str, Any]:
        """Return the node's update.

        Raises:
            EnsembleError: no unit was answered.
        """
        results = _results(ended)
        require_an_answer(results, self.topology.node_timeout)
        timings = {**self._timings, "nodes": time.perf_counter() - self._began}
        return {"results": [result.model_dump(mode="json") for result in results], "timings": timings}


def _results(ended: Iterable[Any]) -> list[ChunkResult]:
    """Return what was decided on units, whether it was saved or raised; raise what pauses the run."""
    every = list(ended)
    raise_pauses(found for found in every if not isinstance(found, _UnansweredError))
    return [
        found.result if isinstance(found, _UnansweredError) else ChunkResult.model_validate(found) for found in every
    ]


def _vote_node() -> RunnableLambda[Any, Any]:
    """Return the node ``vote``."""

    def vote(state: EnsembleState) -> dict[str, Any]:
        run, futures = _Vote(state, get_runtime(RunContext)), dict[int, Future[Any]]()
        with lend_writer(run.runtime.stream_writer):
            for assignment in run.assignments:
                needs = [futures[number] for number in assignment.chunk.after]
                body = partial(_work, run, assignment, needs)
                futures[assignment.chunk.number] = cast("Future[Any]", task(name=_name(assignment))(body)())
            return run.commit([_ended(future) for future in futures.values()])

    async def avote(state: EnsembleState) -> dict[str, Any]:
        run = await off_loop(_Vote, state, get_runtime(RunContext))
        futures = dict[int, asyncio.Future[Any]]()
        with lend_writer(run.runtime.stream_writer):
            for assignment in run.assignments:
                needs = [futures[number] for number in assignment.chunk.after]
                body = _async_work(run, assignment, needs)
                futures[assignment.chunk.number] = cast(
                    "asyncio.Future[Any]",
                    task(name=_name(assignment))(body)(),  # type: ignore[arg-type]
                )
            return run.commit(await asyncio.gather(*futures.values(), return_exceptions=True))

    return RunnableLambda(vote, afunc=avote, name="vote")


def _name(assignment: Assignment) -> str:
    return f"chunk-{assignment.chunk.number}"


def _ended(future: Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def _work(run: _Vote, assignment: Assignment, needs: list[Future[Any]]) -> dict[str, Any]:
    """Decide on one unit, in this thread."""
    return run_blocking(run.decide(assignment, [_ended(future) for future in needs]))


def _async_work(
    run: _Vote, assignment: Assignment, needs: list[asyncio.Future[Any]]
) -> Callable[[], Awaitable[dict[str, Any]]]:
    # A function of its own for each unit: `task` writes the unit's name on it.
    async def work() -> dict[str, Any]:
        return await run.decide(assignment, await asyncio.gather(*needs, return_exceptions=True))

    return work


def build_ensemble_graph(checkpointer: BaseCheckpointSaver[str] | None = None) -> GuardedGraph:
    """Return the compiled graph.

    Args:
        checkpointer: what saves queries; None for one that cannot be resumed, and for a LangGraph
            server, which brings its own.
    """
    builder = StateGraph(
        EnsembleState, context_schema=RunContext, input_schema=EnsembleInput, output_schema=EnsembleOutput
    )
    builder.add_node("decompose", Leaf(decompose))
    builder.add_node("vote", _vote_node())
    builder.add_node("synthesise", Leaf(budgeted(synthesise)))
    builder.add_edge(START, "decompose")
    builder.add_edge("decompose", "vote")
    builder.add_edge("vote", "synthesise")
    builder.add_edge("synthesise", END)
    return guard(builder.compile(checkpointer=checkpointer, name="ensemble"))


#: The graph that ``langgraph.json`` names.
graph = build_ensemble_graph()
