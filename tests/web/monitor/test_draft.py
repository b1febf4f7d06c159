"""A plan while it is edited: references follow, faulty input is kept, drafts outlive pages."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.web.monitor.draft import MOST_DRAFTS, Card, Draft, Drafts, sort_complaints
from tests.support import plan, spec


def drafted(*modules: dict[str, Any]) -> Draft:
    return Draft(plan(*modules))


def card(draft: Draft, module: str) -> Card:
    return next(each for each in draft.cards if each.id == module)


def test_nothing_edited_is_the_plan_itself() -> None:
    proposed = plan(spec("a"), spec("b", "a"))
    draft = Draft(proposed)
    assert draft.plan == proposed
    assert not draft.is_edited
    assert draft.is_of(proposed)


def test_a_new_name_is_known_to_all_who_meant_the_old_one() -> None:
    draft = drafted(spec("a"), spec("b", "a", artifact_reads=["a"]), spec("c", "a", "b"))
    for typed in ("ax", "axe"):
        draft.rename(card(draft, "a" if typed == "ax" else "ax"), typed)
    assert [each["dependencies"] for each in draft.plan["modules"]] == [[], ["axe"], ["axe", "b"]]
    assert draft.plan["modules"][1]["artifact_reads"] == ["axe"]


def test_a_name_that_is_anothers_on_the_way_takes_nothing_from_it() -> None:
    draft = drafted(spec("a"), spec("ab"), spec("c", "a"), spec("d", "ab"))
    edited = card(draft, "a")
    for typed in ("ab", "abc", "", "x"):
        draft.rename(edited, typed)
    assert [each["dependencies"] for each in draft.plan["modules"]] == [[], [], ["x"], ["ab"]]


def test_who_is_taken_out_is_waited_for_no_longer() -> None:
    draft = drafted(spec("a"), spec("b", "a"), spec("c", "a", "b", artifact_reads=["a"]))
    draft.remove(card(draft, "a"))
    assert [each["dependencies"] for each in draft.plan["modules"]] == [[], ["b"]]
    assert draft.plan["modules"][1]["artifact_reads"] == []


def test_of_two_with_one_name_the_other_keeps_its_readers() -> None:
    draft = drafted(spec("a"), spec("a"), spec("b", "a"))
    draft.remove(draft.cards[0])
    assert draft.plan["modules"][1]["dependencies"] == ["a"]


def test_new_modules_have_names_of_their_own_and_undo_takes_them_away() -> None:
    draft = drafted(spec("a"), spec("module-2"))
    names = {draft.add().id for _ in range(3)}
    assert len(names) == 3
    assert "module-2" not in names
    assert draft.is_edited
    draft.undo()
    assert not draft.is_edited


@pytest.mark.parametrize(
    "faulty", [{}, {"modules": None}, {"modules": "x"}, {"modules": [1, None, {"id": 5, "dependencies": "a"}]}]
)
def test_what_is_no_plan_can_be_edited_into_one(faulty: dict[str, Any]) -> None:
    draft = Draft(faulty)
    added = draft.add()
    draft.rename(added, "notes")
    assert "notes" in draft.ids()
    assert draft.keys() == []


def test_a_draft_lives_until_its_proposal_does() -> None:
    drafts, first, second = Drafts(), plan(spec("a")), plan(spec("b"))
    drafts.of("t", first).add()
    assert len(drafts.of("t", first).cards) == 2
    assert len(drafts.of("other", first).cards) == 1
    assert drafts.of("t", second).ids() == ["b"]
    drafts.of("t", second).add()
    drafts.drop("t")
    assert not drafts.of("t", second).is_edited


def test_drafts_are_bounded() -> None:
    drafts = Drafts()
    for number in range(MOST_DRAFTS + 5):
        drafts.of(f"t{number}", plan(spec("a"))).add()
    assert not drafts.of("t0", plan(spec("a"))).is_edited
    assert drafts.of(f"t{MOST_DRAFTS}", plan(spec("a"))).is_edited


def test_complaints_stand_beside_the_module_that_they_name_first() -> None:
    complaints = ["module 'b' depends on 'a', which …", "the plan has no name", "the id 'x y' is malformed", "'zz'"]
    assert sort_complaints(complaints, ["a", "b", "x y"]) == {
        "b": complaints[:1],
        "": [complaints[1], complaints[3]],
        "x y": [complaints[2]],
    }
