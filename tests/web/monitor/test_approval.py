"""What a run asks, and what it is answered: each answer in the form that the run takes."""

from __future__ import annotations

from typing import Any

import pytest
from nicegui import ui
from nicegui.testing.user_interaction import UserInteraction

from matrioska.nodes.approval import approval_request
from matrioska.state.approval import ask_for_review, read_decision
from matrioska.state.budget import Budget, Spent, read_raise
from tests.support import plan, spec
from tests.web.monitor.desks import FakeDesk, run_of

PLAN = plan(spec("a"), spec("b", "a"))


def desk_asking(waiting: str, question: dict[str, Any]) -> FakeDesk:
    return FakeDesk(run_of(2, status="waiting", waiting=waiting, question=question))


async def answer_of(looking_at: Any, desk: FakeDesk, *clicked: str) -> Any:
    """Click these buttons, and return what the run was told."""
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        for words in clicked:
            user.find(kind=ui.button, content=words).click()
        await user.should_see("Answered", retries=20)
    ((_, thread, decision),) = [call for call in desk.calls if call[0] == "answer"]
    assert thread == "the-run"
    return decision


async def test_a_plan_is_approved(looking_at: Any) -> None:
    told = await answer_of(looking_at, desk_asking("approval", approval_request(PLAN, [])), "Approve")
    assert read_decision(told).type == "approve"


async def test_a_plan_that_was_edited_is_sent_back_whole(looking_at: Any) -> None:
    desk = desk_asking("approval", approval_request(PLAN, []))
    told = read_decision(await answer_of(looking_at, desk, "Add a module", "Approve as edited"))
    assert told.type == "edit"
    assert told.plan is not None
    assert [module["id"] for module in told.plan["modules"]] == ["a", "b", "module-3"]


async def test_complaints_about_the_last_answer_are_shown(looking_at: Any) -> None:
    async with looking_at(desk_asking("approval", approval_request(PLAN, ["the key 'x' has no writer"]))) as user:
        await user.open("/run/the-run")
        await user.should_see("the key 'x' has no writer")


async def test_a_faulty_plan_is_not_sent(looking_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_asking("approval", approval_request(PLAN, []))

    async def check(plan: dict[str, Any], thread: str | None = None) -> list[str]:
        return ["module 'b' depends on itself"]

    monkeypatch.setattr(desk, "check_plan", check)
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        await user.should_see("1 complaint")
        user.find(kind=ui.button, content="Approve").click()
        await user.should_see("depends on itself")
    assert desk.calls == []


async def test_a_plan_is_refused_only_when_asked_twice(looking_at: Any) -> None:
    desk = desk_asking("approval", approval_request(PLAN, []))
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        asks, refuses = sorted(user.find(kind=ui.button, content="Refuse").elements, key=lambda each: -each.id)
        assert (asks.props["data-testid"], refuses.props["data-testid"]) == ("reject-button", "reject-confirm")
        UserInteraction(user, {asks}, None).click()
        assert desk.calls == []
        UserInteraction(user, {refuses}, None).click()
        await user.should_see("Answered")
    assert read_decision(desk.calls[0][2]).type == "reject"


async def test_an_edited_draft_is_there_when_the_page_is_opened_again(looking_at: Any) -> None:
    async with looking_at(desk_asking("approval", approval_request(PLAN, []))) as user:
        await user.open("/run/the-run")
        user.find(kind=ui.button, content="Add a module").click()
        await user.open("/run/the-run")
        await user.should_see("module-3")
        await user.should_see("Approve as edited")
        user.find(kind=ui.button, content="Undo all edits").click()
        await user.should_not_see("module-3")


REPAIR = ask_for_review(
    "repair",
    "repair_modules",
    {"modules": {"a": {"status": "failed", "error": {"message": "No JSON came."}}}, "architecture": PLAN},
    "Failed: a.",
    [],
)


@pytest.mark.parametrize(("clicked", "kind"), [("Try again", "approve"), ("Go on without them", "reject")])
async def test_failures_are_tried_again_or_left_out(looking_at: Any, clicked: str, kind: str) -> None:
    assert read_decision(await answer_of(looking_at, desk_asking("failures", REPAIR), clicked)).type == kind


async def test_failures_are_told_with_their_reasons(looking_at: Any) -> None:
    async with looking_at(desk_asking("failures", REPAIR)) as user:
        await user.open("/run/the-run")
        await user.should_see("a: No JSON came.")


SPENT = Spent(tokens=120, cost=0.0, calls=3, seconds=5.0)
BUDGET = ask_for_review(
    "budget",
    "raise_budget",
    {"spent": SPENT.model_dump(), **Budget(budget_tokens=100).model_dump(), "reached": ["budget_tokens"]},
    "The budget is used up.",
    [],
    ("approve", "edit", "reject"),
)


def raised(told: Any) -> Budget | None:
    return read_raise(told, Budget(budget_tokens=100), Budget(budget_tokens=100), SPENT)


async def test_a_budget_is_allowed_again(looking_at: Any) -> None:
    budget = raised(await answer_of(looking_at, desk_asking("budget", BUDGET), "Allow as much again"))
    assert budget is not None
    assert (budget.budget_tokens or 0) > SPENT.tokens


async def test_a_budget_gets_the_limits_that_were_typed(looking_at: Any) -> None:
    desk = desk_asking("budget", BUDGET)
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        field = next(each for each in user.find(ui.number).elements if each.value == 100)
        field.value = 5_000
        user.find(kind=ui.button, content="Set these limits").click()
        await user.should_see("Answered")
    budget = raised(desk.calls[0][2])
    assert budget is not None
    assert budget.budget_tokens == 5_000


async def test_an_answer_that_fails_can_be_given_again(looking_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_asking("failures", REPAIR)
    answer, tries = desk.answer, list[str]()

    async def once(thread: str, decision: dict[str, Any], question: str) -> None:
        tries.append(thread)
        if len(tries) == 1:
            raise OSError("gone")
        await answer(thread, decision, question)

    monkeypatch.setattr(desk, "answer", once)
    async with looking_at(desk) as user:
        await user.open("/run/the-run")
        user.find(kind=ui.button, content="Go on without them").click()
        await user.should_see("OSError", retries=20)
        user.find(kind=ui.button, content="Go on without them").click()
        await user.should_see("Answered", retries=20)
    assert len(tries) == 2


async def test_what_was_spent_is_written_out(looking_at: Any) -> None:
    spent = {"tokens": 50_100, "cost": 0.4212, "seconds": 33.25, "calls": 9}
    args = {"spent": spent, "budget_tokens": 50_000}
    question = ask_for_review("budget", "raise_budget", args, "The tokens are used up.", [])
    async with looking_at(desk_asking("budget", question)) as user:
        await user.open("/run/the-run")
        for amount in ("50,100", "0.4212", "33.2"):
            await user.should_see(amount)
