"""Drain: a run asked to stop does so at the next inner step, and a resume loses nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from matrioska.graph import open_graph
from matrioska.store.checkpointer import Checkpointer
from tests.graph.conftest import Start
from tests.support import Author, Driven, chain, plan, reader, spec

PLAN = plan(reader("a"), reader("b", "a"), *(spec(f"m{n}") for n in range(12)))


def _drained(driven: Driven, author: Author, stop_at: str) -> Counter[str]:
    """Run until a call is made, ask to stop then, and return all calls made."""
    control = RunControl()
    script = author.model.script

    def stops(stage: str, module: str, prompt: str) -> Any:
        if f"{stage} {module}".strip() == stop_at:
            control.request_drain("asked to")
        return script(stage, module, prompt)

    author.model.script = stops
    with pytest.raises(GraphDrained):
        driven.run("Do it.", control=control)
    author.model.script = script
    return Counter(author.calls())


@pytest.mark.parametrize("stop_at", ["plan", "agree a", "produce a", "produce m3", "assemble"])
def test_a_drain_stops_soon_and_nothing_finished_runs_again(start: Start, stop_at: str) -> None:
    author = Author(PLAN, latency=0.005)
    driven = start(author, slots=2)
    made = _drained(driven, author, stop_at)
    # At the plan nothing else was begun; among the modules only what had a slot already.
    assert made[stop_at] == 1
    if stop_at == "plan":
        assert made.total() == 1
    assert driven.state().next != ()
    assert driven.run(None)["status"] == "complete"
    whole = made + Counter(author.calls())
    assert whole == Counter({**{f"produce m{n}": 1 for n in range(12)}, "plan": 1, "agree a": 1, "produce a": 1,
                             "produce b": 1, "assemble": 1})  # fmt: skip


def test_a_drain_leaves_who_waits_for_a_slot_alone(start: Start) -> None:
    author = Author(plan(*(spec(f"m{n:02}") for n in range(30))), latency=0.01)
    driven = start(author, slots=2)
    made = _drained(driven, author, "produce m00")
    assert made.total() <= 1 + 2 + 2
    assert driven.run(None)["status"] == "complete"
    assert author.model.count("produce") == 30 - (made.total() - 1)


def test_a_drain_between_the_nodes_of_a_module_keeps_the_first(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b")), {"produce a": "Sorry."})
    driven = start(author)
    made = _drained(driven, author, "produce a")
    assert made["mend a"] == 0
    author.told["mend a"] = "```text path=a.txt\nA\n```"
    assert driven.run(None)["status"] == "complete"
    assert author.asked["produce a"] == 1
    assert author.asked["mend a"] == 1


async def test_cancelling_stops_at_once_and_a_resume_goes_on(tmp_path: Path) -> None:
    author = Author(chain(3), latency=lambda stage, module: 30 if (stage, module) == ("produce", "m2") else 0.0)
    with open_graph(tmp_path / "runs.sqlite") as graph:
        driven = Driven(graph, "async", tmp_path, author.model)
        running = asyncio.ensure_future(graph.ainvoke({"task": "Do it."}, driven.config, context=driven.context))
        saver = graph.checkpointer
        assert isinstance(saver, Checkpointer)
        ended = "SELECT COUNT(*) FROM writes WHERE channel = '__return__'"
        while saver.conn.execute(ended).fetchone() != (4,):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        author.model.latency = 0.0
        made = Counter(author.calls())
        result = await graph.ainvoke(None, driven.config, context=driven.context)
        assert result["status"] == "complete"
        assert made["produce m0"] == made["produce m1"] == 1
        assert author.calls() == ["assemble", "produce m2"]
