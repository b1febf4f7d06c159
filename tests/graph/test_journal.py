"""What the graphs leave in the journal: everything that was said, once, each in answer to what it answers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from matrioska.graph.build import build_graph
from matrioska.graph.delegations import Delegation
from matrioska.graph.ensemble import build_ensemble_graph
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.journal import Conversation, Message
from matrioska.store.checkpointer import open_checkpointer
from matrioska.store.journal import Journal, open_journal
from matrioska.store.layout import Layout
from matrioska.store.studio import ThreadedCheckpointer, studio_thread_id
from tests.graph.conftest import Start
from tests.graph.killable import PLAN, TOLD
from tests.graph.test_journal_kills import check
from tests.support import MODES, Author, Driven, chain, opened, plan, reader, spec
from tests.voters import THREE, Voters


class Read:
    """A journal as it stands."""

    def __init__(self, base: Path, conversation: str = "one") -> None:
        journal: Journal = open_journal(base)
        self.conversations: dict[str, Conversation] = {found.id: found for found in journal.conversations()}
        self.messages: list[Message] = journal.messages(conversation)
        self.by_id = {message.id: message for message in self.messages}

    def of(self, type: str, **fields: Any) -> list[Message]:
        """Return the messages of a type whose fields have these values."""
        return [
            message
            for message in self.messages
            if message.type == type and all(getattr(message, name) == value for name, value in fields.items())
        ]

    def one(self, type: str, **fields: Any) -> Message:
        (found,) = self.of(type, **fields)
        return found

    def parent(self, message: Message) -> Message:
        assert message.parent is not None
        return self.by_id[message.parent]

    def calls(self) -> list[Message]:
        return [message for message in self.messages if message.metrics]


def _ledger(base: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Layout.at(base).ledger("one").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "call"]


def test_a_whole_run_is_on_record(start: Start, tmp_path: Path) -> None:
    author = Author(PLAN, TOLD)
    start(author).run("Build it.")
    read = Read(tmp_path)
    check(read.messages)
    root = read.one("query")
    assert (root.source, root.destination, root.content) == ("person", "matrioska", "Build it.")
    planned = read.one("response", source="architect")
    assert (read.parent(planned), planned.destination, planned.metrics[0].operation) == (root, "person", "architect")
    delegations = Counter(message.destination for message in read.of("delegation", source="boss"))
    assert delegations == {"core": 2, "shop": 2, "desk": 1, "page": 1, "docs": 1}
    asked = next(message for message in read.of("delegation") if message.destination == "desk")
    assert "Build desk." in asked.content
    assert "Reads: core.api." in asked.content
    answers = [message for message in read.messages if message.parent == asked.id]
    assert [(one.type, one.source, one.destination) for one in answers] == [
        ("response", "desk", "boss"),
        ("critique", "checks", "desk"),
        ("iteration", "desk", "boss"),
        ("response", "desk", "boss"),
    ]
    assert answers[0].content == "No files today."
    assert answers[-1].content == "Files: desk.py.\nValues: desk.api."
    assert answers[-1].processing["usage"]["calls"] == 2
    assert {read.parent(one).type for one in read.messages if one.source in delegations} == {"delegation"}
    assert read.one("synthesis", source="assembler").metrics
    assert "6 files" in read.one("synthesis", source="deliver", destination="person").content
    assert read.conversations["one"].status == "done"
    assert read.conversations["one"].graph == "matrioska"


def test_every_call_has_one_message_and_one_metric(start: Start, tmp_path: Path) -> None:
    author = Author(PLAN, TOLD)
    start(author).run("Build it.")
    read = Read(tmp_path)
    calls = read.calls()
    prompts = Counter(call.prompt for call in author.model.calls)
    assert Counter(message.context["prompt"][-1]["content"] for message in calls) == prompts
    assert all(len(message.metrics) == 1 for message in calls)
    metrics = [message.metrics[0] for message in calls]
    written = Counter((line["input"], line["output"]) for line in _ledger(tmp_path))
    assert Counter((metric.input_tokens, metric.output_tokens) for metric in metrics) == written
    operations = Counter(metric.operation for metric in metrics)
    assert operations == {"architect": 1, "agree": 2, "produce": 5, "mend": 2, "assemble": 1}


@pytest.mark.parametrize("mode", MODES)
def test_a_run_without_a_checkpointer_is_one_conversation(mode: str, tmp_path: Path) -> None:
    author = Author(chain(2))
    with opened("none", tmp_path) as graph:
        for _ in range(2):
            Driven(graph, mode, tmp_path, author.model, thread=None).run("Build it.")
    found = open_journal(tmp_path).conversations()
    assert [(one.graph, one.status) for one in found] == [("matrioska", "done")] * 2
    for one in found:
        check(Read(tmp_path, one.id).messages)
    assert sum(len(Read(tmp_path, one.id).calls()) for one in found) == len(author.model.calls)


async def test_a_thread_that_goes_on_under_a_server_stays_one_conversation(tmp_path: Path) -> None:
    """A server knows the thread by a UUID, and our checkpointer maps that back."""
    author = Author(chain(1))
    context = RunContext(model=author.model, approval="ask", review_rounds=0, base_path=str(tmp_path))
    async with open_runs(tmp_path, context) as runs:
        await runs.start("Build it.", thread_id="one")
    plain = open_checkpointer(Layout.at(tmp_path).database)
    graph = build_graph(ThreadedCheckpointer(plain.conn, plain.path))
    await graph.ainvoke(Command(resume=True), {"configurable": {"thread_id": studio_thread_id("one")}}, context=context)
    plain.conn.close()
    read = Read(tmp_path)
    assert read.conversations.keys() == {"one"}
    assert read.conversations["one"].status == "done"
    check(read.messages)


def test_a_question_to_the_person_is_open_until_it_is_answered(start: Start, tmp_path: Path) -> None:
    driven = start(Author(chain(1)), approval="ask")
    driven.run("Build it.")
    asked = Read(tmp_path).one("control")
    assert (asked.source, asked.destination, asked.status) == ("approval", "person", "open")
    assert Read(tmp_path).conversations["one"].status == "open"
    driven.answer("Make it blue.")
    read = Read(tmp_path)
    said = read.one("control", source="person")
    assert (said.content, said.destination) == ("Make it blue.", "approval")
    assert read.parent(said) == read.by_id[asked.id]
    assert read.by_id[asked.id].status == "done"
    # The plan was asked for again, by the same task.
    assert len(read.of("response", source="architect")) == 2
    assert len(read.of("control", source="approval", status="open")) == 1
    driven.answer(True)
    check(Read(tmp_path).messages)


def test_a_refused_plan_ends_its_conversation(start: Start, tmp_path: Path) -> None:
    driven = start(Author(chain(1)), approval="ask")
    driven.run("Build it.")
    driven.answer(False)
    read = Read(tmp_path)
    assert read.conversations["one"].status == "failed"
    assert not [message for message in read.messages if message.status == "open"]


def test_a_plan_that_stays_faulty_is_an_error(start: Start, tmp_path: Path) -> None:
    start(Author(chain(1), {"plan": "No plan."}), plan_repairs=1).run("Build it.")
    read = Read(tmp_path)
    assert read.one("iteration", source="architect")
    assert "plan" in read.one("error", source="architect").content
    assert read.conversations["one"].status == "failed"


def test_two_tasks_on_one_thread_have_a_root_each(start: Start, tmp_path: Path) -> None:
    driven = start(Author(chain(1)))
    driven.run("Build it.")
    driven.run("Build something else.")
    read = Read(tmp_path)
    roots = read.of("query")
    assert [root.content for root in roots] == ["Build it.", "Build something else."]
    for root in roots:
        assert {one.type for one in read.messages if one.correlation == root.id} >= {"query", "response", "synthesis"}


def test_a_thread_from_before_there_was_a_journal_goes_on(start: Start, tmp_path: Path) -> None:
    driven = start(Author(chain(2)))
    driven.update({"task": "Build it.", "architecture": chain(2)}, "approval")
    assert "turn" not in driven.state().values
    assert driven.run()["status"] == "complete"
    check(Read(tmp_path).messages)


def test_failed_and_blocked_modules_say_so(start: Start, tmp_path: Path) -> None:
    two = plan(reader("a"), reader("b", "a", contract_first=False))
    start(Author(two, {"agree a": RuntimeError("no power")})).run("Build it.")
    read = Read(tmp_path)
    check(read.messages)
    delegated = read.one("delegation")
    assert (delegated.destination, delegated.status) == ("a", "failed")
    call, failed = read.of("error", source="a", destination="boss", status="failed", parent=delegated.id)
    assert call.metrics
    assert "no power" in failed.content
    assert "waits for what failed: a" in read.one("error", source="b").content


def test_a_redo_adds_and_takes_nothing_away(start: Start, tmp_path: Path) -> None:
    driven = start(Author(chain(2)))
    driven.run("Build it.")
    before = Read(tmp_path)
    driven.update({"results": {"m1": None}}, "approval")
    driven.run()
    after = Read(tmp_path)
    check(after.messages)
    assert [after.by_id[message.id] for message in before.messages] == before.messages
    added = [message for message in after.messages if message.id not in before.by_id]
    assert {one.destination for one in added if one.type == "delegation"} == {"m1"}
    assert after.conversations["one"].status == "done"


def test_a_budget_pause_is_on_record(start: Start, tmp_path: Path) -> None:
    author = Author(chain(3))
    driven = start(author, budget_tokens=1_200, slots=1)
    driven.run("Build it.")
    while driven.state().interrupts:
        asked = [message for message in Read(tmp_path).of("control") if message.status == "open"]
        assert len(asked) == 1
        assert "budget is used up" in asked[0].content
        driven.answer(True)
    read = Read(tmp_path)
    check(read.messages)
    assert len(read.of("control", source="person")) == len(read.of("control", destination="person")) > 0
    assert len(read.calls()) == len(author.model.calls)


def test_ends_that_were_not_kept_before_a_kill_are_said_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driven = start(Author(chain(3)), budget_tokens=1_200, slots=1)
    with monkeypatch.context() as killed:
        killed.setattr(Delegation, "end", lambda self, outcome: None)
        driven.run("Build it.")
    unanswered = Read(tmp_path).of("delegation", status="open")
    assert unanswered
    while driven.state().interrupts:
        driven.answer(True)
    read = Read(tmp_path)
    check(read.messages)
    for asked in unanswered:
        (end,) = [one for one in read.messages if one.parent == asked.id and not one.metrics]
        assert (end.type, end.source, end.status) == ("response", asked.destination, "done")


def test_a_repair_is_on_record(start: Start, tmp_path: Path) -> None:
    author = Author(plan(spec("a")), {"produce a": [RuntimeError("no power"), "Nothing."]})
    driven = start(author, approval="ask", max_mends=0)
    driven.run("Build it.")
    driven.answer(True)
    driven.answer(False)
    read = Read(tmp_path)
    check(read.messages)
    assert [message.source for message in read.of("control", destination="person")] == ["approval", "repair"]
    assert read.conversations["one"].status == "failed"
    assert "nothing to deliver" in read.one("error", source="deliver").content


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_kept_when_the_journal_is_off(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_JOURNAL", "off")
    author = Author(chain(2))
    with opened("sqlite", tmp_path) as graph:
        assert Driven(graph, mode, tmp_path, author.model).run("Build it.")["status"] == "complete"
    assert not Layout.at(tmp_path).journal.exists()
    assert open_journal(tmp_path).messages("one") == []


@pytest.mark.parametrize("mode", MODES)
def test_a_broken_journal_fails_no_run_and_is_told_once(mode: str, tmp_path: Path) -> None:
    place = Layout.at(tmp_path).prepare().journal
    place.write_bytes(b"This is no database.")
    author = Author(chain(3))
    with opened("sqlite", tmp_path) as graph:
        driven = Driven(graph, mode, tmp_path, author.model)
        events = driven.events("Build it.")
        assert driven.state().values["status"] == "complete"
    troubles = [event for event in events if event.get("type") == "journal"]
    assert len(troubles) == 1
    assert str(place) in troubles[0]["trouble"]
    assert place.read_bytes() == b"This is no database."


@pytest.mark.parametrize("node", ["architect", "execute", "deliver"])
async def test_a_fork_is_a_conversation_of_its_own(node: str, tmp_path: Path) -> None:
    author = Author(chain(2))
    context = RunContext(approval="auto", review_rounds=0, model=author.model)
    async with open_runs(tmp_path, context) as runs:
        await runs.start("Build it.", thread_id="one")
        before = Read(tmp_path).messages
        (found,) = [one for one in await runs.history("one") if one.next == (node,)]
        await runs.fork("one", found.checkpoint_id, new_thread_id="two")
        await runs.resume("two")
    assert Read(tmp_path).messages == before
    read = Read(tmp_path, "two")
    check(read.messages)
    told = read.one("control", source="person")
    assert "of the run one" in told.content
    assert read.parent(told) == read.one("query", content="Build it.")
    assert len(read.calls()) < len(before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kept", [True, False])
def test_a_query_of_the_ensemble_is_on_record(
    mode: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voters = Voters(nodes=3, says={"n2": "I cannot say that with any confidence at all, sorry.", "n3b": "Bogotá"})
    monkeypatch.setattr("matrioska.graph.ensemble.load_topology", voters.topology)
    monkeypatch.setattr("matrioska.graph.ensemble.find_member", voters.find)
    saver = open_checkpointer(tmp_path / "runs.sqlite") if kept else None
    graph = build_ensemble_graph(saver)
    config: Any = {"configurable": {"thread_id": "one"}} if kept else {}
    context: Any = {"base_path": str(tmp_path)}
    try:
        if mode == "sync":
            out = graph.invoke({"query": THREE}, config, context=context)
        else:
            out = asyncio.run(graph.ainvoke({"query": THREE}, config, context=context))
    finally:
        if saver is not None:
            saver.conn.close()
    (conversation,) = open_journal(tmp_path).conversations()
    read = Read(tmp_path, conversation.id)
    assert (conversation.graph, conversation.status) == ("ensemble", "done")
    assert not [message for message in read.messages if message.status == "open"]
    assert read.one("query").content == THREE
    assert len(read.of("delegation", source="router")) == sum(len(chunk["votes"]) for chunk in out["chunks"])
    answered = {one.parent for one in read.messages if one.destination == "assembly"}
    assert answered == {one.id for one in read.of("delegation")}
    assert len([one for one in read.calls() if not one.metrics[0].error]) == voters.calls()
    assert {read.parent(one).destination for one in read.calls()} == {"n1", "n2", "n3"}
    assert {one.type for one in read.calls()} - {"error"} == {"response", "critique"}
    assert len(read.of("status", source="assembly")) == 3
    assert read.one("synthesis", destination="person").content == out["answer"]
