"""The graph's own door: one driver per thread, durable, and clear refusals."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from matrioska.graph import build_graph, graph, open_graph
from matrioska.state.errors import ModelError, TaskError, ThreadBusyError, UsageError
from tests.graph import killable, processes
from tests.graph.conftest import Start
from tests.support import MODES, Author, Driven, chain, delivered, opened, plan, spec


def test_a_second_process_on_the_thread_is_refused_and_the_first_unharmed(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    first = processes.begin(killable.run, tmp_path, log, mode)
    while not log.exists() or "B plan" not in log.read_text():
        assert first.is_alive()
        time.sleep(0.005)
    author = Author(killable.PLAN)
    with open_graph(tmp_path / "runs.sqlite") as other:
        driven = Driven(other, mode, tmp_path, author.model)
        for act in (lambda: driven.run("Do it."), driven.run, lambda: driven.update({}, as_node="approval")):
            with pytest.raises(ThreadBusyError, match="another process") as caught:
                act()
            assert caught.value.next_step
        # Looking is allowed, and so is another thread.
        assert driven.state().values["task"] == killable.TASK
        driven.thread = "two"
        assert driven.run("Do it.")["status"] == "complete"
    first.join(60)
    assert first.exitcode == 0
    lines = log.read_text().splitlines()
    assert len([line for line in lines if line == "B produce docs"]) == 1
    assert "one/docs/docs.py" in delivered(tmp_path / "matrioska_artifacts")


def test_two_runs_in_one_process_are_refused_too(mode: str, tmp_path: Path) -> None:
    caught: list[Exception] = []

    def again(prompt: str, n: int) -> str:
        try:
            driven.graph.invoke({"task": "Again."}, driven.config, context=driven.context)
        except ThreadBusyError as error:
            caught.append(error)
        return "```text path=a.txt\nA\n```"

    author = Author(plan(spec("a")), {"produce a": again})
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = Driven(opened_graph, mode, tmp_path, author.model)
        assert driven.run("Do it.")["status"] == "complete"
    assert len(caught) == 1


def test_the_lease_is_released_after_an_error(mode: str, tmp_path: Path) -> None:
    author = Author(chain(2), {"plan": [ModelError("down", retryable=False), "unused"]})
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = Driven(opened_graph, mode, tmp_path, author.model)
        with pytest.raises(ModelError, match="down"):
            driven.run("Do it.")
        del author.told["plan"]
        assert driven.run(None)["status"] == "complete"


def test_the_lease_is_released_when_a_stream_is_left(tmp_path: Path) -> None:
    author = Author(chain(2))
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = Driven(opened_graph, "sync", tmp_path, author.model)
        stream = driven.graph.stream({"task": "Do it."}, driven.config, context=driven.context)
        next(stream)
        stream.close()
        assert driven.run(None)["status"] == "complete"


@pytest.mark.parametrize("answer", [None, {}], ids=["None", "{}"])
def test_an_answer_that_would_be_lost_is_refused(start: Start, answer: Any) -> None:
    driven = start(Author(chain(2)), approval="ask")
    driven.run("Do it.")
    with pytest.raises(UsageError, match="empty"):
        driven.run(Command(resume=answer))
    assert driven.state().next == ("approval",)
    assert driven.answer(True)["status"] == "complete"


def test_a_start_without_a_task_is_refused(start: Start) -> None:
    driven = start(Author(chain(2)))
    with pytest.raises(TaskError, match="There is no task") as refused:
        driven.run({})
    assert refused.value.next_step


def test_durability_that_loses_work_is_refused(start: Start) -> None:
    author = Author(chain(2))
    driven = start(author)
    with pytest.raises(UsageError, match="durability"):
        driven.run("Do it.", durability="exit")
    assert author.calls() == []


def test_every_run_is_saved_synchronously(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    author = Author(chain(2))
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = Driven(opened_graph, mode, tmp_path, author.model)
        asked = opened_graph._durable({"durability": "async"})
        assert asked == {"durability": "sync"}
        assert driven.run("Do it.", durability="async")["status"] == "complete"


@pytest.mark.parametrize("thread", ["", "a b", "../x", "a:b", "a|b", "x" * 65, "ü", None])
def test_thread_ids_that_could_harm_are_refused(mode: str, tmp_path: Path, thread: str | None) -> None:
    author = Author(chain(2))
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = Driven(opened_graph, mode, tmp_path, author.model)
        config: dict[str, Any] = {"configurable": {} if thread is None else {"thread_id": thread}}
        with pytest.raises(UsageError, match="thread id"):
            driven.run("Do it.", config)
        with pytest.raises(UsageError, match="thread id"):
            driven.update({}, "approval", config)
    assert author.calls() == []
    assert not (tmp_path / "locks").exists()


def test_a_thread_bound_to_the_graph_counts(mode: str, tmp_path: Path) -> None:
    author = Author(plan(spec("a")))
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        bound = opened_graph.with_config({"configurable": {"thread_id": "bound"}})
        driven = Driven(bound, mode, tmp_path, author.model, thread=None)
        assert driven.run("Do it.")["status"] == "complete"
        assert list(opened_graph.checkpointer.thread_ids()) == ["bound"]  # type: ignore[union-attr]


def test_without_a_checkpointer_it_just_runs(mode: str, tmp_path: Path) -> None:
    author = Author(chain(3))
    result = Driven(build_graph(), mode, tmp_path, author.model, thread=None).run("Do it.")
    assert result["status"] == "complete"
    assert Path(result["deliverable"]["folder"]).parent == tmp_path / "matrioska_artifacts"
    assert graph.checkpointer is None


@pytest.mark.parametrize("saver", ["sqlite", "memory", "none"])
def test_the_same_task_is_the_same_deliverable_everywhere(saver: str, tmp_path: Path) -> None:
    found = []
    for mode in MODES:
        base = tmp_path / mode
        base.mkdir()
        with opened(saver, base) as opened_graph:
            driven = Driven(opened_graph, mode, base, Author(killable.PLAN, killable.TOLD).model)
            result = driven.run("Do it.")
        assert result["status"] == "complete"
        found.append(delivered(result["deliverable"]["folder"]))
    assert found[0] == found[1]
    assert len(found[0]) == 6


async def test_many_threads_of_one_database_run_side_by_side(tmp_path: Path) -> None:
    author = Author(chain(3), latency=0.01)
    with open_graph(tmp_path / "runs.sqlite") as opened_graph:
        driven = [Driven(opened_graph, "async", tmp_path, author.model, thread=f"t{n}") for n in range(5)]
        results = await asyncio.gather(
            *(opened_graph.ainvoke({"task": "Do it."}, one.config, context=one.context) for one in driven)
        )
    assert {result["status"] for result in results} == {"complete"}
    assert author.model.count() == 5 * 7
