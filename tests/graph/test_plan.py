"""From the task to the approved plan: bad tasks, repairs, and a person's answer in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matrioska.state.errors import ModelError, TaskError
from tests.graph.conftest import DIAGONAL, Start
from tests.support import Author, Driven, chain, fenced, plan, reader, spec

pytestmark = DIAGONAL


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("\0\1\2", "empty"),
        ("x" * 200_000, "200,000 characters"),
        ("PK\3\4" + "\0\1\2\3abc" * 50, "binary"),
        (b"bytes", "bytes"),
        (None, "There is no task"),
        (["list"], "list"),
    ],
    ids=["empty", "blank", "controls", "long", "binary", "bytes", "none", "list"],
)
def test_bad_tasks_are_refused_before_any_call(start: Start, task: Any, says: str) -> None:
    author = Author(chain(2))
    with pytest.raises(TaskError, match=says) as caught:
        start(author).run({"task": task})
    assert caught.value.next_step
    assert author.calls() == []


CYCLE = plan(spec("a", "b"), spec("b", "a"))


def test_the_exact_complaints_go_back_until_the_plan_is_good(start: Start) -> None:
    author = Author(chain(2), {"plan": ["Let us talk.", fenced(CYCLE), fenced(chain(2))]})
    driven = start(author)
    assert driven.run("Do it.")["status"] == "complete"
    first, second, third = author.prompts("plan")
    assert "complaints" not in first
    assert "The answer holds no JSON object." in second
    assert "Let us talk." in second
    assert "a -&gt; b -&gt; a" in third or "a -> b -> a" in third
    assert driven.state().values["usage"]["calls"] == 3 + 4


@pytest.mark.parametrize("repairs", [0, 1, 2])
def test_a_plan_that_stays_faulty_ends_clearly_and_keeps_the_answer(start: Start, repairs: int) -> None:
    author = Author(chain(2), {"plan": fenced(CYCLE)})
    driven = start(author, plan_repairs=repairs)
    result = driven.run("Do it.")
    assert author.model.count() == 1 + repairs
    assert result["status"] == "failed"
    assert result["error"]["code"] == "bad_plan"
    assert "a -> b -> a" in result["error"]["message"]
    assert result["error"]["next_step"]
    assert result["error"]["raw_answer"] == fenced(CYCLE)
    assert driven.state().next == ()


def test_a_model_that_is_down_stops_the_run_and_a_resume_plans_again(start: Start) -> None:
    author = Author(chain(2), {"plan": lambda prompt, n: ModelError("down") if n == 1 else fenced(chain(2))})
    driven = start(author)
    with pytest.raises(ModelError, match="down"):
        driven.run("Do it.")
    assert driven.state().next == ("architect",)
    assert driven.run(None)["status"] == "complete"


# -- approval ------------------------------------------------------------------------------


def _asked(start: Start, author: Author) -> Driven:
    driven = start(author, approval="ask")
    result = driven.run("Do it.")
    assert author.calls() == ["plan"]
    (found,) = driven.state().interrupts
    assert found.value["kind"] == "approval"
    (request,) = found.value["action_requests"]
    assert request["args"]["architecture"] == result["architecture"]
    (review,) = found.value["review_configs"]
    assert review["action_name"] == request["name"]
    assert json.loads(json.dumps(found.value)) == found.value
    return driven


def _edited(driven: Driven) -> dict[str, Any]:
    return {**driven.state().values["architecture"], "modules": [spec("x"), spec("y")]}


APPROVALS = [
    True,
    "yes",
    "sim",
    "[ACCEPTED]",
    [{"type": "accept", "args": None}],
    {"type": "approve"},
    {"decisions": [{"type": "approve"}]},
]
EDITS = [
    lambda plan: plan,
    lambda plan: "[EDIT_PLAN] " + json.dumps(plan),
    lambda plan: [{"type": "edit", "args": {"action": "approve_architecture", "args": {"architecture": plan}}}],
    lambda plan: {"decisions": [{"type": "edit", "edited_action": {"name": "n", "args": {"architecture": plan}}}]},
]
WISHES = [
    "Fewer, please.",
    "[EDIT_PLAN] Fewer, please.",
    [{"type": "response", "args": "Fewer, please."}],
    {"decisions": [{"type": "respond", "message": "Fewer, please."}]},
    {"decisions": [{"type": "reject", "message": "Fewer, please."}]},
]
REFUSALS = [False, [{"type": "ignore", "args": None}], {"decisions": [{"type": "reject"}]}]


@pytest.mark.parametrize("answer", APPROVALS, ids=str)
def test_an_approval_builds_the_plan(start: Start, answer: Any) -> None:
    author = Author(chain(2))
    assert _asked(start, author).answer(answer)["status"] == "complete"
    assert author.calls() == ["agree m0", "assemble", "produce m0", "produce m1"]


@pytest.mark.parametrize("edit", EDITS, ids=["bare", "tagged", "inbox", "langchain"])
def test_an_edit_builds_the_edited_plan(start: Start, edit: Any) -> None:
    author = Author(chain(2))
    driven = _asked(start, author)
    assert driven.answer(edit(_edited(driven)))["status"] == "complete"
    assert author.calls() == ["assemble", "produce x", "produce y"]


@pytest.mark.parametrize("wish", WISHES, ids=["bare", "tagged", "inbox", "langchain", "reason"])
def test_a_wish_makes_another_plan_and_asks_again(start: Start, wish: Any) -> None:
    author = Author(chain(2), {"plan": [fenced(chain(2)), fenced(plan(reader("only")))]})
    driven = _asked(start, author)
    driven.answer(wish)
    (prompt,) = author.prompts("plan")
    assert "Fewer, please." in prompt
    assert '"m1"' in prompt
    assert author.calls() == ["plan"]
    (found,) = driven.state().interrupts
    (module,) = found.value["action_requests"][0]["args"]["architecture"]["modules"]
    assert module["id"] == "only"
    assert driven.answer(True)["status"] == "complete"


@pytest.mark.parametrize("refusal", REFUSALS, ids=["bare", "inbox", "langchain"])
def test_a_refusal_ends_the_run(start: Start, refusal: Any) -> None:
    author = Author(chain(2))
    driven = _asked(start, author)
    result = driven.answer(refusal)
    assert (result["status"], result["error"]["code"]) == ("failed", "rejected")
    assert driven.state().next == ()
    assert author.calls() == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"decisions": [{"type": "maybe"}]}, "was not understood"),
        ({"decisions": []}, "was not understood"),
        (17, "was not understood"),
        ("", "is empty"),
        ({"decisions": [{"type": "edit"}]}, "carries no plan"),
        ("[EDIT_PLAN] {broken", "not valid JSON"),
        ([{"type": "response", "args": None}], "carries no text"),
    ],
)
def test_an_answer_that_is_not_understood_is_asked_for_again(start: Start, answer: Any, says: str) -> None:
    author = Author(chain(2))
    driven = _asked(start, author)
    driven.answer(answer)
    (found,) = driven.state().interrupts
    (complaint,) = found.value["complaints"]
    assert says in complaint
    assert author.calls() == []
    assert driven.answer(True)["status"] == "complete"


@pytest.mark.parametrize("edit", EDITS, ids=["bare", "tagged", "inbox", "langchain"])
def test_an_edit_with_a_cycle_is_shown_back_with_the_complaints(start: Start, edit: Any) -> None:
    author = Author(chain(2))
    driven = _asked(start, author)
    architecture = driven.state().values["architecture"]
    driven.answer(edit({**architecture, "modules": CYCLE["modules"]}))
    (found,) = driven.state().interrupts
    assert any("a -> b -> a" in complaint for complaint in found.value["complaints"])
    shown = found.value["action_requests"][0]["args"]["architecture"]
    assert [module["id"] for module in shown["modules"]] == ["a", "b"]
    assert driven.state().values["architecture"] == architecture
    assert driven.answer(edit(_edited(driven)))["status"] == "complete"
    assert author.calls() == ["assemble", "produce x", "produce y"]
