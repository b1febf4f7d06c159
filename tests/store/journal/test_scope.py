"""What steps say is there once, whatever became of the process that said it first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from matrioska.models.recorder import Voice
from matrioska.state.errors import UsageError
from matrioska.state.journal import MAX_CONTENT, MAX_PARTY, Message
from matrioska.state.results import Usage
from matrioska.store.journal import Asked, Journal
from tests.store.journal.conftest import Open, called, scope_of

ATLAS = Voice("reflection", "atlas", "nova")


def _said(journal: Journal, conversation: str = "c") -> list[str]:
    return [message.content for message in journal.messages(conversation)]


def _by_content(journal: Journal) -> dict[str, Message]:
    return {message.content: message for message in journal.messages("c")}


def test_entering_makes_conversation_and_root(journal: Journal) -> None:
    with scope_of(journal) as scope:
        pass
    (root,) = journal.messages("c")
    assert (root.id, root.correlation, root.parent) == (scope.root, scope.root, None)
    assert (root.type, root.source, root.destination) == ("query", "person", "matrioska")
    assert root.content == "What is deep?"
    (conversation,) = journal.conversations()
    assert (conversation.id, conversation.graph, conversation.title) == ("c", "cascade", "What is deep?")
    assert (conversation.status, conversation.messages) == ("open", 1)


async def test_a_call_is_a_message_with_what_it_took(journal: Journal) -> None:
    prompt = (SystemMessage("You are Atlas."), HumanMessage("Why?"), AIMessage("Because."))
    async with scope_of(journal, operation="analyse") as scope:
        call = called("It is deep.", prompt=prompt, fault="Too short.", parameters={"temperature": 0.2})
        id = scope.call(call, ATLAS)
    _, message = journal.messages("c")
    assert (message.id, message.parent, message.correlation) == (id, scope.root, scope.root)
    assert (message.type, message.source, message.destination) == ("reflection", "atlas", "nova")
    assert (message.content, message.status) == ("It is deep.", "done")
    assert [part["role"] for part in message.context["prompt"]] == ["system", "user", "assistant"]
    assert message.processing == {"model": "scripted:one", "fault": "Too short."}
    (metric,) = message.metrics
    assert (metric.service, metric.operation, metric.error) == ("scripted:one", "analyse", "")
    assert (metric.input_tokens, metric.output_tokens, metric.seconds, metric.cost) == (3, 4, 0.5, 0.25)
    assert metric.parameters == {"temperature": 0.2}


def test_a_call_without_an_answer_is_an_error_that_says_so(journal: Journal) -> None:
    with scope_of(journal) as scope:
        scope.call(called("", error="model_timeout", usage=Usage(calls=3)), ATLAS)
    _, message = journal.messages("c")
    assert (message.type, message.status, message.source) == ("error", "failed", "atlas")
    assert "model_timeout" in message.content
    assert message.processing["attempts"] == 3
    assert message.metrics[0].error == "model_timeout"


def test_who_does_not_say_who_speaks_is_the_step(journal: Journal) -> None:
    with scope_of(journal, source="nova", destination="atlas") as scope:
        first = scope.note("status", "Begun.")
        with scope.child("inner", parent=first, source="echo") as inner:
            inner.note("response", "Inside.")
        with scope.child("other") as inner:
            inner.call(called("Outside."), Voice())
    said = _by_content(journal)
    assert (said["Begun."].source, said["Begun."].destination) == ("nova", "atlas")
    assert (said["Inside."].source, said["Inside."].destination, said["Inside."].parent) == ("echo", "atlas", first)
    assert (said["Outside."].source, said["Outside."].parent) == ("nova", scope.root)


def test_several_questions_on_a_thread_have_a_root_each(journal: Journal) -> None:
    for turn in ("1", "2", "2"):
        with scope_of(journal, "step", turn=turn, root=Asked(f"Question {turn}"), repeats=False) as scope:
            scope.note("status", f"Answer {turn}", key=turn)
    said = _by_content(journal)
    assert list(said) == ["Question 1", "Answer 1", "Question 2", "Answer 2"]
    for turn in ("1", "2"):
        assert said[f"Answer {turn}"].parent == said[f"Answer {turn}"].correlation == said[f"Question {turn}"].id


def test_a_step_that_is_repeated_leaves_only_what_was_said_last(opened: Open) -> None:
    for attempt, words in enumerate((["a", "b", "c"], ["a", "d"])):
        journal = opened()
        with scope_of(journal, "before", repeats=False) as scope:
            scope.note("status", "kept", key="kept")
        with scope_of(journal) as scope:
            for word in words:
                scope.call(called(f"{word} {attempt}"), ATLAS)
                seen = _said(journal)
            assert f"{words[-1]} {attempt}" in seen
            assert not [said for said in seen if said[-1] == str(1 - attempt)], "the attempt before is not shown"
    assert _said(journal) == ["What is deep?", "kept", "a 1", "d 1"]
    assert sum(len(message.metrics) for message in journal.messages("c")) == 2


def test_what_another_process_left_of_a_step_is_seen_by_one_that_wrote_before(opened: Open) -> None:
    here, there = opened(), opened()
    with scope_of(here, "before") as scope:
        scope.call(called("before"), ATLAS)
    cut_off = scope_of(there)
    cut_off.__enter__()
    cut_off.call(called("a there"), ATLAS)
    cut_off.call(called("b there"), ATLAS)
    there.close()
    with scope_of(here) as scope, scope.child("part", repeats=True):
        scope.call(called("a here"), ATLAS)
    assert _said(here) == ["What is deep?", "before", "a here"]


def test_long_names_of_models_and_errors_are_cut(journal: Journal) -> None:
    with scope_of(journal) as scope:
        scope.call(called("", model="openai:" + "m" * 1_000, error="e" * 1_000), ATLAS)
    (metric,) = journal.messages("c")[1].metrics
    assert (len(metric.service), len(metric.error)) == (400, 400)


def test_a_repeated_step_writes_over_the_same_ids(opened: Open) -> None:
    ids = []
    for _ in range(2):
        with scope_of(opened()) as scope:
            ids.append([scope.call(called(), ATLAS), scope.call(called(), ATLAS), scope.note("status", "s", key="k")])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_a_step_tried_again_in_the_same_process_counts_once(journal: Journal) -> None:
    for attempt in range(3):
        with scope_of(journal) as scope:
            scope.call(called(f"attempt {attempt}"), ATLAS)
            if attempt == 0:
                scope.call(called("and more"), ATLAS)
    assert _said(journal) == ["What is deep?", "attempt 2"]


def test_answers_of_other_steps_survive_what_they_answered(opened: Open) -> None:
    journal = opened()
    with scope_of(journal) as scope:
        scope.note("status", "first")
        gone = scope.note("delegation", "to be gone", destination="nova")
    with scope_of(journal, "other") as other:
        other.note("response", "survives", parent=gone)
    another = opened()
    with scope_of(another) as scope:
        scope.note("status", "first")
        assert _by_content(another)["survives"].parent == scope.root, "what it answered is hidden"
    assert _said(journal) == ["What is deep?", "survives", "first"]
    assert _by_content(journal)["survives"].parent == scope.root


def test_a_long_step_keeps_its_notes_by_key(opened: Open) -> None:
    for attempt in range(2):
        with scope_of(opened(), repeats=False) as scope:
            scope.note("delegation", f"begun {attempt}", key="m1", status="open")
            if attempt == 0:
                scope.note("delegation", "only once", key="m2")
    messages = opened().messages("c")
    assert [message.content for message in messages] == ["What is deep?", "begun 1", "only once"]
    assert [message.number for message in messages] == sorted(message.number for message in messages)


def test_a_part_shares_the_fate_of_its_step_unless_it_is_repeated_by_itself(opened: Open) -> None:
    journal = opened()
    with scope_of(journal) as scope:
        with scope.child("part") as part:
            part.note("status", "part")
        with scope.child("own", repeats=True) as own:
            own.note("status", "own")
    with scope_of(opened()) as scope:
        scope.note("status", "again")
    assert _said(journal) == ["What is deep?", "own", "again"]


def test_parents_that_are_not_here_are_replaced_by_the_root(journal: Journal) -> None:
    with scope_of(journal, conversation="other") as elsewhere:
        foreign = elsewhere.note("status", "foreign")
    with scope_of(journal, parent="no such id") as scope:
        scope.note("status", "lost")
        scope.note("status", "foreign", parent=foreign)
        late = scope.note("status", "late", key="late")
        scope.note("status", "itself", parent=late, key="late")
    assert {message.parent for message in journal.messages("c")[1:]} == {scope.root}


def test_open_messages_are_closed_failed_or_settled(journal: Journal) -> None:
    with scope_of(journal, "one", repeats=False) as scope:
        done = scope.note("delegation", "done", status="open", key="1")
        failed = scope.note("delegation", "failed", status="open", key="2")
        scope.note("delegation", "left", status="open", key="3")
        scope.close(done)
    with scope_of(journal, "two", repeats=False) as scope:
        scope.close(failed, "failed")
        scope.close("no such id")
        scope.note("control", "asked", status="open", key="4")
        scope.failed(UsageError("It broke.", next_step="Mend it."))
    statuses = {message.content: message.status for message in journal.messages("c")}
    assert statuses == {
        "What is deep?": "done",
        "done": "done",
        "failed": "failed",
        "left": "open",
        "asked": "failed",
        "It broke. Mend it.": "failed",
    }
    error = _by_content(journal)["It broke. Mend it."]
    assert (error.type, error.processing) == ("error", {"error": "usage"})
    journal.settle("c", "failed")
    assert _by_content(journal)["left"].status == "failed"
    assert journal.conversations()[0].status == "failed"
    journal.settle("nobody knows")
    assert len(journal.conversations()) == 1


def test_a_settled_conversation_is_open_again_when_somebody_speaks(journal: Journal) -> None:
    with scope_of(journal, "one") as scope:
        scope.note("status", "said", status="open")
        scope.settle("done")
    assert (journal.conversations()[0].status, _by_content(journal)["said"].status) == ("done", "done")
    with scope_of(journal, "silent"):
        pass
    assert journal.conversations()[0].status == "done"
    with scope_of(journal, "two") as scope:
        scope.note("status", "more")
    assert journal.conversations()[0].status == "open"


def test_contents_are_bounded_and_say_so(journal: Journal) -> None:
    with scope_of(journal, root=Asked("x" * (MAX_CONTENT + 12))) as scope:
        scope.note("status", "y" * (MAX_CONTENT + 345), source="s" * 1000, details={"big": "z" * MAX_CONTENT})
        scope.call(called("", prompt=(HumanMessage("p" * MAX_CONTENT), HumanMessage("q" * 5000))), ATLAS)
    root, note, call = journal.messages("c")
    assert root.content.endswith("x\n[12 more characters were cut]")
    assert note.content.endswith("y\n[345 more characters were cut]")
    assert note.source == "s" * MAX_PARTY
    assert note.processing["text"].endswith("more characters were cut]")
    assert call.content == ""
    assert len(call.context["prompt"][0]["content"]) == MAX_CONTENT
    assert call.context["prompt"][1]["content"] == "\n[5,000 more characters were cut]"


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"type": "text", "text": "words"}, "words"),
        ({"type": "image", "base64": "A" * 16_000, "mime_type": "image/png"}, "[image/png, 12 kB]"),
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + "A" * 4000}},
            "[image/jpeg, 3 kB]",
        ),
        ({"type": "image_url", "image_url": {"url": "https://user:secret@example.org/x"}}, "[image_url, by address]"),
        ({"type": "input_audio", "input_audio": {"data": "A" * 400, "format": "wav"}}, "[input_audio, 1 kB]"),
        ({"type": "audio", "base64": "A" * 400, "mime_type": "audio/wav"}, "[audio/wav, 1 kB]"),
    ],
)
def test_of_pictures_and_sounds_kind_and_size_are_kept(tmp_path: Path, block: dict[str, Any], told: str) -> None:
    journal = Journal(tmp_path / "j.sqlite", tmp_path / "p")
    with scope_of(journal) as scope:
        scope.call(called(prompt=(HumanMessage([block]),)), ATLAS)
    assert journal.messages("c")[1].context["prompt"] == [{"role": "user", "content": told}]
    journal.close()


async def test_nothing_is_lost_when_whoever_waits_is_cancelled(journal: Journal) -> None:
    async def speak() -> None:
        async with scope_of(journal) as scope:
            scope.note("status", "said")

    task = asyncio.create_task(speak())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _said(journal) == ["What is deep?", "said"]


async def test_nothing_blocks_the_loop(journal: Journal) -> None:
    with blockbuster_ctx():
        for step in ("one", "two"):
            async with scope_of(journal, step) as scope:
                scope.call(called(), ATLAS)
                scope.note("status", "said")
                await scope.flush()
    assert len(_said(journal)) == 5


def test_a_journal_that_is_off_keeps_nothing_and_asks_for_nothing(tmp_path: Path) -> None:
    journal = Journal(None, tmp_path / "pending")
    with scope_of(journal) as scope:
        scope.call(called(), ATLAS)
        scope.close(scope.note("status", "said", status="open"))
        scope.failed(ValueError("broke"))
        asyncio.run(scope.flush())
    with scope.child("inner") as inner:
        inner.note("status", "said")
    journal.settle("c")
    assert (journal.messages("c"), journal.conversations(), journal.metrics("c")) == ([], [], [])
    assert (journal.prune(keep=0), journal.trouble, journal.address) == (0, None, "")
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("conversation", ["", "\x00", "x" * 201])
def test_a_scope_has_a_conversation(tmp_path: Path, conversation: str) -> None:
    with pytest.raises(UsageError, match="id of"):
        scope_of(Journal(None, tmp_path), conversation=conversation)
