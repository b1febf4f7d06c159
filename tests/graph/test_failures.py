"""Failures stay inside their module; a person decides; a resume runs only what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Command

from matrioska.state.errors import ModelError
from tests.graph.conftest import DIAGONAL, Start
from tests.support import Author, Driven, chain, fenced, file_block, good_answer, plan, reader, spec

pytestmark = DIAGONAL

REFUSED = ModelError("no such model", next_step="Choose another.")
# Values known only at the end, so that a failure is one of the values' writer.
FIVE = plan(
    spec("alone"),
    reader("base", contract_first=False),
    reader("broken", "base", contract_first=False),
    spec("next", "broken"),
    spec("other", "base"),
)


def _five(*failures: Any) -> Author:
    return Author(FIVE, {"produce broken": list(failures)} if failures else {})


def test_one_failing_module_leaves_the_others_and_blocks_only_what_depends_on_it(start: Start) -> None:
    author = Author(plan(*(spec(f"m{n}") for n in range(5))), {"produce m2": REFUSED})
    driven = start(author)
    result = driven.run("Do it.")
    assert result["status"] == "partial"
    assert driven.statuses() == {"m0": "done", "m1": "done", "m2": "failed", "m3": "done", "m4": "done"}
    kept = {file["path"].split("/")[0] for file in result["deliverable"]["files"]} - {"README.md"}
    assert kept == {"m0", "m1", "m3", "m4"}
    error = driven.results()["m2"]["error"]
    assert (error["code"], error["retryable"], error["next_step"]) == ("model", False, "Choose another.")


def test_the_blocked_name_what_blocks_them_and_a_retry_runs_only_those(start: Start) -> None:
    author = _five(REFUSED, "")
    del author.told["produce broken"]
    author.told["produce broken"] = lambda prompt, n: REFUSED if n == 1 else good_answer("produce", "broken", prompt)
    driven = start(author)
    assert driven.run("Do it.")["status"] == "partial"
    results = driven.results()
    assert driven.statuses() == {
        "alone": "done", "base": "done", "broken": "failed", "next": "blocked", "other": "done",
    }  # fmt: skip
    assert results["next"]["blocked_by"] == ["broken"]
    author.calls()
    driven.update({}, as_node="approval")
    assert driven.run(None)["status"] == "complete"
    assert author.calls() == ["assemble", "produce broken", "produce next"]


def test_blocked_names_reach_through_several_modules(start: Start) -> None:
    author = Author(
        plan(spec("a"), spec("b", "a"), spec("c", "b"), spec("z"), spec("d", "c", "z")), {"produce a": REFUSED}
    )
    author.told["produce z"] = REFUSED
    driven = start(author)
    driven.run("Do it.")
    blocked = {module: result["blocked_by"] for module, result in driven.results().items()}
    assert blocked == {"a": [], "b": ["a"], "c": ["a"], "d": ["a", "z"], "z": []}


def test_all_failing_is_failed_and_delivers_nothing(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b")), {"produce a": REFUSED, "produce b": REFUSED})
    driven = start(author)
    result = driven.run("Do it.")
    assert result["status"] == "failed"
    assert result["deliverable"]["files"] == []
    assert author.model.count("assemble") == 0


def test_promised_values_outlive_the_failure_of_the_files(start: Start) -> None:
    author = Author(chain(2))
    author.told["produce m0"] = lambda prompt, n: REFUSED if n == 1 else good_answer("produce", "m0", prompt)
    driven = start(author)
    driven.run("Do it.")
    assert driven.statuses() == {"m0": "failed", "m1": "done"}
    author.calls()
    driven.update({}, as_node="approval")
    assert driven.run(None)["status"] == "complete"
    # m0 agrees on the same as before, so what m1 was built on still holds.
    assert author.calls() == ["assemble", "produce m0"]


def test_a_module_that_cannot_agree_fails_once_and_blocks(start: Start) -> None:
    author = Author(chain(2), {"agree m0": REFUSED})
    driven = start(author)
    driven.run("Do it.")
    results = driven.results()
    assert driven.statuses() == {"m0": "failed", "m1": "blocked"}
    assert results["m0"]["error"]["message"] == "no such model"
    assert results["m1"]["blocked_by"] == ["m0"]


def test_an_unexpected_error_is_contained_too(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b")), {"produce a": ZeroDivisionError("oops")})
    driven = start(author)
    assert driven.run("Do it.")["status"] == "partial"
    assert driven.results()["a"]["error"]["code"] == "model"


# -- a person decides ----------------------------------------------------------------------


def _asked(start: Start, author: Author) -> Driven:
    driven = start(author, approval="ask")
    driven.run("Do it.")
    driven.answer(True)
    (found,) = driven.state().interrupts
    assert found.value["kind"] == "repair"
    assert found.value["action_requests"][0]["args"]["modules"]["broken"]["error"]["message"] == "no such model"
    author.calls()
    return driven


DIALECTS = {
    "langchain": {
        "retry": {"decisions": [{"type": "approve"}]},
        "hint": {"decisions": [{"type": "respond", "message": "Use less."}]},
        "skip": {"decisions": [{"type": "reject"}]},
        "edit": lambda plan: {"decisions": [{"type": "edit", "edited_action": {"name": "x", "args": plan}}]},
    },
    "inbox": {
        "retry": [{"type": "accept", "args": None}],
        "hint": [{"type": "response", "args": "Use less."}],
        "skip": [{"type": "ignore", "args": None}],
        "edit": lambda plan: [{"type": "edit", "args": {"action": "x", "args": plan}}],
    },
    "bare": {"retry": True, "hint": "Use less.", "skip": False, "edit": lambda plan: plan},
    "tagged": {
        "retry": "[ACCEPTED]",
        "hint": "[EDIT_PLAN] Use less.",
        "skip": False,
        "edit": lambda plan: "[EDIT_PLAN] " + fenced(plan).removeprefix("```json\n").removesuffix("\n```"),
    },
}


def _fails_once() -> Author:
    author = _five()
    author.told["produce broken"] = lambda prompt, n: REFUSED if n == 1 else good_answer("produce", "broken", prompt)
    return author


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_person_retries(start: Start, dialect: str) -> None:
    author = _fails_once()
    driven = _asked(start, author)
    assert driven.answer(DIALECTS[dialect]["retry"])["status"] == "complete"
    assert author.calls() == ["assemble", "produce broken", "produce next"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_person_gives_a_hint_and_only_the_failed_module_gets_it(start: Start, dialect: str) -> None:
    author = _fails_once()
    driven = _asked(start, author)
    assert driven.answer(DIALECTS[dialect]["hint"])["status"] == "complete"
    (prompt,) = author.prompts("produce", "broken")
    assert "Use less." in prompt
    (prompt,) = author.prompts("produce", "next")
    assert "Use less." not in prompt
    assert author.calls() == ["assemble", "produce broken", "produce next"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_person_edits_the_plan(start: Start, dialect: str) -> None:
    author = _fails_once()
    driven = _asked(start, author)
    modules = [m for m in driven.state().values["architecture"]["modules"] if m["id"] not in ("broken", "next")]
    edited = {**driven.state().values["architecture"], "modules": [*modules, spec("instead", "base")]}
    assert driven.answer(DIALECTS[dialect]["edit"](edited))["status"] == "complete"
    assert author.calls() == ["assemble", "produce instead"]
    assert set(driven.results()) == {"alone", "base", "other", "instead"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_person_goes_on_without(start: Start, dialect: str) -> None:
    author = _fails_once()
    driven = _asked(start, author)
    assert driven.answer(DIALECTS[dialect]["skip"])["status"] == "partial"
    assert author.calls() == ["assemble"]


def test_a_faulty_edit_is_asked_for_again_with_the_complaints(start: Start) -> None:
    driven = _asked(start, _fails_once())
    architecture = driven.state().values["architecture"]
    cyclic = {
        **architecture,
        "modules": [{**m, "dependencies": ["next"]} if m["id"] == "base" else m for m in architecture["modules"]],
    }
    driven.answer(cyclic)
    (found,) = driven.state().interrupts
    assert any("cycle" in complaint for complaint in found.value["complaints"])
    assert driven.answer("accept")["status"] == "complete"


def test_a_retry_that_fails_again_asks_again(start: Start) -> None:
    author = _five(REFUSED)
    driven = _asked(start, author)
    driven.answer(True)
    (found,) = driven.state().interrupts
    assert found.value["kind"] == "repair"
    assert author.calls() == ["produce broken"]


# -- mending -------------------------------------------------------------------------------


def test_an_unusable_answer_is_sent_back_with_the_exact_complaint(start: Start) -> None:
    author = Author(
        plan(spec("a"), spec("b")), {"produce a": "I would rather chat.", "mend a": file_block("a.txt", "A")}
    )
    driven = start(author)
    assert driven.run("Do it.")["status"] == "complete"
    (prompt,) = author.prompts("mend", "a")
    assert "I would rather chat." in prompt
    assert "The answer holds no file." in prompt
    assert driven.results()["a"]["mends"] == 1


@pytest.mark.parametrize("mends", [0, 1, 2])
def test_mends_are_bounded_and_the_raw_answer_is_kept(start: Start, mends: int) -> None:
    author = Author(plan(spec("a"), spec("b")), {"produce a": "Sorry.", "mend a": "Still sorry."})
    driven = start(author, max_mends=mends)
    assert driven.run("Do it.")["status"] == "partial"
    assert author.model.count("mend", "a") == mends
    error = driven.results()["a"]["error"]
    assert error["code"] == "contract"
    assert error["raw_answer"] == ("Still sorry." if mends else "Sorry.")


def test_missing_values_can_be_mended_by_themselves(start: Start) -> None:
    author = Author(
        plan(reader("a", contract_first=False), reader("b", "a")),
        {
            "produce a": file_block("a.txt", "call"),
            "mend a": '```json contract\n{"a.api": {"functions": ["call"]}}\n```',
        },
    )
    driven = start(author)
    assert driven.run("Do it.")["status"] == "complete"
    assert driven.results()["a"]["values"] == {"a.api": {"functions": ["call"]}}
    assert [file["path"] for file in driven.results()["a"]["artifacts"]] == ["a.txt"]


def test_files_without_their_values_are_no_success_even_if_the_mend_is_rubbish(start: Start) -> None:
    author = Author(
        plan(reader("a", contract_first=False), reader("b", "a")),
        {"produce a": file_block("a.txt", "A"), "mend a": "Sorry."},
    )
    driven = start(author)
    driven.run("Do it.")
    assert driven.statuses() == {"a": "failed", "b": "blocked"}


def test_a_contract_that_is_not_kept_is_reported_as_a_finding(start: Start) -> None:
    author = Author(chain(2), {"produce m0": file_block("m0.py", "x = 1"), "mend m0": file_block("m0.py", "x = 2")})
    driven = start(author)
    result = driven.run("Do it.")
    assert result["status"] == "partial"
    assert driven.statuses() == {"m0": "done", "m1": "done"}
    assert any(found["module"] == "m0" and "m0_api_call" in found["message"] for found in result["findings"])


# -- refinement across modules -------------------------------------------------------------

_LINKS = "# A\n\n[there](../b/missing.md)"
_PAGES = plan(spec("a"), spec("b"), spec("c", artifact_reads=["a"]))


def test_a_reference_that_does_not_resolve_goes_back_to_its_module(start: Start) -> None:
    author = Author(_PAGES, {"produce a": file_block("a.md", _LINKS), "mend a": file_block("a.md", "# A")})
    driven = start(author)
    assert driven.run("Do it.")["status"] == "complete"
    (prompt,) = author.prompts("mend", "a")
    assert "missing.md" in prompt
    assert _LINKS in prompt
    # c reads a's files, which are others now; b has nothing to do with it.
    assert [author.asked[f"produce {module}"] for module in "abc"] == [1, 1, 2]


def test_a_mend_that_fails_changes_nothing_and_blocks_nobody(start: Start) -> None:
    author = Author(_PAGES, {"produce a": file_block("a.md", _LINKS), "mend a": REFUSED})
    driven = start(author)
    result = driven.run("Do it.")
    assert result["status"] == "partial"
    assert driven.statuses() == {"a": "done", "b": "done", "c": "done"}
    assert author.asked["produce c"] == 1
    assert any("missing.md" in found["message"] for found in result["findings"])


def test_a_mend_cannot_change_values_that_others_were_built_on(start: Start) -> None:
    changed = '```json contract\n{"a.api": {"functions": ["other"]}}\n```'
    author = Author(
        plan(reader("a"), reader("b", "a")),
        {
            "produce a": lambda prompt, n: good_answer("produce", "a", prompt) + "\n\n" + file_block("a.md", _LINKS),
            "mend a": file_block("a.md", "# A") + "\n\n" + changed,
        },
    )
    driven = start(author)
    assert driven.run("Do it.")["status"] == "complete"
    assert driven.results()["a"]["values"] == {"a.api": {"functions": ["a_api_call"], "note": ""}}
    assert author.asked["produce b"] == 1


@pytest.mark.parametrize("approval", ["auto", "ask"])
def test_a_refinement_leaves_alone_what_was_given_up(start: Start, approval: str) -> None:
    author = Author(
        plan(spec("a"), spec("b"), spec("broken"), spec("after", "broken")),
        {"produce a": file_block("a.md", _LINKS), "mend a": file_block("a.md", "# A"), "produce broken": REFUSED},
    )
    driven = start(author, approval=approval)
    driven.run("Do it.")
    if approval == "ask":
        driven.answer(True)
        driven.answer(False)
    assert driven.state().next == ()
    assert driven.state().values["status"] == "partial"
    assert driven.state().values["findings"] == []
    assert driven.statuses() == {"a": "done", "after": "blocked", "b": "done", "broken": "failed"}
    assert author.asked["produce broken"] == 1
    assert author.asked["mend a"] == 1


def test_a_done_module_is_mended_although_its_predecessor_was_given_up(start: Start) -> None:
    author = Author(
        plan(reader("a"), reader("b", "a", shared_state_writes=[])),
        {"produce a": REFUSED, "produce b": file_block("b.md", _LINKS), "mend b": file_block("b.md", "# B")},
    )
    driven = start(author)
    driven.run("Do it.")
    assert driven.statuses() == {"a": "failed", "b": "done"}
    assert author.asked["mend b"] == 1
    assert driven.state().values["findings"] == []


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_refinement_is_bounded(start: Start, rounds: int) -> None:
    def still(prompt: str, n: int) -> str:
        return file_block("a.md", _LINKS + ".")

    many = "\n".join(f"[x](no{n}.md)" for n in range(5))

    def fewer(prompt: str, n: int) -> str:
        return file_block("a.md", "\n".join(many.splitlines()[n:]))

    author = Author(plan(spec("a"), spec("b")), {"produce a": file_block("a.md", many), "mend a": fewer})
    driven = start(author, refine_rounds=rounds)
    assert driven.run("Do it.")["status"] == "partial"
    assert author.model.count("mend", "a") == rounds


def test_a_refinement_that_does_not_help_is_not_repeated(start: Start) -> None:
    author = Author(
        plan(spec("a"), spec("b")), {"produce a": file_block("a.md", _LINKS), "mend a": file_block("a.md", _LINKS)}
    )
    driven = start(author, refine_rounds=5)
    assert driven.run("Do it.")["status"] == "partial"
    assert author.model.count("mend", "a") == 1


def test_an_answer_is_needed_to_resume(start: Start) -> None:
    driven = _asked(start, _fails_once())
    with pytest.raises(Exception, match="The answer is empty"):
        driven.run(Command(resume={}))
    with pytest.raises(Exception, match="The answer is empty"):
        driven.run(Command(resume=None))
