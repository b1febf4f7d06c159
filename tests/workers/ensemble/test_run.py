"""The run: parts in their order, votes as they come, an early end, and never a blank answer or a hang."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.meter import CallRecord, metered
from matrioska.state.ensemble import MAX_QUERY, Chunk
from matrioska.state.errors import BudgetError, EnsembleError, EnsembleTimeoutError, ModelError, TaskError
from matrioska.store.fitness import FitnessBook
from matrioska.workers.ensemble.asked import Assignment
from matrioska.workers.ensemble.run import Ensemble, bounded
from tests.voters import CHAINED, THREE, Voters, asked

DOWN = ModelError("Nothing listens there.")


def _ensemble(voters: Voters, **fields: Any) -> Ensemble:
    return Ensemble(voters.topology(**fields), find=voters.find, seed=1)


async def test_every_part_is_answered_by_vote_and_all_nodes_are_used() -> None:
    voters = Voters(nodes=5)
    answer = await _ensemble(voters).ask(THREE)
    assert [found.answer for found in answer.chunks] == ["Paris", "Lima", "Nairobi"]
    assert all(capital in answer.answer for capital in ("Paris", "Lima", "Nairobi"))
    assert {vote.node for vote in answer.votes} == {"n1", "n2", "n3", "n4", "n5"}
    assert answer.votes == [vote for found in answer.chunks for vote in found.votes]
    assert answer.missing == []
    assert answer.timings.total >= answer.timings.nodes > 0


async def test_a_part_sees_the_answers_that_it_needs_and_no_others() -> None:
    voters = Voters(nodes=2)
    answer = await _ensemble(voters).ask(CHAINED)
    assert [found.chunk.after for found in answer.chunks] == [(), (1,)]
    prompts = [call.prompt for model in voters.models.values() for call in model.calls]
    told = [prompt for prompt in prompts if "how many people" in asked(prompt)]
    assert told
    assert all("Paris" in prompt for prompt in told)
    assert not any("Paris" in prompt for prompt in prompts if prompt not in told)


async def test_independent_parts_are_asked_side_by_side() -> None:
    voters = Voters(nodes=3, latency={f"n{number}": 0.2 for number in range(1, 4)})
    asking = asyncio.create_task(_ensemble(voters).ask(THREE))
    await voters.busy(6)
    assert voters.calls() == 0, "all six calls had begun before any was answered"
    await asking


async def test_an_early_decision_cancels_the_rest_and_counts_what_it_saved() -> None:
    voters = Voters(nodes=4, latency={"n4": 60.0})
    answer = await _ensemble(voters).ask("What is the capital of France?")
    (found,) = answer.chunks
    assert (found.answer, found.early, found.saved_calls) == ("Paris", True, 2)
    assert sorted(voters.cancelled) == sorted(name for name in voters.begun if name.startswith("n4"))
    late = next(vote for vote in found.votes if vote.node == "n4")
    assert (late.how, late.calls, late.weight) == ("cancelled", 0, 0.0)


async def test_events_tell_everything_as_plain_json() -> None:
    events: list[dict[str, Any]] = []
    answer = await _ensemble(Voters(nodes=2)).ask(CHAINED, on_event=events.append)
    assert json.loads(json.dumps(events)) == events
    kinds = [event["type"] for event in events]
    assert kinds == ["chunk", "chunk", "asked", "vote", "decided", "asked", "vote", "decided", "synthesis", "done"]
    assert events[-1]["answer"] == answer.model_dump(mode="json")
    assert events[0]["text"] == "What is the capital of France"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("x" * (MAX_QUERY + 1), "100,000 are the most"),
        ("a" + "\x00" * 50, "binary"),
        (None, "There is no query"),
    ],
)
async def test_what_is_no_query_is_refused_before_anybody_is_asked(query: Any, says: str) -> None:
    voters = Voters()
    with pytest.raises(TaskError, match=says):
        await _ensemble(voters).ask(query)
    assert not voters.begun


@pytest.mark.parametrize(
    "bad",
    [lambda prompt: DOWN, "", "I'm sorry, I can't help with that.", "\x00\x01", "?!…", "word " * 20_000],
    ids=["down", "empty", "refusal", "control", "no word", "endless"],
)
async def test_a_useless_node_costs_no_answer(bad: Any) -> None:
    answer = await _ensemble(Voters(nodes=3, says={"n2": bad})).ask("What is the capital of France?")
    assert answer.chunks[0].answer == "Paris"
    failed = next(vote for vote in answer.votes if vote.node == "n2")
    assert failed.how in ("failed", "cancelled")
    assert failed.weight == 0.0


async def test_a_node_that_hangs_is_given_up_after_its_time() -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0}, says={"n2": lambda prompt: DOWN})
    with pytest.raises(EnsembleError) as caught:
        await _ensemble(voters, node_timeout=0.2).ask("What is the capital of France?")
    assert caught.value.failures["n1"] == "It gave no answer within 0.2 s."
    assert "Nothing listens there" in caught.value.failures["n2"]
    assert sorted(voters.cancelled) == sorted(name for name in voters.begun if name.startswith("n1"))


async def test_all_nodes_too_slow_is_a_timeout_and_says_so() -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0, "n2": 60.0})
    with pytest.raises(EnsembleTimeoutError, match=r"No node answered within 0\.2 s") as caught:
        await _ensemble(voters, node_timeout=0.2).ask("What is the capital of France?")
    assert caught.value.seconds == 0.2


async def test_a_part_that_nobody_answers_is_missing_and_named() -> None:
    def forgetful(prompt: str) -> Any:
        return DOWN if "Peru" in prompt else "Paris"

    voters = Voters(nodes=3, says={f"n{number}": forgetful for number in range(1, 4)})
    answer = await _ensemble(voters).ask(THREE)
    assert answer.missing == [2]
    assert answer.chunks[1].answer == ""
    assert "Nothing listens there" in answer.chunks[1].error
    assert "Paris" in answer.answer


async def test_a_cancelled_query_cancels_its_calls() -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0, "n2": 60.0})
    asking = asyncio.create_task(_ensemble(voters).ask("What is the capital of France?"))
    await voters.busy(4)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sorted(voters.cancelled) == ["n1a", "n1b", "n2a", "n2b"]


class _Meter:
    """A meter that refuses after so many calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.records: list[CallRecord] = []

    def admit(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BudgetError("It is used up.")

    def record(self, call: CallRecord) -> None:
        self.records.append(call)


async def test_the_meter_in_force_counts_every_call() -> None:
    meter = _Meter(100)
    with metered(meter):
        answer = await _ensemble(Voters(nodes=3)).ask(THREE)
    assert len(meter.records) == sum(vote.calls for vote in answer.votes) == 6


async def test_a_used_up_budget_stops_the_query_as_it_is() -> None:
    voters = Voters(nodes=3)
    with pytest.raises(BudgetError), metered(_Meter(2)):
        await _ensemble(voters).ask(THREE)


async def test_what_was_seen_is_learnt_and_a_broken_book_costs_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voters = Voters(nodes=4, says={"n4": lambda prompt: DOWN})
    topology = voters.topology()
    book = FitnessBook(tmp_path / "fitness.sqlite", {spec.id: spec.fitness for spec in topology.nodes})
    await Ensemble(topology, find=voters.find, fitness=book, seed=1).ask("What is the capital of France?")
    table = {row.node: row for row in await book.table() if not row.kind}
    assert table["n4"].mean < table["n1"].mean
    (tmp_path / "broken.sqlite").write_bytes(b"no database at all" * 100)
    broken = FitnessBook(tmp_path / "broken.sqlite")
    answer = await Ensemble(topology, find=voters.find, fitness=broken).ask("What is the capital of France?")
    assert answer.chunks[0].answer == "Paris"
    assert "Fitness goes by the topology alone" in caplog.text
    assert "Nothing was learnt" in caplog.text


async def test_the_larger_model_writes_the_answer_and_is_given_up_when_it_hangs() -> None:
    voters = Voters(nodes=2, says={"big": "Paris, where 2 million live."}, latency={"slow": 60.0})
    answer = await _ensemble(voters, synthesizer="big").ask(CHAINED)
    assert answer.answer == "Paris, where 2 million live."
    assert answer.synthesized_by
    late = await _ensemble(voters, synthesizer="slow", node_timeout=0.5).ask(CHAINED)
    assert late.synthesized_by == ""
    assert "Paris" in late.answer


def test_parts_beyond_the_most_stay_in_the_last_word_for_word() -> None:
    chunks = [
        Chunk(number=1, lead="1.", text="First?"),
        Chunk(number=2, lead="2.", text="Second?"),
        Chunk(number=3, lead="and then", text="third?", after=(2,)),
        Chunk(number=4, lead="and then", text="fourth?", after=(3,)),
    ]
    assert bounded(chunks, 4) == chunks
    kept = bounded(chunks, 2)
    assert [chunk.text for chunk in kept] == ["First?", "Second? and then third? and then fourth?"]
    assert kept[1].after == ()


async def test_the_deadline_follows_the_longest_chain() -> None:
    ensemble = _ensemble(Voters(), node_timeout=10)
    chained, apart = await ensemble.plan(CHAINED), await ensemble.plan(THREE)
    assert ensemble.deadline(chained) - ensemble.deadline(apart) == 10
    assert ensemble.deadline(apart) > 20


@pytest.mark.parametrize(
    "text",
    [
        "a\n" * 50_000,
        "a" + " " * 90_000 + "b",
        "x" * 100_000,
        "1" * 100_000,
        "“" * 100_000,
        '"a", ' * 20_000,
        "What is a and then " * 5_000,
        "What is it? " * 8_000,
        "a, " * 33_000,
    ],
    ids=["lines", "spaces", "word", "number", "quote", "quotes", "then", "questions", "commas"],
)
async def test_a_hostile_query_is_divided_in_no_time_and_loses_no_word(text: str) -> None:
    """Each of these once took quadratic time: minutes, in which the event loop stood still."""
    assignments = await _ensemble(Voters(), max_chunks=20).plan(text)
    assert len(assignments) <= 20
    assert " ".join(found.chunk.whole for found in assignments).split() == text.split()


async def test_a_vote_that_is_repeated_is_learnt_once(tmp_path: Path) -> None:
    book = FitnessBook(tmp_path / "fitness.sqlite")
    down = Voters(says={f"n{number}": lambda _: DOWN for number in (1, 2, 3)})
    up = Voters(says={"n3": lambda _: DOWN}, latency={"n1": 0.05, "n2": 0.05})
    unanswered, answered = (Ensemble(voters.topology(), find=voters.find, fitness=book) for voters in (down, up))
    (assignment,) = await answered.plan("What is the capital of France?")
    seen = list[int]()
    for ensemble in (unanswered, answered, answered):
        # Read back, as by a process that goes on where another was killed before it saved the result.
        await ensemble.decide(Assignment.model_validate_json(assignment.model_dump_json()))
        seen.append((await book.posterior("n3", assignment.kind)).observations)
    assert seen == [1, 2, 2], "an unanswered vote is new evidence each time, an answered one once"
