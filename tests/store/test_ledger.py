"""The ledger: what is spent stays written down, whatever dies in between."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from matrioska.state.budget import Budget
from matrioska.state.errors import StoreError
from matrioska.store.ledger import Ledger


def _call(ledger: Ledger, tokens: int = 10, seconds: float = 1.0) -> None:
    ledger.call(tokens=tokens, cost=0.25, seconds=seconds, model="embedded")


@pytest.mark.parametrize("deferred", [False, True])
def test_what_was_spent_is_there_for_the_next_who_opens_it(tmp_path: Path, deferred: bool) -> None:
    path = tmp_path / "ledgers" / "one.jsonl"
    for number in range(1, 4):
        ledger = Ledger(path, deferred=deferred)
        _call(ledger, seconds=number * 2.0)
    found = Ledger(path, deferred=deferred).spent
    assert (found.tokens, found.cost, found.calls, found.seconds) == (30, 0.75, 3, 6.0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_a_kill_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    _call(Ledger(path))
    with path.open("ab") as file:
        file.write(b'{"kind":"call","tok')
    _call(Ledger(path))
    assert Ledger(path).spent.calls == 2


def test_a_wish_counts_once_and_another_one_replaces_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "one.jsonl")
    ledger.ask_for(Budget())
    assert not (tmp_path / "one.jsonl").exists()
    ledger.ask_for(Budget(budget_tokens=100))
    ledger.pause("task")
    ledger.answer("task", 0, Budget(budget_tokens=500))
    ledger.ask_for(Budget(budget_tokens=100))
    assert ledger.budget == Budget(budget_tokens=500)
    ledger.ask_for(Budget(budget_tokens=50))
    again = Ledger(tmp_path / "one.jsonl")
    assert (again.budget, again.first) == (Budget(budget_tokens=50), Budget(budget_tokens=100))
    assert again.pauses("task") == [True]


def test_who_ends_a_run_ends_it_until_other_limits_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    ledger = Ledger(path)
    ledger.ask_for(Budget(budget_tokens=1))
    ledger.pause("task")
    ledger.answer("task", 0, None)
    assert Ledger(path).ended
    ledger.ask_for(Budget(budget_tokens=2))
    assert not Ledger(path).ended


def test_answers_that_were_lost_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    ledger = Ledger(path)
    for number in range(3):
        ledger.pause("task")
        ledger.answer("task", number, Budget(budget_tokens=10 * (number + 1)))
    ledger.forget("task", 2)
    assert Ledger(path).pauses("task") == [True]
    assert Ledger(path).budget == Budget(budget_tokens=30)


@pytest.mark.parametrize("deferred", [False, True])
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, deferred: bool) -> None:
    (tmp_path / "ledgers").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="Cannot write"):
        Ledger(tmp_path / "ledgers" / "one.jsonl", deferred=deferred)
