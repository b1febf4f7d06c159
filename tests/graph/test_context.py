"""Context within a whole run: what a module's model cannot take whole is condensed for it, once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.state.fences import read_fences
from tests.graph.conftest import Start
from tests.nodes.distilling import boss_of, good
from tests.support import Author, Driven, file_block, plan, reader

# Whoever writes more than its own model could read does so in one stage: its contract would be read back to it.
PLAN = plan(reader("core", contract_first=False), reader("page", "core"), reader("end", "page"))
NAMES = ["core_api_call", "core_save", "core_load"]
#: Far below the value's tokens.
WINDOW = 4_000


def _answer(module: str, names: list[str], note: str = "") -> str:
    value = {f"{module}.api": {"functions": names, "note": note}}
    code = file_block(f"{module}.py", "\n".join(f"def {name}(): ..." for name in names))
    return f"{code}\n\n```json contract\n{json.dumps(value)}\n```"


TOLD = {"produce core": _answer("core", NAMES, "The core keeps what it is given. " * 1_800)}


def _begun(start: Start, boss: Any, **options: Any) -> tuple[Author, Driven]:
    author = Author(PLAN, dict(TOLD))
    author.model.profile = {"max_input_tokens": WINDOW}
    return author, start(author, roles={"boss": boss}, **options)


def _told(author: Author) -> str:
    (prompt,) = author.prompts("produce", "page")
    told = json.loads(read_fences(prompt)["values"])["core.api"]["condensed"]
    return str(told)


def test_a_value_larger_than_the_models_window_is_condensed(start: Start) -> None:
    boss = boss_of(good)
    author, driven = _begun(start, boss)
    assert driven.run("Do it.")["status"] == "complete"
    assert all(name in _told(author) for name in NAMES)
    page = driven.results()["page"]
    entry = page["context"]["compressed"]["values.core.api"]
    assert entry["from"] > 2 * WINDOW > 2_000 > entry["to"]
    assert entry["by"] == "object:ScriptedChatModel"
    # Asked once for both stages of the page, and counted as the page's cost.
    assert [call.module for call in boss.calls] == ["page"]
    assert page["usage"]["calls"] == 3
    assert page["usage"]["input_tokens"] > 3 * WINDOW


def test_without_a_boss_it_is_an_extract(start: Start) -> None:
    author, driven = _begun(start, "embedded")
    assert driven.run("Do it.")["status"] == "complete"
    assert all(name in _told(author) for name in NAMES)
    entry = driven.results()["page"]["context"]["compressed"]["values.core.api"]
    assert (entry["by"], entry["why"]) == ("extract", "no model has the role of boss")


def test_names_that_do_not_fit_fail_their_module_alone(start: Start) -> None:
    names = [f"core_function_number_{n}" for n in range(900)]
    author, driven = _begun(start, boss_of(good))
    author.told["produce core"] = _answer("core", names)
    assert driven.run("Do it.")["status"] == "partial"
    assert driven.statuses() == {"core": "done", "end": "blocked", "page": "failed"}
    error = driven.results()["page"]["error"]
    assert "the names in its values.core.api alone take" in error["message"]
    assert "token_budget" in error["next_step"]


@pytest.mark.parametrize("again", ["resumed", "another thread"])
def test_what_the_boss_was_paid_for_is_not_asked_again(start: Start, again: str) -> None:
    boss = boss_of(good)
    # The boss's call uses the budget up: the page stops between its package and its own call.
    _, driven = _begun(start, boss, budget_tokens=20_000 if again == "resumed" else None)
    driven.run("Do it.")
    if again == "resumed":
        assert driven.state().interrupts
        assert len(boss.calls) == 1
        result = driven.answer({"budget_tokens": 10**6})
    else:
        driven.thread = "two"
        result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert len(boss.calls) == 1
    assert driven.results()["page"]["context"]["compressed"]["values.core.api"]["reused"] is True


def test_the_boss_stops_at_the_budget_like_everybody(start: Start) -> None:
    written = [reader(module, contract_first=False) for module in ("core", "also")]
    author = Author(plan(*written, reader("page", "core", "also")), dict(TOLD))
    author.told["produce also"] = _answer("also", ["also_api_call"], "It keeps the rest. " * 3_000)
    author.model.profile = {"max_input_tokens": WINDOW}
    boss = ScriptedChatModel(script=lambda stage, module, prompt: good(prompt), latency=0.01)
    driven = start(author, roles={"boss": boss}, budget_tokens=36_000, slots=1)
    driven.run("Do it.")
    assert driven.state().interrupts
    assert len(boss.calls) == 2
    result = driven.answer({"budget_tokens": 10**6})
    assert result["status"] == "complete"
    # Both were asked for at once, and neither was cut off or asked for again.
    assert len(boss.calls) == 2
    assert set(driven.results()["page"]["context"]["compressed"]) == {"values.core.api", "values.also.api"}
