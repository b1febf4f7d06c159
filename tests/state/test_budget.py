"""Budgets: when a limit is reached, and every way to raise it."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.state.budget import Budget, Spent, in_words, read_raise
from matrioska.state.errors import UsageError

SPENT = Spent(tokens=120, cost=2.5, seconds=30.0, calls=4)
TOKENS = Budget(budget_tokens=100)


def test_a_limit_is_reached_when_it_is_met() -> None:
    assert Budget(budget_tokens=121, budget_cost=2.6, timeout=31).reached_by(SPENT) == []
    assert Budget(budget_tokens=120, budget_cost=2.5, timeout=30).reached_by(SPENT) == [
        "budget_tokens",
        "budget_cost",
        "timeout",
    ]
    assert Budget().reached_by(SPENT) == []


@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        (True, 220),
        ("yes", 220),
        ("sim", 220),
        ({"decisions": [{"type": "approve"}]}, 220),
        ([{"type": "accept", "args": None}], 220),
        (500, 500),
        ("500", 500),
        ({"budget_tokens": 500}, 500),
        ({"budget_tokens": None}, None),
        ({"type": "edit", "args": {"budget_tokens": 500}}, 500),
        ({"decisions": [{"type": "edit", "edited_action": {"name": "x", "args": {"budget_tokens": 500}}}]}, 500),
        ([{"type": "edit", "args": {"action": "x", "args": {"budget_tokens": 500}}}], 500),
    ],
    ids=str,
)
def test_ways_to_raise(answer: Any, limit: int | None) -> None:
    assert read_raise(answer, TOKENS, TOKENS, SPENT) == Budget(budget_tokens=limit)


@pytest.mark.parametrize("answer", [False, "no", {"decisions": [{"type": "reject"}]}, [{"type": "ignore"}]], ids=str)
def test_ways_to_end(answer: Any) -> None:
    assert read_raise(answer, TOKENS, TOKENS, SPENT) is None


@pytest.mark.parametrize(
    "answer",
    ["", "more please", {}, [], None, {"budget_tokens": "many"}, {"budget_tokens": 0}, -5, {"type": "respond"}],
    ids=str,
)
def test_what_is_not_understood_says_what_is(answer: Any) -> None:
    with pytest.raises(UsageError) as found:
        read_raise(answer, TOKENS, TOKENS, SPENT)
    assert "budget_tokens" in found.value.next_step


def test_as_much_again_counts_from_now_and_only_for_what_is_used_up() -> None:
    budget = Budget(budget_tokens=100, budget_cost=50.0)
    raised = read_raise(True, budget, Budget(budget_tokens=40, budget_cost=1.0), SPENT)
    assert raised == Budget(budget_tokens=160, budget_cost=50.0)


def test_a_bare_number_needs_a_single_limit() -> None:
    both = Budget(budget_tokens=100, timeout=10)
    with pytest.raises(UsageError, match="More than one"):
        read_raise(500, both, both, SPENT)
    assert read_raise(99.5, Budget(timeout=10), Budget(timeout=10), SPENT) == Budget(timeout=99.5)


def test_in_words() -> None:
    assert in_words(Budget(budget_tokens=100, budget_cost=2.0), SPENT) == "120 of 100 tokens and 2.5 of 2 dollars"
