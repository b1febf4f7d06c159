"""Budgets: at the limit the run pauses and says what was spent; raised, it goes on where it stood."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from matrioska.graph import build_graph, open_graph
from tests.graph import killable, processes
from tests.graph.conftest import Start
from tests.support import MODES, Author, Driven, chain, delivered, fenced, plan, reader, spec


def _asked(driven: Driven) -> dict[str, Any]:
    (found,) = driven.state().interrupts
    assert found.value["kind"] == "budget"
    return dict(found.value)


def _spent(driven: Driven) -> dict[str, Any]:
    return dict(_asked(driven)["action_requests"][0]["args"]["spent"])


def _tokens(driven: Driven) -> int:
    usage = driven.state().values["usage"]
    return int(usage["input_tokens"] + usage["output_tokens"])


def test_at_half_its_tokens_a_run_pauses_and_once_raised_ends_the_same_with_no_call_repeated(
    start: Start, tmp_path: Path
) -> None:
    author = Author(chain(6), latency=0.001)
    whole = start(author)
    whole.thread = "whole"
    whole.run("Do it.")
    expected, tokens = author.calls(), _tokens(whole)

    driven = start(author, budget_tokens=tokens // 2, slots=1)
    driven.run("Do it.")
    request = _asked(driven)
    half = author.calls()
    assert 0 < len(half) < len(expected)
    assert _spent(driven)["tokens"] >= tokens // 2
    assert _spent(driven)["calls"] == len(half)
    assert f"{tokens // 2:,} tokens" in request["action_requests"][0]["description"]

    result = driven.answer({"budget_tokens": 10 * tokens})
    assert result["status"] == "complete"
    assert sorted(half + author.calls()) == expected
    folders = [tmp_path / "matrioska_artifacts" / thread for thread in ("whole", "one")]
    assert delivered(folders[0]) == delivered(folders[1])
    assert _tokens(driven) == tokens


@pytest.mark.parametrize(
    "answer",
    [
        True,
        "yes",
        100_000,
        "100000",
        {"budget_tokens": None},
        {"decisions": [{"type": "approve"}]},
        {
            "decisions": [
                {"type": "edit", "edited_action": {"name": "raise_budget", "args": {"budget_tokens": 100_000}}}
            ]
        },
        [{"type": "edit", "args": {"args": {"budget_tokens": 100_000}}}],
    ],
    ids=str,
)
def test_every_dialect_raises_it(start: Start, answer: Any) -> None:
    author = Author(plan(spec("a"), spec("b", "a")))
    driven = start(author, budget_tokens=900, slots=1)
    driven.run("Do it.")
    _asked(driven)
    result = driven.answer(answer)
    for _ in range(20):
        if not driven.state().interrupts:
            break
        result = driven.answer(answer)
    assert result["status"] == "complete"
    assert author.calls() == ["assemble", "plan", "produce a", "produce b"]


def test_an_answer_that_is_not_understood_or_not_enough_is_asked_again_with_the_reason(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b", "a")))
    driven = start(author, budget_tokens=50)
    driven.run("Do it.")
    for answer, said in [
        ("a bit more", "raised by a number"),
        ({"budget_tokens": -3}, "budget_tokens is wrong"),
        ({"budget_tokens": 60}, "still used up"),
    ]:
        driven.answer(answer)
        assert said in _asked(driven)["complaints"][0]
    assert driven.answer({"budget_tokens": 10**6})["status"] == "complete"
    assert author.calls() == ["assemble", "plan", "produce a", "produce b"]


def test_ending_at_the_budget_keeps_what_was_built_and_a_later_resume_can_finish_it(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b", "a")))
    driven = start(author, budget_tokens=900, slots=1)
    driven.run("Do it.")
    spent = _spent(driven)["tokens"]
    author.calls()
    result = driven.answer(False)
    assert result["status"] in ("partial", "failed")
    failed = [r for r in driven.results().values() if r["status"] == "failed"]
    assert [r["error"]["code"] for r in failed] == ["budget"]
    assert author.calls() == []
    assert spent >= 900
    driven.options["budget_tokens"] = 10**6
    driven.update({"approval": {"type": "approve"}, "repair": {}}, as_node="approval")
    assert driven.run(None)["status"] == "complete"
    assert author.calls() == ["assemble", "produce b"]


def test_what_is_under_way_is_finished_and_counted(start: Start) -> None:
    author = Author(plan(*(spec(f"m{n}") for n in range(6))), latency=0.05)
    driven = start(author, budget_tokens=700, slots=3)
    driven.run("Do it.")
    assert _spent(driven)["calls"] == len(author.calls())


def test_a_mend_is_held_back_too_and_the_answer_before_it_is_not_asked_for_again(start: Start) -> None:
    architecture = plan(reader("a"), reader("b", "a"))
    author = Author(architecture, told={"agree a": fenced({"wrong": 1})})
    driven = start(author, budget_tokens=1)
    driven.run("Do it.")
    calls = author.calls()
    assert calls == ["plan"]
    while driven.state().interrupts:
        driven.answer({"budget_tokens": _spent(driven)["tokens"] + 1})
        calls += author.calls()
    assert len(calls) == len(set(calls)), calls


def test_time_is_a_budget_too(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b", "a")), latency=0.05)
    driven = start(author, timeout=0.01)
    driven.run("Do it.")
    assert _asked(driven)["action_requests"][0]["args"]["reached"] == ["timeout"]
    assert driven.answer({"timeout": 1000})["status"] == "complete"


def test_other_limits_given_with_a_resume_count_and_the_same_ones_do_not(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b", "a")))
    driven = start(author, budget_tokens=50)
    driven.run("Do it.")
    driven.run(None)
    assert _asked(driven)
    driven.options["budget_tokens"] = 10**6
    assert driven.run(None)["status"] == "complete"


def _run(base: Path, log: Path, mode: str, answer: Any, budget: int) -> None:
    killable.run(base, log, mode, answer, budget_tokens=budget)


@pytest.mark.parametrize("mode", MODES)
def test_a_kill_after_the_answer_loses_neither_the_answer_nor_a_finished_call(mode: str, tmp_path: Path) -> None:
    log = tmp_path / "calls.log"

    def ended() -> list[str]:
        return [line[2:] for line in log.read_text().splitlines() if line.startswith("E ")]

    first = processes.begin(killable.run, tmp_path, log, mode)
    first.join(60)
    whole = sorted(ended())
    shutil.rmtree(tmp_path / "matrioska_checkpoints")
    for path in (log, *tmp_path.glob("runs.sqlite*")):
        path.unlink()

    processes.begin(_run, tmp_path, log, mode, None, 1).join(60)
    assert ended() == ["plan"]
    raised = processes.begin(_run, tmp_path, log, mode, {"budget_tokens": 10**6}, 1)
    while len(ended()) < 5 and raised.is_alive():
        time.sleep(0.002)
    raised.kill()
    raised.join(60)
    assert raised.exitcode == -9
    processes.begin(_run, tmp_path, log, mode, None, 1).join(60)
    with open_graph(tmp_path / "runs.sqlite") as graph:
        state = graph.get_state({"configurable": {"thread_id": "one"}})
    assert not state.interrupts
    assert state.values["status"] == "complete"
    # What was under way when the process died is asked again; nothing else is.
    assert set(ended()) == set(whole)


@pytest.mark.parametrize("mode", MODES)
def test_without_a_checkpointer_nobody_can_be_asked_so_the_run_ends(mode: str, tmp_path: Path) -> None:
    author = Author(plan(spec("a"), spec("b", "a")))
    driven = Driven(build_graph(), mode, tmp_path, author.model, thread=None, options={"budget_tokens": 1})
    assert driven.run("Do it.")["status"] == "failed"
    assert author.calls() == ["plan"]
