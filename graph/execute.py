"""execute: every stage of every module as a durable task, all called up front.

A fan-out in supersteps waits for the slowest of each wave. Here each task waits in-process
for exactly what it needs, so a module starts the moment its inputs are there. All tasks are
called at once, in the fixed order of the schedule, because LangGraph finds the saved result
of a task by the order of its call (docs/engine.md).

There are two bodies, since tasks of a sync run are threads and those of an async run are
coroutines; everything that decides stands in `Execution`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableLambda
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt
from langgraph.func import task
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Interrupt

from matrioska.graph.delegations import Delegation
from matrioska.graph.execution import Execution
from matrioska.graph.schedule import Stage
from matrioska.models.meter import metered
from matrioska.models.slots import Slots
from matrioska.nodes.budget import BudgetReached, Labelled, RunMeter
from matrioska.nodes.common import run_options
from matrioska.nodes.leaf import off_loop, run_blocking
from matrioska.nodes.progress import emit_module, emit_step, lend_writer
from matrioska.nodes.recording import BOSS, Recording, node_recording, unit_recording
from matrioska.state.context import RunContext
from matrioska.state.errors import StoreError
from matrioska.state.graph_state import MatrioskaState, ModuleInput, ModuleState
from matrioska.state.outcomes import Outcome
from matrioska.state.results import Phase

# Pauses go up; so do faults of the disk, since no module can go on without it.
_NOT_THE_MODULES_FAULT = (GraphBubbleUp, StoreError)
_STARTS = {"agree": Phase.AGREEING, "produce": Phase.PRODUCING, "mend": Phase.MENDING}


class Suspended(GraphBubbleUp):
    """A stage waits for one that waits for a person, or the run is stopping: no failure."""


class _Pass:
    """What the two bodies share while one `Execution` runs."""

    def __init__(self, state: MatrioskaState, runtime: Runtime[RunContext]) -> None:
        self.runtime = runtime
        options = run_options(state, runtime)
        self.meter = RunMeter(state, options, runtime)
        self.execution = Execution(state, options)
        self.slots = Slots(self.execution.options.slots)
        self.stopped_by: StoreError | None = None
        self.futures: dict[str, Any] = {}
        specs = self.execution.links.specs
        self.delegations = {stage.id: Delegation(stage, specs[stage.module]) for stage in self.execution.stages}
        self._worked: set[str] = set()
        self._reported: set[str] = set()
        self._followers: dict[str, list[Stage]] = {stage.id: [] for stage in self.execution.stages}
        for stage in self.execution.stages:
            for need in stage.needs:
                self._followers[need].append(stage)
        emit_step(
            "execute",
            stages=[stage.id for stage in self.execution.stages],
            settled=sorted(self.execution.kept),
        )

    def ended(self, stage: Stage, results: Iterable[Any]) -> dict[str, Outcome]:
        """Return the outcomes of a stage's needs; raise when one of them did not end."""
        ended = {}
        for need, result in zip(stage.needs, results, strict=True):
            if isinstance(result, BaseException):
                raise Suspended(f"{stage.id} waits for {need}")
            ended[need] = Outcome.model_validate(result)
        return ended

    def check(self) -> None:
        """Raise when the run is to stop: before a stage's work, and again when it got its slot."""
        control = self.runtime.control
        if control is not None and control.drain_requested:
            raise GraphDrained(control.drain_reason or "shutdown")
        if self.stopped_by is not None:
            raise Suspended(f"nothing can be saved: {self.stopped_by.message}")
        self.meter.admit()

    def recording(self, stage: Stage) -> Recording:
        """Let what is said inside be that stage's."""
        return unit_recording(stage.id, source=stage.module, destination=BOSS, operation=stage.kind, repeats=False)

    @contextmanager
    def working(self, stage: Stage) -> Iterator[None]:
        """Say that a stage has its slot and works now; count the calls made inside as its own."""
        self.check()
        emit_module(stage.module, _STARTS[stage.kind], stage=stage.kind)
        meter = Labelled(self.meter, stage=stage.kind, module=stage.module)
        with self.delegations[stage.id].working(self._complaints(stage)), metered(meter):
            yield

    def _complaints(self, stage: Stage) -> list[str]:
        return self.execution.feedback.get(stage.module, []) if stage.kind == "mend" else []

    def begin(self, stage: Stage, ended: Mapping[str, Outcome]) -> ModuleInput | Outcome:
        """Return a stage's input, unless there is nothing to run."""
        self.check()
        return self.execution.begin(stage, ended)

    def fail(self, stage: Stage, error: Exception) -> Outcome:
        """Return the outcome of a stage that raised; raise what is not its own fault."""
        if isinstance(error, StoreError):
            self.stopped_by = error
        if isinstance(error, _NOT_THE_MODULES_FAULT):
            raise error
        return self.execution.fail(stage, error)

    def worked(self, stage: Stage) -> None:
        """Queue the stages that only waited for this one, so that the best of all gets its slot."""
        self._worked.add(stage.id)
        for follower in self._followers[stage.id]:
            if all(need in self._worked or self._is_saved(need) for need in follower.needs):
                self.slots.expect(follower.rank, follower.id)

    def _is_saved(self, stage_id: str) -> bool:
        # In a sync run stages work while later ones are still being called.
        future = self.futures.get(stage_id)
        return future is not None and bool(future.done())

    def report(self, stage: Stage, outcome: Outcome) -> dict[str, Any]:
        """Say how a stage ended, and return its outcome as JSON for the task's result."""
        self._reported.add(stage.id)
        self.delegations[stage.id].end(outcome)
        outcome.delegated = self.delegations[stage.id].begun
        details: dict[str, Any] = {"stage": stage.kind, "reused": outcome.reused}
        if outcome.status == "done":
            phase = Phase.AGREED if stage.kind == "agree" else Phase.DONE
            details |= {"usage": outcome.usage.model_dump(), "files": [ref.path for ref in outcome.artifacts]}
        else:
            phase = Phase.FAILED if outcome.status == "failed" else Phase.BLOCKED
            details |= {"blocked_by": outcome.blocked_by}
            if outcome.error:
                details |= {"error": outcome.error.message}
        emit_module(stage.module, phase, **details)
        return outcome.model_dump(mode="json", exclude_defaults=True)

    def commit(self, results: list[Any]) -> dict[str, Any]:
        """Return the node's update, or raise what pauses the run."""
        self._report_restored(results)
        try:
            raise_pauses(results)
        except BudgetReached:
            self.meter.pause()
            # Answered before the stages ran, or it would have raised: they are to run again.
            raise
        ended = {
            stage.id: Outcome.model_validate(result)
            for stage, result in zip(self.execution.stages, results, strict=True)
        }
        return self.execution.commit(ended, give_up=self.meter.ended)

    def _report_restored(self, results: list[Any]) -> None:
        """Say again how stages ended whose results were there already: a kill may have come before it was kept."""
        for stage, result in zip(self.execution.stages, results, strict=True):
            if stage.id not in self._reported and not isinstance(result, BaseException):
                with self.recording(stage):
                    self.delegations[stage.id].again(self._complaints(stage), Outcome.model_validate(result))


