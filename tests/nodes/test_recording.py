"""What a step says is kept under a name of its own, and its end is told: done, failed, or only paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from matrioska.models.recorder import NoRecorder, current_recorder
from matrioska.nodes.leaf import Leaf
from matrioska.nodes.recording import PERSON, always, ask_person, settle, unit_recording
from matrioska.state.approval import ask_for_review
from matrioska.state.context import RunContext
from matrioska.state.journal import Message
from matrioska.store.journal import Journal, open_journal
from tests.support import MODES


class State(TypedDict, total=False):
    query: str
    turn: str
    said: str


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def _run(body: Any, mode: str, base: Path, *given: Any, thread: str = "one") -> Any:
    """Run a graph of one leaf, once with each of the inputs."""
    builder = StateGraph(State, context_schema=RunContext)
    builder.add_node(body.__name__, Leaf(body, always))
    builder.add_edge(START, body.__name__)
    builder.add_edge(body.__name__, END)
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": thread}}
    context = RunContext(base_path=str(base))
    result = None
    for one in given:
        if mode == "sync":
            result = graph.invoke(one, config, context=context)
        else:
            result = asyncio.run(graph.ainvoke(one, config, context=context))
    return result


def _told(messages: list[Message]) -> list[tuple[str, str, str]]:
    return [(message.type, message.content, message.status) for message in messages]


async def speaks(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    await asyncio.sleep(0)
    current_recorder().note("status", "Under way.")
    return {"said": "yes"}


def computes(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    current_recorder().note("status", "Under way.")
    return {"said": "yes"}


async def fails(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    current_recorder().note("delegation", "Do it.", destination="echo", status="open")
    raise LookupError("not here")


async def fails_within(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    async with unit_recording("part", source="echo"):
        raise LookupError("not here")


async def pauses(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    current_recorder().note("delegation", "Do it.", destination="echo", key="asked", status="open")
    return {"said": interrupt("What?")}


async def asks(state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
    request = ask_for_review("approval", "approve", {}, "Shall I?", [])
    said = ask_person(request, "1")
    settle()
    return {"said": said}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [speaks, computes])
def test_what_a_leaf_says_is_kept_before_its_update(body: Any, mode: str, tmp_path: Path, journal: Journal) -> None:
    out = _run(body, mode, tmp_path, {"query": "How deep?"})
    root, said = journal.messages("one")
    assert (root.type, root.source, root.destination, root.content) == ("query", PERSON, "ensemble", "How deep?")
    assert (said.source, said.destination, said.parent) == (body.__name__, PERSON, root.id)
    assert out["turn"]


@pytest.mark.parametrize("mode", MODES)
def test_every_question_has_a_turn(mode: str, tmp_path: Path, journal: Journal) -> None:
    _run(speaks, mode, tmp_path, {"query": "How deep?"}, {"query": "How high?"})
    assert [message.content for message in journal.messages("one")] == [
        "How deep?",
        "Under way.",
        "How high?",
        "Under way.",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_an_error_is_told_and_leaves_nothing_open(mode: str, tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(LookupError):
        _run(fails, mode, tmp_path, {"query": "How deep?"})
    assert _told(journal.messages("one"))[1:] == [("delegation", "Do it.", "failed"), ("error", "not here", "failed")]


@pytest.mark.parametrize("mode", MODES)
def test_an_error_is_told_once_where_it_came_up(mode: str, tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(LookupError):
        _run(fails_within, mode, tmp_path, {"query": "How deep?"})
    assert [(message.type, message.source) for message in journal.messages("one")[1:]] == [("error", "echo")]


@pytest.mark.parametrize("mode", MODES)
def test_a_pause_is_no_failure_and_is_not_said_twice(mode: str, tmp_path: Path, journal: Journal) -> None:
    _run(pauses, mode, tmp_path, {"query": "How deep?"})
    assert _told(journal.messages("one"))[1:] == [("delegation", "Do it.", "open")]
    _run(pauses, mode, tmp_path, {"query": "How deep?"}, Command(resume="So."), thread="two")
    assert _told(journal.messages("two"))[1:] == [("delegation", "Do it.", "open")]


@pytest.mark.parametrize("mode", MODES)
def test_what_a_person_is_asked_is_open_until_they_answer(mode: str, tmp_path: Path, journal: Journal) -> None:
    _run(asks, mode, tmp_path, {"query": "How deep?"})
    assert _told(journal.messages("one"))[1:] == [("control", "Shall I?", "open")]
    _run(asks, mode, tmp_path, {"query": "How deep?"}, Command(resume={"type": "ok"}), thread="two")
    _, question, answer = journal.messages("two")
    assert (question.content, question.status, question.destination) == ("Shall I?", "done", PERSON)
    assert (answer.content, answer.source, answer.parent) == ('{"type": "ok"}', PERSON, question.id)
    assert {found.id: found.status for found in journal.conversations()} == {"one": "open", "two": "done"}


def test_a_thread_with_a_very_long_name_has_a_conversation(tmp_path: Path, journal: Journal) -> None:
    _run(speaks, "async", tmp_path, {"query": "How deep?"}, thread="long" * 100)
    (found,) = journal.conversations()
    assert found.messages == 2


async def test_a_unit_outside_of_any_graph_says_nothing() -> None:
    async with unit_recording("alone") as said:
        assert isinstance(said, NoRecorder)
        assert said.note("status", "Nobody hears.") == ""
    settle()


def test_a_subgraph_of_nothing_asked_is_not_recorded(tmp_path: Path, journal: Journal) -> None:
    _run(speaks, "async", tmp_path, {"said": "no"})
    assert journal.conversations() == []
