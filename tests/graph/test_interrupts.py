"""Questions from inside modules: asked together, answered together or one at a time, nothing runs again."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import Any

import pytest
from langgraph.types import Command, interrupt

from matrioska.models.gateway import Reply
from matrioska.nodes import distill as distill_node
from matrioska.nodes import work
from matrioska.workers.base import ChatWorker, Job, Work
from matrioska.workers.plugins import workers
from tests.graph.conftest import Start
from tests.support import Author, plan, reader, spec


class AsksFirst(ChatWorker):
    """A worker that asks a person before it asks its model."""

    async def answer(self, job: Job) -> Work:
        said = interrupt({"module": job.spec.id, "question": "Which colour?"})
        reply = (await super().answer(job)).reply
        return Work(Reply(f"{reply.text}\n\n```text path=colour.txt\n{said}\n```", reply.usage))


@pytest.fixture(autouse=True)
def _asking_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = MappingProxyType({**workers(), "asks": AsksFirst()})
    monkeypatch.setattr(work, "workers", lambda: installed)


@pytest.fixture
def distilled(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each module's context was built: the node before the one that asks."""
    counts: Counter[str] = Counter()
    build = distill_node.build_package

    def counted(job: Any, *rest: Any) -> Any:
        counts[f"{job.kind} {job.spec.id}"] += 1
        return build(job, *rest)

    monkeypatch.setattr(distill_node, "build_package", counted)
    return counts


PLAN = plan(
    spec("a", worker="asks"),
    spec("b", worker="asks"),
    spec("c"),
    reader("d", contract_first=False, worker="asks"),
    reader("e", "d"),
    spec("f", "c"),
)


def _asked(driven: Any) -> dict[str, str]:
    return {found.value["module"]: found.id for found in driven.state().interrupts}


def test_all_are_asked_in_one_pass_and_answered_together(start: Start, distilled: Counter[str]) -> None:
    author = Author(PLAN)
    driven = start(author)
    driven.run("Do it.")
    asked = _asked(driven)
    assert set(asked) == {"a", "b", "d"}
    # Who need not wait for the answers is done.
    assert author.calls() == ["plan", "produce c", "produce f"]
    result = driven.run(Command(resume={asked[module]: f"{module}-blue" for module in asked}))
    assert result["status"] == "complete"
    assert author.calls() == ["assemble", "produce a", "produce b", "produce d", "produce e"]
    assert set(distilled.values()) == {1}
    colours = {m: [f["path"] for f in r["artifacts"] if f["path"] == "colour.txt"] for m, r in driven.results().items()}
    assert {module for module, found in colours.items() if found} == {"a", "b", "d"}
    for module in "abd":
        folder = driven.base / "matrioska_artifacts" / "one" / module
        assert (folder / "colour.txt").read_text() == f"{module}-blue\n"


def test_one_at_a_time_runs_nothing_twice(start: Start, distilled: Counter[str]) -> None:
    author = Author(PLAN)
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    made = []
    for module, left in (("d", {"a", "b"}), ("a", {"b"}), ("b", set())):
        driven.run(Command(resume={_asked(driven)[module]: "red"}))
        assert set(_asked(driven)) == left
        made.append(author.calls())
    assert made == [["produce d", "produce e"], ["produce a"], ["assemble", "produce b"]]
    assert driven.state().values["status"] == "complete"
    assert set(distilled.values()) == {1}


def test_a_question_beside_a_failure_waits_for_its_answer_first(start: Start) -> None:
    author = Author(plan(spec("a", worker="asks"), spec("b")), {"produce b": ZeroDivisionError("oops")})
    driven = start(author)
    driven.run("Do it.")
    assert set(_asked(driven)) == {"a"}
    assert driven.run(Command(resume={_asked(driven)["a"]: "red"}))["status"] == "partial"
    assert driven.statuses() == {"a": "done", "b": "failed"}
    assert author.asked["produce b"] == 1


def test_a_waiting_module_holds_no_slot(start: Start) -> None:
    author = Author(PLAN)
    driven = start(author, slots=1)
    driven.run("Do it.")
    assert set(_asked(driven)) == {"a", "b", "d"}
    assert author.calls() == ["plan", "produce c", "produce f"]


def test_an_unknown_worker_fails_its_module_only(start: Start) -> None:
    author = Author(plan(spec("a", worker="nobody"), spec("b")))
    driven = start(author)
    assert driven.run("Do it.")["status"] == "partial"
    error = driven.results()["a"]["error"]
    assert error["code"] == "bad_config"
    assert "asks, cascade, chat" in error["next_step"]
