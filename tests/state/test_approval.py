"""The dialects in which clients answer at the plan."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.state.approval import Decision, read_decision
from matrioska.state.errors import UsageError

PLAN = {"name": "x", "modules": [{"id": "a"}]}
PLAN_JSON = '{"name": "x", "modules": [{"id": "a"}]}'

DIALECTS: list[tuple[Any, str, dict[str, Any] | None, str]] = [
    # LangChain 1.x
    ({"decisions": [{"type": "approve"}]}, "approve", None, ""),
    ({"decisions": [{"type": "reject"}]}, "reject", None, ""),
    ({"decisions": [{"type": "reject", "message": "too big"}]}, "respond", None, "too big"),
    ({"decisions": [{"type": "respond", "message": "add tests"}]}, "respond", None, "add tests"),
    ({"decisions": [{"type": "edit", "edited_action": {"name": "plan", "args": PLAN}}]}, "edit", PLAN, ""),
    ({"decisions": [{"type": "edit", "edited_action": {"args": {"architecture": PLAN}}}]}, "edit", PLAN, ""),
    # Agent Inbox
    ([{"type": "accept", "args": None}], "approve", None, ""),
    ([{"type": "ignore", "args": None}], "reject", None, ""),
    ([{"type": "response", "args": "add tests"}], "respond", None, "add tests"),
    ([{"type": "edit", "args": {"action": "plan", "args": PLAN}}], "edit", PLAN, ""),
    ([{"type": "edit", "args": PLAN_JSON}], "edit", PLAN, ""),
    ({"type": "ACCEPT"}, "approve", None, ""),
    # bare values
    (True, "approve", None, ""),
    (False, "reject", None, ""),
    ("yes", "approve", None, ""),
    (" Sim ", "approve", None, ""),
    ("no", "reject", None, ""),
    ("não", "reject", None, ""),
    ("two modules, please", "respond", None, "two modules, please"),
    (PLAN, "edit", PLAN, ""),
    (Decision(type="approve"), "approve", None, ""),
    # tagged strings
    ("[ACCEPTED]", "approve", None, ""),
    ("[accepted] thank you", "approve", None, ""),
    ("[EDIT_PLAN] use three modules", "respond", None, "use three modules"),
    (f"[EDIT_PLAN] {PLAN_JSON}", "edit", PLAN, ""),
    ("[1] is too big", "respond", None, "[1] is too big"),
]
NOT_UNDERSTOOD: list[Any] = [
    None, 1, 0, 1.5, "", "   ", [], {}, [True], {"decisions": []}, {"decisions": "approve"}, {"type": "maybe"},
    {"type": None}, [{"type": "accept"}, {"type": "accept"}], {"type": "edit"}, {"type": "edit", "args": "{broken"},
    {"type": "edit", "args": {"modules": "none"}}, {"type": "respond"}, {"type": "response", "args": {"a": 1}},
    "[EDIT_PLAN]", "[EDIT_PLAN] {broken", '[EDIT_PLAN] {"a": ' + "[" * 100_000,
    {"type": "edit", "args": '{"a": ' + "[" * 100_000},
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "plan", "text"), DIALECTS, ids=lambda value: ascii(value)[:40])
def test_every_dialect_is_understood(answer: Any, kind: str, plan: dict[str, Any] | None, text: str) -> None:
    assert read_decision(answer) == Decision(type=kind, plan=plan, text=text)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD, ids=lambda value: ascii(value)[:40])
def test_other_answers_are_refused_with_the_forms_that_count(answer: Any) -> None:
    with pytest.raises(UsageError) as refused:
        read_decision(answer)
    assert "decisions" in refused.value.next_step


def test_a_plan_wrapped_without_end_is_refused() -> None:
    answer: dict[str, Any] = {"modules": []}
    for _ in range(5_000):
        answer = {"args": answer}
    with pytest.raises(UsageError):
        read_decision({"type": "edit", **answer})
