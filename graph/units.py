"""Units of work as durable tasks: what was done before a process died is not done again.

A node whose work falls into units calls a task for each, all of them up front and in one fixed
order, since LangGraph finds the saved result of a task by the order of its call
(docs/engine.md). Each task waits in-process for exactly the units that it needs. Tasks of a sync
run are threads and those of an async run are coroutines, hence two bodies, here and nowhere else.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

from langchain_core.runnables import RunnableLambda
from langgraph.errors import GraphDrained
from langgraph.func import task
from langgraph.runtime import Runtime, get_runtime

from matrioska.graph.execute import Suspended, raise_pauses
from matrioska.nodes.leaf import off_loop, run_blocking
from matrioska.nodes.progress import lend_writer
from matrioska.nodes.recording import node_recording, unit_recording
from matrioska.state.context import RunContext


class Unit(Protocol):
    """A piece of work whose result is saved."""

    @property
    def name(self) -> str:
        """Its name among the node's units; without ':' and '|', which are LangGraph's separators."""

    @property
    def needs(self) -> Sequence[str]:
        """Names of the units, all of them earlier ones, whose results it is given."""


U = TypeVar("U", bound=Unit)
F = TypeVar("F")
State = Mapping[str, Any]


class Unsaved(Exception):  # noqa: N818 - a result that goes another way
    """A result that others work with in this run, but that is not kept: a resumed run works on the unit again.

    Args:
        result: the unit's result, as JSON.
        why: the reason, for whoever looks into the database.
    """

    def __init__(self, result: Any, why: str) -> None:
        self.result = result
        super().__init__(why)


class Units(ABC, Generic[U]):
    """What one drive of such a node works on.

    Args:
        units: all of them, in an order that is the same whenever the node runs again on the same state.
        runtime: the node's runtime.
    """

    def __init__(self, units: Sequence[U], runtime: Runtime[RunContext]) -> None:
        self.units = tuple(units)
        self.runtime = runtime

    @abstractmethod
    async def work(self, unit: U, needs: Mapping[str, Any]) -> Any:
        """Do one unit, and return its result as JSON.

        Args:
            unit: the unit.
            needs: results of the units that it needs, by name.

        Raises:
            Unsaved: with a result that is not to be kept.
            GraphBubbleUp: the run pauses here; the node raises it once the others have ended.
            Exception: the node fails with it.
        """

    @abstractmethod
    def commit(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the node's update from the results of all units, by name."""

    def paused(self, error: BaseException) -> None:
        """Do what is to be done before the node raises what pauses the run."""

    def begin(self, needs: Mapping[str, Any], unit: U) -> dict[str, Any]:
        """Return the results that a unit needs, from what came of them.

        Raises:
            GraphDrained: the run is asked to stop.
            Suspended: one of the units did not end.
        """
        control = self.runtime.control
        if control is not None and control.drain_requested:
            raise GraphDrained(control.drain_reason or "shutdown")
        if unfinished := next((name for name, found in needs.items() if not _has_ended(found)), None):
            raise Suspended(f"{unit.name} waits for {unfinished}")
        return _results(needs)

    def end(self, ended: Mapping[str, Any]) -> dict[str, Any]:
        """Return the node's update from what came of all units, or raise what pauses the run."""
        try:
            raise_pauses(found for found in ended.values() if not _has_ended(found))
        except BaseException as error:
            self.paused(error)
            raise
        return self.commit(_results(ended))


def _has_ended(found: Any) -> bool:
    return isinstance(found, Unsaved) or not isinstance(found, BaseException)


def _results(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found.result if isinstance(found, Unsaved) else found for name, found in ended.items()}


def units_node(name: str, prepare: Callable[[Any, Runtime[RunContext]], Units[U]]) -> RunnableLambda[Any, Any]:
    """Return a node that does units of work.

    Args:
        name: the node's name.
        prepare: returns what this drive works on; it may read files.
    """

    def drive(state: State) -> dict[str, Any]:
        runtime, futures = get_runtime(RunContext), dict[str, Future[Any]]()
        with lend_writer(runtime.stream_writer), node_recording(state, runtime, name, repeats=False):
            run = prepare(state, runtime)
            for unit in run.units:
                body = partial(_work, run, unit, _needed(futures, unit))
                futures[unit.name] = cast("Future[Any]", task(name=unit.name)(body)())
            return run.end({unit: _outcome(future) for unit, future in futures.items()})

    async def adrive(state: State) -> dict[str, Any]:
        runtime, futures = get_runtime(RunContext), dict[str, asyncio.Future[Any]]()
        recording = await off_loop(partial(node_recording, state, runtime, name, repeats=False))
        with lend_writer(runtime.stream_writer):
            async with recording:
                run = await off_loop(prepare, state, runtime)
                for unit in run.units:
                    body = _async_work(run, unit, _needed(futures, unit))
                    futures[unit.name] = cast("asyncio.Future[Any]", task(name=unit.name)(body)())  # type: ignore[arg-type]
                return run.end(await _outcomes(futures))

    return RunnableLambda(drive, afunc=adrive, name=name)


def _needed(futures: Mapping[str, F], unit: Unit) -> dict[str, F]:
    return {need: futures[need] for need in unit.needs}


def _outcome(future: Future[Any]) -> Any:
    """Wait for a task, and return its result or what it raised."""
    error = future.exception()
    return future.result() if error is None else error


async def _outcomes(futures: Mapping[str, asyncio.Future[Any]]) -> dict[str, Any]:
    """See `_outcome`."""
    ended: Iterable[Any] = await asyncio.gather(*futures.values(), return_exceptions=True)
    return dict(zip(futures, ended, strict=True))


def _work(run: Units[U], unit: U, needs: Mapping[str, Future[Any]]) -> Any:
    """Do one unit, in this thread."""
    given = run.begin({name: _outcome(future) for name, future in needs.items()}, unit)
    return run_blocking(_recorded(run, unit, given))


def _async_work(run: Units[U], unit: U, needs: Mapping[str, asyncio.Future[Any]]) -> Callable[[], Awaitable[Any]]:
    # A function of its own for each unit: `task` writes the unit's name on it.
    async def work() -> Any:
        return await _recorded(run, unit, run.begin(await _outcomes(needs), unit))

    return work


async def _recorded(run: Units[U], unit: U, needs: Mapping[str, Any]) -> Any:
    """Do one unit, and write down what it says before its result is saved."""
    unsaved: Unsaved | None = None
    async with unit_recording(unit.name):
        try:
            return await run.work(unit, needs)
        except Unsaved as error:
            # It goes another way, but it is no failure of the unit.
            unsaved = error
    raise unsaved
