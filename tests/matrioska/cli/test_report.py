"""What a result says, without a terminal and without a run."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.cli.report import as_json, exit_code, faults, how_to_open, next_commands, summary_lines
from matrioska.cli.text import command
from matrioska.reports import RunReport


def _report(status: str, **values: Any) -> RunReport:
    return RunReport(thread_id="one", status=status, values=values)


@pytest.mark.parametrize(
    ("status", "code"),
    [("complete", 0), ("partial", 1), ("failed", 1), ("waiting", 3), ("interrupted", 130), ("unfinished", 1)],
)
def test_exit_codes(status: str, code: int) -> None:
    assert exit_code(_report(status)) == code


def test_the_worst_comes_first_and_warnings_are_told_apart() -> None:
    report = _report(
        "partial",
        results={
            "a": {"status": "failed", "error": {"message": "No mood.", "next_step": "Wait."}},
            "b": {"status": "blocked"},
            "c": {"status": "done"},
            "d": {"status": "failed", "error": None},
        },
        findings=[
            {"module": "c", "path": "c/style.css", "message": "unused", "severity": "warning"},
            {"module": "c", "path": "", "message": "broken link"},
        ],
        error=None,
    )
    assert [(fault.message, fault.next_step, fault.warning) for fault in faults(report)] == [
        ("a failed: No mood.", "Wait.", False),
        ("d failed: no reason was given", "", False),
        ("Not begun, since what they need failed: b.", "", False),
        ("c: broken link", "", False),
        ("c/style.css: unused", "", True),
    ]


def test_every_state_that_is_not_the_end_names_the_next_command() -> None:
    assert next_commands(_report("complete"), command) == []
    for status in ("partial", "failed", "unfinished", "interrupted"):
        assert next_commands(_report(status), command) == ["matrioska resume one"]
    waiting = RunReport(thread_id="one", status="waiting", values={}, waiting=[{"kind": "repair"}])
    assert next_commands(waiting, command)[0].split("#")[1] == " try again"


def test_json_of_a_run_that_has_nothing_yet() -> None:
    found = as_json(_report("empty"), 0.0, [])
    assert found["deliverable"] is None
    assert found["modules"] == {}


def test_how_to_open_quotes_what_a_shell_would_split() -> None:
    assert how_to_open("/a b/main.py").endswith("'/a b/main.py'")
    assert how_to_open("/x/index.html").split()[-1] == "/x/index.html"


@pytest.mark.parametrize(("cost", "told"), [(0.12345, "30 tokens in 2 calls, $0.1235"), (0.0, "30 tokens in 2 calls")])
def test_what_was_spent_names_dollars_when_there_were_any(cost: float, told: str) -> None:
    usage = {"calls": 2, "input_tokens": 10, "output_tokens": 20, "cost": cost}
    assert ("🕑", "spent", told) in summary_lines(_report("complete", usage=usage), 0.0)


def _settlement(number: int) -> dict[str, Any]:
    found = {"kind": "file", "owner": "core", "winner": "page", "by": "boss", "why": "It\nfits.\x1b[31m"}
    return {f"file:core/{number}.py": {**found, "subject": f"core/{number}.py"}}


def test_what_was_settled_is_told_a_line_each_up_to_some() -> None:
    settlements = {key: found for number in range(8) for key, found in _settlement(number).items()}
    rows = summary_lines(_report("complete", settlements=settlements), 0.0)
    told = [value for _, name, value in rows if name == "settled"]
    assert told[0] == "core/0.py is page's, says the boss: It fits.[31m"
    assert told[-1] == "and 3 more: see --json"
    assert len(told) == 6
    assert len(as_json(_report("complete", settlements=settlements), 0.0, [])["settlements"]) == 8


@pytest.mark.parametrize(
    ("mended", "told"), [([], []), ([["page"], []], ["1 round"]), ([["page"], ["page"]], ["2 rounds"])]
)
def test_rounds_of_a_review_are_told(mended: list[list[str]], told: list[str]) -> None:
    reviews = [{"round": number, "mended": modules} for number, modules in enumerate(mended, start=1)]
    rows = summary_lines(_report("complete", reviews=reviews), 0.0)
    assert [value.split(" of ")[0] for _, name, value in rows if name == "review"] == told


def test_notes_are_told_last_and_spoil_nothing() -> None:
    found = faults(_report("complete", notes={"review": "The critic is out."}))
    assert [(fault.message, fault.warning) for fault in found] == [("The critic is out.", True)]
