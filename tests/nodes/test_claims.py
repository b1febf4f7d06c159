"""Claims and disputes, without a graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.checks.wording import MAX_COMPLAINTS
from matrioska.nodes.claims import (
    claims_of,
    contested,
    disputes_of,
    feedback_on,
    reached_path,
    stray_complaints,
    too_late,
)
from matrioska.state.artifacts import ArtifactRef, SourceFile
from matrioska.state.claims import Claim
from matrioska.state.graph_state import ModuleState
from matrioska.state.results import ModuleResult

WRITERS = {"core.api": "core", "page.api": "page"}
MODULES = ("core", "page", "left")


def ref(path: str, digit: str = "a") -> ArtifactRef:
    return ArtifactRef(path=path, sha256=digit * 64, size=1)


def value(module: str, claimed: object) -> Claim:
    return Claim(kind="value", subject="core.api", owner="core", module=module, value=claimed)


def file(module: str, path: str = "core/x.py", digit: str = "b") -> Claim:
    return Claim(kind="file", subject=path, owner="core", module=module, ref=ref(path, digit))


def done(*paths: str, **values: object) -> ModuleResult:
    return ModuleResult(status="done", artifacts=[ref(path) for path in paths], values=values)


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("../core/x.py", "core/x.py"),
        ("./../core/x.py", "core/x.py"),
        ("../core/deep/x.py", "core/deep/x.py"),
        ("../page/x.py", ""),
        ("x.py", ""),
        ("core/x.py", ""),
        ("../x.py", ""),
        ("../../x/y.py", ""),
        ("../core/../x.py", ""),
        ("/core/x.py", ""),
        ("", ""),
    ],
)
def test_paths_beyond_the_own_folder(path: str, reached: str) -> None:
    assert reached_path(path, "page") == reached


@given(st.text(alphabet="./ab\\\0~:", max_size=30))
def test_what_is_reached_climbs_no_further(path: str) -> None:
    reached = reached_path(path, "page")
    assert ".." not in reached.split("/")
    if reached and not file_complaints([SourceFile(path=reached, text="x")]):
        assert not reached.startswith("/")


def test_only_what_is_another_modules_is_claimed() -> None:
    final: ModuleState = {
        "module": "page",
        "values": {"page.api": 1, "core.api": 2, "nobody": 3},
        "argument": "Because.",
    }
    files = [ref("x.py"), ref("sub/x.py"), ref("core/x.py"), ref("page/x.py"), ref("core")]
    claims = claims_of(final, files, WRITERS, MODULES)
    assert [(claim.key, claim.owner, claim.argument) for claim in claims] == [
        ("value:core.api", "core", "Because."),
        ("file:core/x.py", "core", "Because."),
    ]


@pytest.mark.parametrize("unfit", [None, "x" * 200_000])
def test_what_no_value_may_be_is_no_claim(unfit: object) -> None:
    assert claims_of({"module": "page", "values": {"core.api": unfit}}, [], WRITERS, MODULES) == []


def test_files_in_no_modules_folder_are_complained_of() -> None:
    assert stray_complaints([ref("core/x.py"), ref("nobody/x.py")], MODULES) == [
        "The path '../nobody/x.py' is refused: no module has that folder."
    ]


@pytest.mark.parametrize(
    ("claim", "owner", "claimant", "expected"),
    [
        (value("page", 2), done(**{"core.api": 1}), done(), True),
        (value("page", 1), done(**{"core.api": 1}), done(), False),
        (value("page", 2), done(**{"core.api": 1}), ModuleResult(status="failed"), False),
        (value("page", 2), ModuleResult(status="failed", values={"core.api": 1}), done(), False),
        (file("page"), done("x.py"), done(), True),
        (file("page", digit="a"), done("x.py"), done(), False),
        (file("page"), done("y.py"), done(), True),
        # In the claimant's own folder it is the shop's only where the shop has it.
        (file("page"), done("y.py"), done("core/x.py"), False),
        (file("page"), done("x.py"), done("core/x.py"), True),
    ],
)
def test_what_is_contested(claim: Claim, owner: ModuleResult, claimant: ModuleResult, expected: bool) -> None:
    assert contested(claim, {"core": owner, "page": claimant}) is expected


def test_disputes_name_every_side_once_and_the_owner_first() -> None:
    claims = [value("page", 2), file("page"), value("left", 3), file("page", digit="c")]
    results = {"core": done("x.py", **{"core.api": 1}), "page": done(), "left": done()}
    files, values = disputes_of(claims, results)
    assert [(side.module, side.value) for side in values.sides] == [("core", 1), ("left", 3), ("page", 2)]
    # What a module says last is its word.
    assert [side.ref and side.ref.sha256[0] for side in files.sides] == ["a", "c"]
    assert values.settle("left", "boss", "Because.\n" * 900).losers == ["core", "page"]
    assert len(values.settle("left", "boss", "Because.\n" * 900).why) <= 500
    with pytest.raises(KeyError):
        values.settle("stranger", "boss", "")


@pytest.mark.parametrize("path", ["core/X.py", "core/x.py/y.py"])
def test_a_path_that_cannot_stand_beside_the_owners_files_cannot_win(path: str) -> None:
    (dispute,) = disputes_of([file("page", path)], {"core": done("x.py"), "page": done()})
    assert dispute.fault == "It cannot stand beside core's file x.py."


def test_two_claims_that_cannot_both_win_are_not_both_open() -> None:
    claims = [file("page", "core/new"), file("left", "core/new/deep.py")]
    faults = [dispute.fault for dispute in disputes_of(claims, {"core": done(), "page": done(), "left": done()})]
    assert faults == ["", "It cannot stand beside core's file new."]


def test_losers_are_told_what_holds_and_why() -> None:
    results = {"core": done("x.py", **{"core.api": 1}), "page": done(), "left": done()}
    files, values = disputes_of([value("page", 2), value("left", 3), file("page")], results)
    told = feedback_on([values.settle("left", "boss", "Left knows."), files.settle("core", "owner", "")])
    assert told == {
        "core": ["The value of 'core.api' is settled: it is what left claimed: 3 (Left knows.). Make your files fit."],
        "page": [
            "The value of 'core.api' is settled: it is what left claimed: 3 (Left knows.). Make your files fit.",
            "The file ../core/x.py is settled: it is what core wrote. It belongs to core: leave it out of your answer, "
            "and make your files fit.",
        ],
    }


def test_a_long_value_is_told_in_part() -> None:
    (dispute,) = disputes_of([value("page", "x" * 5_000)], {"core": done(**{"core.api": 1}), "page": done()})
    (told,) = feedback_on([dispute.settle("page", "boss", "")])["core"]
    assert len(told) < 1_200


def test_late_claims_are_named_up_to_a_few() -> None:
    told = too_late([file("page", f"core/{n}.py") for n in range(9)])
    assert "'page on core/0.py'" in told
    assert "and 6 more" in told


def test_a_flood_of_claims_does_not_drown_who_is_told() -> None:
    results = {"core": done(), "page": done()}
    claims = [file("page", f"core/{number:04}.txt") for number in range(2_000)]
    settled = [dispute.settle("core", "owner", "") for dispute in disputes_of(claims, results)]
    told = feedback_on(settled)["page"]
    assert len(told) == MAX_COMPLAINTS + 1
    assert "../core/0000.txt is settled" in told[0]
    assert told[-1] == f"and {2_000 - MAX_COMPLAINTS} more"
    strays = stray_complaints([ref(f"nowhere/{number}.txt") for number in range(2_000)], MODULES)
    assert len(strays) == MAX_COMPLAINTS + 1