def raise_pauses(results: Iterable[Any]) -> None:
    """Raise what stages of one pass raised, joined: all interrupts of all modules at once.

    Raises:
        GraphInterrupt: with every interrupt, so that a person can answer them together.
        BudgetReached: nothing worse was raised.
        BaseException: the first other thing raised; interrupts come first, then drains.
    """
    raised = [result for result in results if isinstance(result, BaseException)]
    interrupts: dict[str, Interrupt] = {}
    for error in raised:
        if isinstance(error, GraphInterrupt):
            interrupts |= {found.id: found for found in error.args[0]}
    if interrupts:
        raise GraphInterrupt(list(interrupts.values()))
    for kind in (GraphDrained, Exception, BaseException):
        for error in raised:
            if isinstance(error, kind) and not isinstance(error, Suspended | BudgetReached):
                raise error
    for error in raised:
        if isinstance(error, BudgetReached):
            raise error
    if raised:
        raise raised[0]


def execute_node(
    module_graph: CompiledStateGraph[ModuleState, RunContext, ModuleInput, ModuleState],
) -> RunnableLambda[Any, Any]:
    """Return the node ``execute``.

    Args:
        module_graph: the module subgraph. It is named in both bodies, which is how LangGraph
            finds it for ``get_graph(xray=True)`` and for the states of nested runs.
    """

    def execute(state: MatrioskaState) -> dict[str, Any]:
        runtime = get_runtime(RunContext)
        with lend_writer(runtime.stream_writer), _recording(state, runtime):
            run = _Pass(state, runtime)
            for stage in run.execution.stages:
                needs = [run.futures[need] for need in stage.needs]
                body = partial(_work, run, stage, needs, lambda given: run_blocking(module_graph.ainvoke(given)))
                run.futures[stage.id] = cast("Future[Any]", task(name=stage.id)(body)())
            return run.commit([_result_or_error(future) for future in run.futures.values()])

    async def aexecute(state: MatrioskaState) -> dict[str, Any]:
        runtime = get_runtime(RunContext)
        with lend_writer(runtime.stream_writer):
            async with await off_loop(_recording, state, runtime):
                run = await off_loop(_Pass, state, runtime)
                for stage in run.execution.stages:
                    needs = [run.futures[need] for need in stage.needs]
                    body = _async_body(run, stage, needs, module_graph.ainvoke)
                    run.futures[stage.id] = cast("asyncio.Future[Any]", task(name=stage.id)(body)())  # type: ignore[arg-type]
                return run.commit(await asyncio.gather(*run.futures.values(), return_exceptions=True))

    return RunnableLambda(execute, afunc=aexecute, name="execute")


