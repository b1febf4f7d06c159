"""The second look: a critic sees the whole, and its findings go back for as long as that helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from matrioska.state.fences import read_fences
from tests.graph.conftest import DIAGONAL, Start
from tests.support import Author, Driven, fenced, file_block, plan, spec

PLAN = plan(spec("core"), spec("page", "core"), goal="Show distances in kilometres.", constraints=["One unit."])
DEFECT = "page.py counts in miles, core.py in kilometres: make it kilometres."


def findings(*messages: str, module: str = "page", path: str = "page/page.py") -> str:
    found = [{"module": module, "path": path, "message": message, "severity": "error"} for message in messages]
    return fenced({"findings": found})


def observant(prompt: str, number: int) -> str:
    """See that two modules use different units: each is right by itself."""
    files = read_fences(prompt)["files"]
    return findings(DEFECT) if "km" in files and "miles" in files else findings()


def author(critic: Any, mended: Any = None, **told: Any) -> Author:
    given = {
        "produce core": file_block("core.py", "UNIT = 'km'"),
        "produce page": file_block("page.py", "UNIT = 'miles'"),
        "mend page": mended or file_block("page.py", "UNIT = 'km'"),
        "review": critic,
    }
    return Author(PLAN, given | told)


def warnings(result: dict[str, Any]) -> list[str]:
    assert all(found["severity"] == "warning" for found in result["findings"])
    return [found["message"] for found in result["findings"]]


def reviews(driven: Driven) -> list[dict[str, Any]]:
    return list(driven.state().values.get("reviews") or [])


def text_of(result: dict[str, Any], path: str) -> str:
    return (Path(result["deliverable"]["folder"]) / path).read_text(encoding="utf-8")


def test_a_defect_between_modules_is_mended_in_one_round(start: Start) -> None:
    made = author(observant)
    driven = start(made, review_rounds=1)
    result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert result["findings"] == []
    assert "km" in text_of(result, "page/page.py")
    assert (made.asked["review"], made.asked["mend page"], made.asked["mend core"]) == (2, 1, 0)
    assert DEFECT in read_fences(made.prompts("mend", "page")[0])["complaints"]
    assert [(r["round"], len(r["findings"]), r["mended"]) for r in reviews(driven)] == [(1, 1, ["page"]), (2, 0, [])]


def test_the_critic_sees_goal_modules_whiteboard_and_files(start: Start) -> None:
    made = author(observant)
    start(made, review_rounds=1).run("Do it.")
    sections = read_fences(made.prompts("review")[0])
    assert json.loads(sections["project"])["goal"] == "Show distances in kilometres."
    assert json.loads(sections["project"])["constraints"] == ["One unit."]
    assert "page: PAGE. Build page. Files: page/page.py." in sections["modules"]
    assert json.loads(sections["whiteboard"]) == {}
    assert "path=core/core.py\nUNIT = 'km'\n" in sections["files"]
    assert "README" not in sections["files"]


def test_a_critic_that_finds_nothing_is_asked_once(start: Start) -> None:
    made = author(findings())
    driven = start(made, review_rounds=3)
    assert driven.run("Do it.")["status"] == "complete"
    assert made.asked["review"] == 1
    assert driven.state().values["usage"]["calls"] == len(made.calls())


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_rounds_are_bounded(start: Start, rounds: int) -> None:
    # Each round leaves one finding less, and every mend changes the file.
    made = author(
        lambda prompt, number: findings(*(f"Fault {n}." for n in range(9 - number))),
        lambda prompt, number: file_block("page.py", f"UNIT = {number}"),
    )
    driven = start(made, review_rounds=rounds)
    result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert (made.asked["mend page"], made.asked["review"]) == (rounds, rounds + 1)
    assert len(warnings(result)) == 8 - rounds


def test_a_stubborn_module_ends_the_rounds(start: Start) -> None:
    # It answers, and changes nothing: what did not change is not even reviewed again.
    made = author(observant, file_block("page.py", "UNIT = 'miles'"))
    driven = start(made, review_rounds=3)
    result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert (made.asked["review"], made.asked["mend page"]) == (1, 1)
    assert warnings(result) == [DEFECT]


def test_changes_that_improve_nothing_end_the_rounds(start: Start) -> None:
    made = author(observant, lambda prompt, number: file_block("page.py", f"UNIT = 'miles' * {number}"))
    driven = start(made, review_rounds=3)
    result = driven.run("Do it.")
    assert (made.asked["review"], made.asked["mend page"]) == (2, 1)
    assert warnings(result) == [DEFECT]


def test_a_round_after_which_the_checks_find_more_is_taken_back(start: Start) -> None:
    made = author(observant, file_block("page.py", "UNIT = 'km'\ndef broken(:"))
    driven = start(made, review_rounds=3, refine_rounds=1, max_mends=1)
    result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert "miles" in text_of(result, "page/page.py")
    assert warnings(result) == [DEFECT]
    assert made.asked["review"] == 1
    assert "taken back" in driven.state().values["notes"]["review"]
    # What the useless mends cost stays counted.
    assert driven.state().values["usage"]["calls"] == len(made.calls())
    assert driven.results()["page"]["usage"]["calls"] == made.asked["produce page"] + made.asked["mend page"]


@pytest.mark.parametrize("options", [{"review_rounds": 0}, {"review_rounds": 2, "roles": {"critic": "embedded"}}])
def test_without_rounds_or_without_a_critic_nobody_is_asked(start: Start, options: dict[str, Any]) -> None:
    made = author(observant)
    driven = start(made, **options)
    assert driven.run("Do it.")["status"] == "complete"
    assert made.asked["review"] == 0
    assert reviews(driven) == []


def test_a_single_module_is_not_reviewed(start: Start) -> None:
    made = Author(plan(spec("only")), {"review": observant})
    assert start(made, review_rounds=1).run("Do it.")["status"] == "complete"
    assert made.asked["review"] == 0


@DIAGONAL
def test_a_critic_that_fails_is_a_note_and_no_lost_run(start: Start) -> None:
    made = author(RuntimeError("The critic is out."))
    driven = start(made, review_rounds=1)
    result = driven.run("Do it.")
    assert result["status"] == "complete"
    assert "could not be reviewed" in driven.state().values["notes"]["review"]
    assert made.asked["review"] == 1


@DIAGONAL
@pytest.mark.parametrize(
    "raving",
    [
        "All is well!",
        "```json\n[1, 2]\n```",
        fenced({"verdict": "bad"}),
        fenced({"findings": "many"}),
        fenced({"findings": [{"module": "nobody", "message": "Bad."}]}),
        fenced({"findings": ["<b>bad</b>", 7, None, {"message": "Whose?"}]}),
        "{" * 50_000,
    ],
)
def test_a_critic_that_raves_twice_is_a_note(start: Start, raving: str) -> None:
    made = author([raving])
    driven = start(made, review_rounds=1)
    assert driven.run("Do it.")["status"] == "complete"
    assert made.asked["review"] == 2
    assert "Your last answer cannot be used" in made.prompts("review")[1]
    assert "could not be reviewed" in driven.state().values["notes"]["review"]
    assert made.asked["mend page"] == 0


@DIAGONAL
def test_ten_thousand_findings_are_bounded(start: Start) -> None:
    found = findings("x" * 2_000, *(f"Fault {n}." for n in range(9_999)))
    made = author(found, file_block("page.py", "UNIT = 1"))
    driven = start(made, review_rounds=1)
    result = driven.run("Do it.")
    assert len(warnings(result)) == 30
    assert max(map(len, warnings(result))) <= 600
    assert "9,970 beyond the first 30" in driven.state().values["notes"]["review"]
    assert len(read_fences(made.prompts("mend", "page")[0])["complaints"]) < 30 * 700


@DIAGONAL
def test_findings_on_strangers_are_left_out_and_noted(start: Start) -> None:
    found = [
        {"module": "nobody", "path": "", "message": "Bad."},
        {"module": "page", "path": "page/none.py", "message": "Bad too."},
        {"module": "page", "path": "page.py", "message": "</data>\n<b>Markup</b>\x1b[31m"},
        {"module": "", "path": "core/core.py", "message": "Whose it is, its path says.", "severity": "fatal"},
    ]
    made = author(fenced({"findings": found}), **{"mend core": file_block("core.py", "UNIT = 2")})
    driven = start(made, review_rounds=1)
    driven.run("Do it.")
    mend = made.prompts("mend", "page")[0]
    assert read_fences(mend)["complaints"] == "page/page.py: </data> <b>Markup</b>[31m"
    assert read_fences(made.prompts("mend", "core")[0])["complaints"] == "core/core.py: Whose it is, its path says."
    assert "2 on modules or files that there are not ('nobody', 'page page/none.py')" in str(
        driven.state().values["notes"]["review"]
    )


@DIAGONAL
def test_what_the_checks_found_is_shown_and_not_said_twice(start: Start) -> None:
    broken = file_block("page.py", "UNIT = 'miles'\ndef broken(:")
    made = author(lambda prompt, n: findings(read_fences(prompt)["known"].split(": ", 1)[1]), broken,
                  **{"produce page": broken})  # fmt: skip
    driven = start(made, review_rounds=2, refine_rounds=0, max_mends=0)
    result = driven.run("Do it.")
    assert result["status"] == "partial"
    assert len(result["findings"]) == 1
    assert made.asked["review"] == 1


@DIAGONAL
def test_the_checks_refine_within_their_own_bound(start: Start) -> None:
    # The mend breaks a reference, which verify sends back before the critic looks again.
    good = file_block("index.html", '<!doctype html><title>t</title><a href="b.html">b</a>')
    made = Author(
        plan(spec("a"), spec("b")),
        {
            "produce a": file_block("index.html", "<!doctype html><title>t</title>miles"),
            "mend a": [good, file_block("b.html", "<!doctype html><title>km</title>")],
            "review": lambda prompt, n: (
                findings("Kilometres.", module="a", path="") if "miles" in read_fences(prompt)["files"] else findings()
            ),
        },
    )
    driven = start(made, review_rounds=1)
    result = driven.run("Do it.")
    assert result["status"] == "complete", result["findings"]
    assert (made.asked["mend a"], made.asked["review"]) == (2, 2)


def test_a_resume_does_not_review_again(start: Start) -> None:
    made = author(observant)
    driven = start(made, review_rounds=1)
    control, script = RunControl(), made.model.script

    def stops(stage: str, module: str, prompt: str) -> Any:
        if stage == "review":
            control.request_drain("asked to")
        return script(stage, module, prompt)

    made.model.script = stops
    with pytest.raises(GraphDrained):
        driven.run("Do it.", control=control)
    made.model.script = script
    assert made.asked["review"] == 1
    assert driven.run(None)["status"] == "complete"
    assert (made.asked["review"], made.asked["mend page"]) == (2, 1)


@pytest.mark.parametrize(
    ("mended", "said"),
    [("UNIT = 'km'\ndef broken(:", [DEFECT]), ("UNIT = 'miles'", [DEFECT]), ("UNIT = 'km'", [])],
)
def test_a_round_ends_well_when_the_run_is_resumed_without_one(start: Start, mended: str, said: list[str]) -> None:
    made = author(observant, file_block("page.py", mended))
    driven = start(made, review_rounds=1, refine_rounds=0, max_mends=1)
    driven.run("Do it.", interrupt_after=["review"])
    driven.options["review_rounds"] = 0
    result = driven.run(None)
    assert result["status"] == "complete"
    assert warnings(result) == said
    assert ("miles" if said else "km") in text_of(result, "page/page.py")
    assert made.asked["review"] == 1
    assert not any(round_["before"] for round_ in reviews(driven))


@DIAGONAL
def test_a_run_sent_back_later_is_reviewed_anew(start: Start) -> None:
    made = author(observant, file_block("page.py", "UNIT = 'miles'"))
    made.plan = plan(spec("core"), spec("page"))
    driven = start(made, review_rounds=1)
    driven.run("Do it.")
    made.told |= {"produce core": "Sorry.", "mend core": "Sorry."}
    # A module that fails when it is redone is no mend of the critic's: nothing is taken back for it.
    driven.update({"results": {"core": None}}, as_node="approval")
    result = driven.run(None)
    assert result["status"] == "partial"
    assert driven.statuses() == {"core": "failed", "page": "done"}
    assert made.asked["review"] == 2


@DIAGONAL
def test_a_whole_that_is_too_large_is_shown_in_part(start: Start) -> None:
    large = "\n".join(f"VALUE_{n} = 'miles and more of them'" for n in range(3_000))
    made = author(observant, **{"produce page": file_block("page.py", large)})
    driven = start(made, review_rounds=1, token_budget=2_000)
    driven.run("Do it.")
    sections = read_fences(made.prompts("review")[0])
    assert "UNIT = 'km'" in sections["files"]
    assert "path=page/page.py" in sections["files"]
    assert len(made.prompts("review")[0]) < 12_000
    assert made.asked["mend page"] == 1


@DIAGONAL
def test_the_review_is_told_as_progress(start: Start) -> None:
    events = start(author(observant), review_rounds=1).events("Do it.")
    steps = [(event["step"], event.get("round")) for event in events if event.get("type") == "step"]
    rounds = [("execute", None), ("assemble", None), ("verify", None)]
    assert steps == [
        ("architect", None), *rounds, ("review", 1), *rounds, ("review", 2), ("deliver", None), ("remember", None)
    ]  # fmt: skip
