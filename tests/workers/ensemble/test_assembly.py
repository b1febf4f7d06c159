"""Votes on a chunk: how they are counted, and when the count may end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.state.ensemble import Chunk, NodeSpec, NodeVote
from matrioska.workers.ensemble.agreement import Meaning
from matrioska.workers.ensemble.agreement import groups as by_meaning
from matrioska.workers.ensemble.assembly import LEAST_WEIGHT, Ballot, Weighing, linear, log_odds

CHUNK = Chunk(number=1, lead="", text="What is 2 + 2?")
WEIGHINGS = pytest.mark.parametrize("weigh", [log_odds, linear])


async def same(answers: Sequence[str]) -> list[list[int]]:
    return [[place for place, other in enumerate(answers) if other == answer] for answer in dict.fromkeys(answers)]


def ballot_of(fitness: dict[str, float], **more: Any) -> Ballot:
    nodes = [NodeSpec(id=name, model_a="a", model_b="b") for name in fitness]
    return Ballot(CHUNK, nodes, fitness=fitness, **{"groups": same, **more})


def vote_of(node: str, answer: str, confidence: float = 1.0, **more: Any) -> NodeVote:
    given = {"how": "agreed" if answer else "failed", "calls": 2, **more}
    return NodeVote(node=node, chunk=1, kind="maths", answer=answer, confidence=confidence, **given)


async def test_the_heavier_answer_wins_over_the_more_frequent() -> None:
    ballot = ballot_of({"expert": 0.95, "a": 0.4, "b": 0.4})
    for node, answer in (("a", "5"), ("b", "5"), ("expert", "4")):
        await ballot.add(vote_of(node, answer))
    found = ballot.result()
    assert (found.answer, found.nodes, found.early, found.error) == ("4", ["expert"], False, "")
    assert 0.5 < found.confidence < 1.0
    assert [vote.node for vote in found.votes] == ["expert", "a", "b"], "in the order of asking"
    assert found.votes[0].weight == pytest.approx(log_odds(0.95, 1.0))
    assert found.votes[0].fitness == 0.95


async def test_confidence_weighs() -> None:
    ballot = ballot_of({"a": 0.7, "b": 0.7})
    await ballot.add(vote_of("a", "4", 0.3))
    await ballot.add(vote_of("b", "5", 0.9))
    assert ballot.result().answer == "5"
    assert ballot.result().confidence == pytest.approx(0.75)


def test_log_odds_reward_the_sure_more_than_fitness_itself_does() -> None:
    assert log_odds(0.9, 1.0) / log_odds(0.6, 1.0) > linear(0.9, 1.0) / linear(0.6, 1.0)
    assert log_odds(0.0, 1.0) == LEAST_WEIGHT, "no answer counts against itself"
    assert log_odds(1.0, 1.0) < 6.0
    assert log_odds(0.8, 0.5) == pytest.approx(log_odds(0.8, 1.0) / 2)


async def test_who_failed_or_was_cancelled_counts_nothing() -> None:
    ballot = ballot_of({"a": 0.9, "b": 0.9, "c": 0.5})
    await ballot.add(vote_of("a", "", error="no server"))
    await ballot.add(vote_of("b", "4", how="cancelled", calls=0))
    assert not ballot.decided
    await ballot.add(vote_of("c", "5"))
    assert ballot.decided
    assert (ballot.result().answer, ballot.result().confidence) == ("5", 1.0)
    assert [vote.weight for vote in ballot.result().votes[:2]] == [0.0, 0.0]


async def test_no_answer_is_an_error_and_no_blank_success() -> None:
    ballot = ballot_of({"a": 0.9, "b": 0.9})
    await ballot.add(vote_of("a", "", error="no server"))
    await ballot.add(vote_of("b", "  \n", how="agreed"))
    found = ballot.result()
    assert (found.answer, found.confidence, found.nodes) == ("", 0.0, [])
    assert found.error == "a: no server; b: no answer"
    assert ballot_of({}).result().error == "no node was asked"


async def test_answers_without_confidence_are_answers() -> None:
    ballot = ballot_of({"a": 0.9, "b": 0.9, "c": 0.9})
    for node, answer in (("a", "5"), ("b", "4"), ("c", "4")):
        await ballot.add(vote_of(node, answer, 0.0))
    assert (ballot.result().answer, ballot.result().confidence) == ("4", 0.0)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_of_equals_the_first_asked_wins_whoever_came_first(order: tuple[str, str]) -> None:
    ballot = ballot_of({"a": 0.7, "b": 0.7})
    for node in order:
        await ballot.add(vote_of(node, f"from {node}"))
    assert ballot.result().answer == "from a"


async def test_it_ends_when_the_rest_cannot_change_it_and_never_on_a_tie() -> None:
    ballot = ballot_of(dict.fromkeys("abcd", 0.7))
    await ballot.add(vote_of("c", "4"))
    await ballot.add(vote_of("d", "4"))
    assert not ballot.decided, "the other two could make it a tie, and be the first"
    await ballot.add(vote_of("b", "4"))
    assert ballot.decided
    await ballot.add(vote_of("a", "", how="cancelled", calls=0))
    found = ballot.result(early=True)
    assert (found.answer, found.early, found.saved_calls) == ("4", True, 2)


async def test_what_was_saved_is_what_was_not_called() -> None:
    ballot = ballot_of(dict.fromkeys("abcdefg", 0.7))
    for node in "abcd":
        await ballot.add(vote_of(node, "4"))
    await ballot.add(vote_of("e", "", how="cancelled", calls=1))
    await ballot.add(vote_of("f", "", how="cancelled", calls=3))
    assert ballot.outstanding == ["g"]
    assert ballot.result(early=True).saved_calls == 3
    assert ballot.result().saved_calls == 0


async def test_a_node_has_one_vote_and_only_if_it_was_asked() -> None:
    ballot = ballot_of({"a": 0.7})
    await ballot.add(vote_of("a", "4"))
    for node in ("a", "stranger"):
        with pytest.raises(ValueError, match="has no vote"):
            await ballot.add(vote_of(node, "5"))


answers = st.sampled_from(["4", "5", "6", ""])
ballots = st.lists(st.tuples(answers, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=7)


@WEIGHINGS
@given(cast=ballots, data=st.data())
async def test_an_early_end_never_changes_the_answer(
    weigh: Weighing, cast: list[tuple[str, float, float]], data: st.DataObject
) -> None:
    names = [f"n{place}" for place in range(len(cast))]
    fitness = {name: each[2] for name, each in zip(names, cast, strict=True)}
    votes = [vote_of(name, answer, sure) for name, (answer, sure, _) in zip(names, cast, strict=True)]
    in_order = ballot_of(fitness, weigh=weigh)
    for vote in votes:
        await in_order.add(vote)
    ballot = ballot_of(fitness, weigh=weigh)
    early: list[str] = []
    for vote in data.draw(st.permutations(votes)):
        await ballot.add(vote)
        if ballot.decided:
            early.append(ballot.result(early=True).answer)
    assert set(early) == {ballot.result().answer} == {in_order.result().answer}
    assert ballot.result() == in_order.result(), "the order of arrival leaves no trace"


async def _loosely(answers: Sequence[str]) -> list[list[int]]:
    """Group numbers no more than 1 apart, the last first: what is alike is not transitive, and groups divide."""
    groups: list[list[int]] = []
    for place in reversed(range(len(answers))):
        near = [g for g in groups if all(abs(int(answers[place]) - int(answers[other])) <= 1 for other in g)]
        if near:
            near[0].append(place)
        else:
            groups.append([place])
    return groups


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), min_size=1, max_size=7))
async def test_nor_does_it_where_meaning_is_compared(cast: list[tuple[int, float]]) -> None:
    ballot = ballot_of({f"n{place}": 0.7 for place in range(len(cast))}, groups=_loosely)
    early: set[frozenset[str]] = set()
    for place, (answer, sure) in enumerate(cast):
        await ballot.add(vote_of(f"n{place}", str(answer), sure))
        if ballot.decided:
            early.add(frozenset(ballot.result(early=True).nodes[:1]))
    whole = ballot.result().nodes
    assert all(nodes <= set(whole) for nodes in early)


async def test_it_counts_what_agreement_takes_for_equal() -> None:
    ballot = ballot_of(dict.fromkeys("abc", 0.7), groups=partial(by_meaning, meaning=Meaning()))
    for node, answer in (("a", "1000"), ("b", "999"), ("c", "The answer is **1,000**.")):
        await ballot.add(vote_of(node, answer))
    assert ballot.result().nodes == ["a", "c"]


async def test_with_a_risk_it_may_end_sooner() -> None:
    names = [f"n{place}" for place in range(12)]
    exact, risky = (ballot_of(dict.fromkeys(names, 0.85), risk=risk) for risk in (0.0, 0.05))
    ends: dict[str, int] = {}
    for heard, name in enumerate(names, 1):
        for which, ballot in (("exact", exact), ("risky", risky)):
            await ballot.add(vote_of(name, "4"))
            if ballot.decided:
                ends.setdefault(which, heard)
    assert ends["risky"] < ends["exact"] == 7


async def test_a_risk_of_nothing_but_noise_is_none() -> None:
    ballot = ballot_of(dict.fromkeys("abcdef", 0.4), risk=0.05)
    await ballot.add(vote_of("a", "4"))
    assert not ballot.decided


async def test_agreement_is_with_the_others_alone() -> None:
    ballot = ballot_of({"loud": 0.99, "a": 0.6, "b": 0.6, "c": 0.6})
    await ballot.add(vote_of("loud", "5", seconds=1.5))
    for node in "abc":
        await ballot.add(vote_of(node, "4"))
    assert ballot.result().answer == "5"
    found = {reward.node: reward for reward in ballot.rewards()}
    assert found["loud"].right == 0.0, "its own weight confirms nothing"
    assert found["loud"].evidence == "agreement"
    assert found["loud"].seconds == 1.5
    assert found["a"].right == 0.0, "without it the loud one decides"


async def test_two_answers_tell_nothing_and_a_failure_something() -> None:
    ballot = ballot_of({"a": 0.7, "b": 0.7, "c": 0.7, "d": 0.7})
    await ballot.add(vote_of("a", "4"))
    await ballot.add(vote_of("b", "5"))
    await ballot.add(vote_of("c", "", error="no server"))
    await ballot.add(vote_of("d", "", how="cancelled"))
    assert [(reward.node, reward.right, reward.evidence) for reward in ballot.rewards()] == [("c", 0.0, "failure")]


async def test_where_the_others_are_divided_nobody_is_judged_by_them() -> None:
    ballot = ballot_of(dict.fromkeys("abc", 0.7))
    for node, answer in (("a", "4"), ("b", "5"), ("c", "6")):
        await ballot.add(vote_of(node, answer))
    assert ballot.rewards() == []
