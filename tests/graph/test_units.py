"""Units of work: each waits for what it needs, is saved by itself, and is not done again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from matrioska.graph.guard import GuardedGraph, guard
from matrioska.graph.units import Units, Unsaved, units_node
from matrioska.nodes.progress import emit
from matrioska.state.context import RunContext
from matrioska.store.checkpointer import open_checkpointer

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "one"}}
#: A diamond, and one that stands apart.
NEEDS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}


class State(TypedDict, total=False):
    done: dict[str, Any]


@dataclass(frozen=True)
class Piece:
    name: str
    needs: tuple[str, ...]


Does = Callable[[str], Any]


@dataclass
class Pieces:
    """Work whose units answer with what they were given, unless told otherwise."""

    does: dict[str, Does] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    def graph(self, saver: Any) -> GuardedGraph:
        pieces = self

        class Work(Units[Piece]):
            async def work(self, unit: Piece, needs: Mapping[str, Any]) -> Any:
                pieces.begun.append(unit.name)
                emit({"unit": unit.name})
                await asyncio.sleep(0)
                told = pieces.does[unit.name](unit.name) if unit.name in pieces.does else None
                return {"name": unit.name, "needs": dict(needs), "told": told}

            def commit(self, results: Mapping[str, Any]) -> dict[str, Any]:
                return {"done": dict(results)}

        def prepare(state: Any, runtime: Any) -> Work:
            return Work([Piece(name, needs) for name, needs in NEEDS.items()], runtime)

        builder = StateGraph(State, context_schema=RunContext)
        builder.add_node("work", units_node("work", prepare))
        builder.add_edge(START, "work")
        builder.add_edge("work", END)
        return guard(builder.compile(checkpointer=saver, name="work"))


@pytest.fixture
def saver(world: tuple[str, str], tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        if world[1] == "memory":
            yield InMemorySaver()
            return
        found = open_checkpointer(tmp_path / "runs.sqlite")
        stack.callback(found.conn.close)
        yield found


def _run(graph: GuardedGraph, mode: str, given: Any, **options: Any) -> dict[str, Any]:
    if mode == "sync":
        return graph.invoke(given, CONFIG, context=RunContext(), **options)
    return asyncio.run(graph.ainvoke(given, CONFIG, context=RunContext(), **options))


def test_every_unit_is_given_what_it_needs_and_nothing_else(world: tuple[str, str], saver: Any) -> None:
    pieces = Pieces()
    done = _run(pieces.graph(saver), world[0], {"done": {}})["done"]
    assert list(done) == list(NEEDS)
    assert {name: tuple(found["needs"]) for name, found in done.items()} == NEEDS
    assert done["d"]["needs"]["b"] == {k: done["b"][k] for k in ("name", "needs", "told")}
    begun = pieces.begun
    assert sorted(begun) == sorted(NEEDS)
    assert begun.index("a") < min(begun.index("b"), begun.index("c"))
    assert begun.index("d") > max(begun.index("b"), begun.index("c"))


def test_what_units_tell_reaches_the_stream(world: tuple[str, str], saver: Any) -> None:
    graph = Pieces().graph(saver)
    options = {"stream_mode": "custom", "context": RunContext()}
    if world[0] == "sync":
        events = list(graph.stream({"done": {}}, CONFIG, **options))
    else:

        async def collect() -> list[Any]:
            return [event async for event in graph.astream({"done": {}}, CONFIG, **options)]

        events = asyncio.run(collect())
    assert sorted(event["unit"] for event in events) == sorted(NEEDS)


def test_a_failing_unit_fails_the_node_once_the_others_ended_and_only_it_is_done_again(
    world: tuple[str, str], saver: Any
) -> None:
    broken = [True]

    def fails(name: str) -> str:
        if broken:
            raise RuntimeError("no ink")
        return "mended"

    pieces = Pieces({"b": fails})
    graph = pieces.graph(saver)
    with pytest.raises(RuntimeError, match="no ink"):
        _run(graph, world[0], {"done": {}})
    assert sorted(pieces.begun) == ["a", "b", "c", "e"]
    broken.clear()
    pieces.begun.clear()
    done = _run(graph, world[0], None)["done"]
    assert sorted(pieces.begun) == ["b", "d"]
    assert done["d"]["needs"]["b"]["told"] == "mended"


def test_an_unsaved_result_is_worked_with_but_not_kept(world: tuple[str, str], saver: Any) -> None:
    first = [True]

    def lacks(name: str) -> str:
        if first:
            raise Unsaved({"name": name, "needs": {}, "told": "half"}, "only half of it")
        return "whole"

    def fails(name: str) -> str:
        if first:
            raise RuntimeError("no ink")
        return "fine"

    pieces = Pieces({"b": lacks, "e": fails})
    graph = pieces.graph(saver)
    with pytest.raises(RuntimeError, match="no ink"):
        _run(graph, world[0], {"done": {}})
    assert sorted(pieces.begun) == ["a", "b", "c", "d", "e"], "d works with the half of b"
    first.clear()
    pieces.begun.clear()
    done = _run(graph, world[0], None)["done"]
    assert sorted(pieces.begun) == ["b", "e"]
    assert done["b"]["told"] == "whole"
    assert done["d"]["needs"]["b"]["told"] == "half", "d was done, and says by what"


def test_unsaved_results_alone_do_not_keep_the_node_from_ending(world: tuple[str, str], saver: Any) -> None:
    def lacks(name: str) -> str:
        raise Unsaved("half", "only half of it")

    done = _run(Pieces({"b": lacks}).graph(saver), world[0], {"done": {}})["done"]
    assert done["b"] == "half"
    assert done["d"]["needs"]["b"] == "half"


def test_a_unit_that_waits_for_a_person_pauses_only_what_needs_it(world: tuple[str, str], saver: Any) -> None:
    pieces = Pieces({"b": lambda name: interrupt("which ink?")})
    graph = pieces.graph(saver)
    _run(graph, world[0], {"done": {}})
    (found,) = graph.get_state(CONFIG).interrupts
    assert found.value == "which ink?"
    assert sorted(pieces.begun) == ["a", "b", "c", "e"]
    pieces.begun.clear()
    done = _run(graph, world[0], Command(resume="blue"))["done"]
    assert sorted(pieces.begun) == ["b", "d"]
    assert done["b"]["told"] == "blue"


def test_a_drained_run_begins_no_further_unit_and_goes_on(world: tuple[str, str], saver: Any) -> None:
    control = RunControl()

    def stop(name: str) -> str:
        control.request_drain("enough")
        return "stopped"

    pieces = Pieces({"a": stop})
    graph = pieces.graph(saver)
    with pytest.raises(GraphDrained):
        _run(graph, world[0], {"done": {}}, control=control)
    assert "b" not in pieces.begun
    pieces.begun.clear()
    done = _run(graph, world[0], None)["done"]
    assert "a" not in pieces.begun
    assert list(done) == list(NEEDS)
