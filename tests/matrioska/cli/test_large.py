"""Plans of many modules on the terminal: a summary that fits the screen, the whole on request."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from matrioska.cli.plan_view import MOST_ROWS, is_large, show_plan, show_repair, show_standing
from matrioska.cli.resume import check_module
from matrioska.i18n import told
from matrioska.state.architecture import Architecture
from matrioska.state.errors import ModelError, UsageError
from tests.portuguese import speaking
from tests.support import Author, chain, plan, reader


def _request(**args: Any) -> dict[str, Any]:
    return {"kind": "approval", "action_requests": [{"args": args}]}


def _shown(show: Any, request: dict[str, Any], width: int = 80) -> list[str]:
    console = Console(file=StringIO(), width=width, height=24, force_terminal=True, color_system=None, emoji=False)
    show(console, request)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_a_large_plan_is_approved_by_its_layers_and_viewed_whole_on_request(terminal) -> None:
    ran = terminal(
        *("run", "Do it.", "--thread", "one"),
        **{"columns": 80, "lines": 24, "CHILD_AUTHOR": "chain", "CHILD_MODULES": "70", "PAGER": "cat"},
    )
    ran.wait_for("(70 modules)")
    ran.wait_for("… and 58 more layers")
    assert "m69" not in ran.screen
    ran.wait_for("[v]iew every module")
    ran.type("v\r")
    ran.wait_for("m69.api")
    ran.wait_for("[v]iew every module")
    ran.type("later\r")
    assert ran.end() == 3


def test_a_summary_fits_the_screen_and_breaks_no_line() -> None:
    wide = plan(*(reader(f"a-module-with-a-long-name-{n}") for n in range(400)))
    for large in (chain(1_000), wide):
        shown = _shown(show_plan, _request(architecture=large))
        assert len(shown) <= 20
        assert all(len(row) <= 80 for row in shown)
    assert "and 399 more  (side by side)" in shown[-1]


def test_a_plan_that_a_screen_can_take_is_shown_whole() -> None:
    shown = "\n".join(_shown(show_plan, _request(architecture=chain(MOST_ROWS)), width=120))
    assert shown.count("m59.api") == 1
    assert "more layers" not in shown


def test_a_large_run_is_shown_by_what_is_not_done_and_whole_on_request_or_in_a_pipe(cli, terminal) -> None:
    waiting = cli("run", "Do it.", "--thread", "one", author=Author(chain(70)))
    assert waiting.code == 3
    rows = [row.split()[:2] for row in cli("show", "one").out.splitlines()]
    assert sum(row[0] == "·" for row in rows if row) == 70
    size = {"columns": 80, "lines": 24}
    shown = terminal("show", "one", **size)
    assert shown.end() == 0
    assert "… and 10 more modules: --all shows them" in shown.screen
    assert ("m59.api" in shown.screen, "m60.api" in shown.screen) == (True, False)
    every = terminal("show", "one", "--all", **size)
    assert every.end() == 0
    assert "m69.api" in every.screen
    assert "--all" not in every.screen


def test_of_a_large_run_what_went_wrong_comes_before_what_waits() -> None:
    results = {f"m{n}": {"status": "done"} for n in range(900)} | {"m900": {"status": "failed"}}
    console = Console(file=StringIO(), width=80, color_system=None)
    show_standing(console, Architecture.model_validate(chain(1_000)), results, whole=False)
    assert isinstance(console.file, StringIO)
    rows = console.file.getvalue().splitlines()
    assert rows[1].split()[:2] == ["✗", "m900"]
    assert rows[3].split()[:2] == ["·", "m901"]
    assert "… and 940 more modules: --all shows them" in rows
    assert len(rows) < 140


def test_a_large_run_that_is_done_is_told_by_its_number() -> None:
    results = {f"m{n}": {"status": "done"} for n in range(1_000)}
    console = Console(file=StringIO(), width=80, color_system=None)
    show_standing(console, Architecture.model_validate(chain(1_000)), results, whole=False)
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().startswith("1,000 modules: --all shows them\n")


def test_of_a_large_plan_a_complaint_names_some_modules() -> None:
    known = [f"m{n}" for n in range(1_000)]
    with pytest.raises(UsageError) as refused:
        check_module("m9999", known)
    assert refused.value.next_step.endswith("m58, m59 and 940 more.")
    with speaking():
        assert told(refused.value.next_step).endswith("m58, m59 e mais 940.")


def test_what_is_no_plan_is_shown_as_it_is_and_not_offered_as_a_table() -> None:
    request = _request(architecture={"modules": [7] * 100})
    assert not is_large(request)
    assert "cannot be shown as a table: {'modules'" in _shown(show_plan, request)[0]


def test_of_many_failed_modules_the_first_are_named_and_the_rest_counted() -> None:
    error = {"message": ModelError("No mood.").message, "next_step": ""}
    failed = {f"m{n}": {"status": "failed", "error": error} for n in range(MOST_ROWS + 40)}
    shown = _shown(show_repair, _request(modules=failed))
    assert sum("No mood." in row for row in shown) == MOST_ROWS
    assert shown[-1].strip() == "… and 40 more modules"
