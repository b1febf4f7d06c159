"""The graph ``ensemble``: sync and async, events, budgets, and no part asked twice after a stop."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from matrioska.graph import ensemble
from matrioska.graph.guard import GuardedGraph
from matrioska.state.ensemble import EnsembleAnswer
from matrioska.state.errors import EnsembleError, ModelError, TaskError
from tests.graph import killable_ensemble, processes
from tests.voters import CHAINED, THREE, Voters, asked, knows

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "one"}}
DOWN = ModelError("Nothing listens there.")
#: What the fixture ``graph`` opens.
BUILD = ensemble.build_ensemble_graph


@pytest.fixture
def vote(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these voters be the settings' ensemble."""

    def use(voters: Voters, **fields: Any) -> Voters:
        monkeypatch.setattr(ensemble, "load_topology", lambda: voters.topology(**fields))
        monkeypatch.setattr(ensemble, "find_member", voters.find)
        return voters

    return use


def _run(graph: GuardedGraph, mode: str, query: Any, **options: Any) -> dict[str, Any]:
    given = {"query": query} if query is not None else None
    context = {"base_path": str(Path.cwd()), **options}
    if mode == "sync":
        return graph.invoke(given, CONFIG, context=context)
    return asyncio.run(graph.ainvoke(given, CONFIG, context=context))


def test_a_query_is_answered_as_json_and_saved(graph: GuardedGraph, world: tuple[str, str], vote: Any) -> None:
    vote(Voters(nodes=3))
    out = _run(graph, world[0], CHAINED)
    answer = EnsembleAnswer.model_validate(json.loads(json.dumps(out)))
    assert set(out) == set(EnsembleAnswer.model_fields)
    assert [found.answer for found in answer.chunks] == ["Paris", "2 million"]
    assert answer.timings.total >= answer.timings.nodes > 0
    state = graph.get_state(CONFIG)
    assert state.next == ()
    assert state.values["results"] == []


def test_events_reach_the_stream(graph: GuardedGraph, world: tuple[str, str], vote: Any) -> None:
    vote(Voters(nodes=2))
    given, options = {"query": CHAINED}, {"stream_mode": "custom", "context": {"base_path": str(Path.cwd())}}
    if world[0] == "sync":
        events = list(graph.stream(given, CONFIG, **options))
    else:

        async def collect() -> list[Any]:
            return [event async for event in graph.astream(given, CONFIG, **options)]

        events = asyncio.run(collect())
    kinds = [event["type"] for event in events]
    assert kinds == ["chunk", "chunk", "asked", "vote", "decided", "asked", "vote", "decided", "synthesis", "done"]
    assert events[-1]["answer"]["answer"]


def test_all_down_is_raised_and_a_resumed_query_asks_again(
    graph: GuardedGraph, world: tuple[str, str], vote: Any
) -> None:
    up: list[bool] = []
    voters = vote(Voters(nodes=2, says={n: lambda prompt: knows(prompt) if up else DOWN for n in ("n1", "n2")}))
    with pytest.raises(EnsembleError, match="Nothing listens there"):
        _run(graph, world[0], CHAINED)
    up.append(True)
    out = _run(graph, world[0], None)
    assert [found["answer"] for found in out["chunks"]] == ["Paris", "2 million"]
    assert voters.calls() > 4


def test_a_part_that_nobody_answers_is_missing(graph: GuardedGraph, world: tuple[str, str], vote: Any) -> None:
    def forgetful(prompt: str) -> Any:
        return DOWN if "Peru" in asked(prompt) else knows(prompt)

    vote(Voters(nodes=3, says={f"n{number}": forgetful for number in range(1, 4)}))
    out = _run(graph, world[0], THREE)
    assert out["missing"] == [2]
    assert [found["answer"] for found in out["chunks"]] == ["Paris", "", "Nairobi"]


def test_what_is_no_query_is_refused(graph: GuardedGraph, world: tuple[str, str], vote: Any) -> None:
    voters = vote(Voters())
    with pytest.raises(TaskError, match="There is no query"):
        graph.invoke({}, CONFIG, context={"base_path": str(Path.cwd())})
    for query in ("", "  ", 7, "x" * 100_001):
        with pytest.raises(TaskError):
            _run(graph, world[0], query)
    assert not voters.begun


def test_a_budget_pauses_before_the_next_step_and_goes_on(
    graph: GuardedGraph, world: tuple[str, str], vote: Any
) -> None:
    voters = vote(Voters(nodes=2, says={"big": "Paris, where 2 million live."}), synthesizer="big")
    _run(graph, world[0], CHAINED, budget_tokens=1)
    (found,) = graph.get_state(CONFIG).interrupts
    assert found.value["kind"] == "budget"
    before = voters.calls()
    out = _run(graph, world[0], None, budget_tokens=1_000_000)
    assert out["answer"] == "Paris, where 2 million live."
    assert voters.calls() == before + 1, "nothing that was voted on is asked again"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_parts_decided_before_a_kill_are_not_asked_again(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    process = processes.begin(killable_ensemble.run, tmp_path, log, mode)
    _wait_for(log, "B Kenya")
    process.kill()
    process.join(30)
    assert process.exitcode == -9
    ended = [line for line in log.read_text().splitlines() if line.startswith("E")]
    assert set(ended) == {"E France", "E Peru"}
    offset = len(log.read_text().splitlines())
    process = processes.begin(killable_ensemble.run, tmp_path, log, mode)
    process.join(60)
    assert process.exitcode == 0
    after = log.read_text().splitlines()[offset:]
    assert {line for line in after if line.startswith("B")} == {"B Kenya"}
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert [found["answer"] for found in answer["chunks"]] == ["Paris", "Lima", "Nairobi"]


def _wait_for(log: Path, line: str) -> None:
    until = time.monotonic() + 30
    while not log.exists() or line not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