def _recording(state: MatrioskaState, runtime: Runtime[RunContext]) -> Recording:
    # Its stages are saved one by one: what it says itself bears keys, and nothing of it is taken back.
    return node_recording(state, runtime, "execute", repeats=False)


def _result_or_error(future: Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def _work(run: _Pass, stage: Stage, needs: list[Future[Any]], invoke: Callable[[ModuleInput], Any]) -> dict[str, Any]:
    """Do one stage in this thread."""
    with run.recording(stage), run.slots.announced(stage.id):
        ended = run.ended(stage, [_result_or_error(future) for future in needs])
        try:
            given = run.begin(stage, ended)
            if isinstance(given, Outcome):
                return run.report(stage, given)
            with run.slots.hold(stage.rank, stage.id):
                with run.working(stage):
                    outcome = run.execution.finish(stage, given, invoke(given))
                run.worked(stage)
        except Exception as error:
            outcome = run.fail(stage, error)
        return run.report(stage, outcome)


def _async_body(
    run: _Pass,
    stage: Stage,
    needs: list[asyncio.Future[Any]],
    ainvoke: Callable[[ModuleInput], Awaitable[Any]],
) -> Callable[[], Awaitable[dict[str, Any]]]:
    # A function of its own for each stage: `task` writes the stage's name on it.
    async def work() -> dict[str, Any]:
        async with run.recording(stage):
            with run.slots.announced(stage.id):
                ended = run.ended(stage, await asyncio.gather(*needs, return_exceptions=True))
                try:
                    given = await off_loop(run.begin, stage, ended)
                    if isinstance(given, Outcome):
                        return run.report(stage, given)
                    async with run.slots.ahold(stage.rank, stage.id):
                        with run.working(stage):
                            outcome = run.execution.finish(stage, given, await ainvoke(given))
                        run.worked(stage)
                except Exception as error:
                    outcome = run.fail(stage, error)
                return run.report(stage, outcome)

    return work
