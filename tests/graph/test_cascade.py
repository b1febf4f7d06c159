"""The graph ``cascade``: sync and async, events, budgets, and no step taken twice after a stop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from matrioska.graph import cascade
from matrioska.graph.guard import GuardedGraph
from matrioska.state.cascade import CascadeAnswer
from matrioska.state.errors import CascadeError, ModelError, NewerFormatError, TaskError, ThreadBusyError, TreeError
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.checkpointer import open_checkpointer
from matrioska.store.fork import fork_thread
from matrioska.store.journal import open_journal
from matrioska.workers.cascade.plan import calls_of
from tests.trees import SIX, Tree, knows, ternary, tree_of

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "one"}}
QUESTION = "What does each of you know?"
DOWN = ModelError("Nothing listens there.")
#: What the fixture ``graph`` opens.
BUILD = cascade.build_cascade_graph


@pytest.fixture
def think(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these minds be the settings' tree."""

    def use(minds: Tree) -> Tree:
        monkeypatch.setattr(cascade, "load_tree", minds.load)
        monkeypatch.setattr(cascade, "find_member", minds.find)
        return minds

    return use


def _run(graph: GuardedGraph, mode: str, question: Any, control: Any = None, **options: Any) -> dict[str, Any]:
    given = {"question": question} if question is not None else None
    kwargs: dict[str, Any] = {"context": {"base_path": str(Path.cwd()), **options}, "control": control}
    if mode == "sync":
        return graph.invoke(given, CONFIG, **kwargs)
    return asyncio.run(graph.ainvoke(given, CONFIG, **kwargs))


def test_what_every_mind_knows_reaches_the_answer(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    minds = think(Tree())
    out = _run(graph, world[0], QUESTION)
    answer = CascadeAnswer.model_validate(json.loads(json.dumps(out)))
    assert set(out) == set(CascadeAnswer.model_fields)
    assert knows(answer.answer)
    assert [reply.mind for reply in answer.minds] == list(SIX)
    assert answer.missing == []
    assert answer.seconds > 0
    assert Counter(call.split(".")[0] for call in minds.made()) == calls_of(minds.tree)
    assert graph.get_state(CONFIG).next == ()


def test_events_tell_who_thinks_what(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    think(Tree(tree_of({"top": None, "leaf": "top"})))
    given, options = {"question": QUESTION}, {"stream_mode": "custom", "context": {"base_path": str(Path.cwd())}}
    if world[0] == "sync":
        events = list(graph.stream(given, CONFIG, **options))
    else:

        async def collect() -> list[Any]:
            return [event async for event in graph.astream(given, CONFIG, **options)]

        events = asyncio.run(collect())
    assert events[0] == {
        "type": "minds",
        "minds": [{"id": "top", "name": "Top", "parent": None}, {"id": "leaf", "name": "Leaf", "parent": "top"}],
    }
    steps = [(event["mind"], event["step"]) for event in events if event.get("phase") == "end"]
    assert steps[:2] == [("top", "analyse"), ("top", "split")]
    assert steps[-1] == ("top", "synthesise")
    assert [event["to"] for event in events if event["type"] == "delegation"] == ["leaf"]
    assert [(event["mind"], event["status"]) for event in events if event["type"] == "reply"] == [
        ("leaf", "answered"),
        ("top", "answered"),
    ]
    assert events[-1]["type"] == "done"
    assert "FACT-leaf" in events[-1]["answer"]["answer"]


def test_a_mind_that_is_down_is_named_and_its_failure_is_kept_once_the_question_ended(
    graph: GuardedGraph, world: tuple[str, str], think: Any
) -> None:
    minds = think(Tree(says={"pixel": DOWN}))
    out = _run(graph, world[0], QUESTION)
    assert out["missing"] == ["pixel"]
    assert "Missing in this answer: Pixel" in out["answer"]
    assert "FACT-echo" in out["answer"]
    minds.made()
    assert _run(graph, world[0], None)["answer"] == out["answer"]
    assert minds.made() == []


def test_all_down_is_raised_and_a_resumed_question_asks_again(
    graph: GuardedGraph, world: tuple[str, str], think: Any
) -> None:
    up: list[bool] = []
    minds = think(Tree(says={mind: lambda prompt: None if up else DOWN for mind in SIX}))
    with pytest.raises(CascadeError, match="Nothing listens there") as caught:
        _run(graph, world[0], QUESTION)
    assert set(caught.value.failures) == set(SIX)
    up.append(True)
    minds.made()
    out = _run(graph, world[0], None)
    assert knows(out["answer"])
    assert {call.split(".")[0] for call in minds.made()} == set(SIX)


def test_a_resumed_question_asks_failed_minds_again_and_who_went_without_them(
    graph: GuardedGraph, world: tuple[str, str], think: Any
) -> None:
    control, up = RunControl(), list[bool]()

    def last(prompt: str) -> None:
        if not up:
            control.request_drain("enough")

    minds = think(Tree(says={"pixel": lambda prompt: None if up else DOWN, "atlas.reflect": last}))
    with pytest.raises(GraphDrained):
        _run(graph, world[0], QUESTION, control)
    up.append(True)
    minds.made()
    out = _run(graph, world[0], None)
    assert out["missing"] == []
    assert "FACT-pixel" in out["answer"]
    asked = minds.made()
    assert {call.split(".")[0] for call in asked} == {"pixel", "nova", "atlas"}
    assert not {"atlas.analyse", "atlas.split", "nova.analyse", "nova.split"} & set(asked)


def test_what_is_no_question_is_refused(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    minds = think(Tree())
    with pytest.raises(TaskError, match="There is no question"):
        graph.invoke({}, CONFIG, context={"base_path": str(Path.cwd())})
    for question in ("", "  ", 7, "x" * 100_001):
        with pytest.raises(TaskError):
            _run(graph, world[0], question)
    assert minds.made() == []


def test_a_faulty_tree_is_refused_before_anything_is_asked(
    graph: GuardedGraph, world: tuple[str, str], tmp_path: Path
) -> None:
    Path("matrioska.toml").write_text(
        '[[cascade.minds]]\nid = "a"\nparent = "b"\n[[cascade.minds]]\nid = "b"\nparent = "a"\n'
    )
    with pytest.raises(TreeError, match="circle"):
        _run(graph, world[0], QUESTION)


def test_a_budget_pauses_between_steps_and_goes_on(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    minds = think(Tree())
    _run(graph, world[0], QUESTION, budget_tokens=200)
    (found,) = graph.get_state(CONFIG).interrupts
    assert found.value["kind"] == "budget"
    before = Counter(minds.made())
    assert 0 < before.total() < sum(calls_of(minds.tree).values())
    out = _run(graph, world[0], None, budget_tokens=1_000_000)
    assert knows(out["answer"])
    after = Counter(minds.made())
    assert Counter(
        {mind: sum(n for call, n in (before + after).items() if call.split(".")[0] == mind) for mind in SIX}
    ) == (calls_of(minds.tree)), "no step is taken twice"


def test_drained_it_stops_between_steps_and_goes_on(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    control = RunControl()

    def stop(prompt: str) -> None:
        control.request_drain("enough")

    minds = think(Tree(says={"nova.split": stop}))
    with pytest.raises(GraphDrained):
        _run(graph, world[0], QUESTION, control)
    before = Counter(minds.made())
    assert "atlas.synthesise" not in before
    out = _run(graph, world[0], None)
    assert knows(out["answer"])
    after = Counter(minds.made())
    assert not {"atlas.analyse", "atlas.split", "nova.analyse", "nova.split"} & set(after)
    assert (before + after).total() == sum(calls_of(minds.tree).values())


def test_a_second_question_on_the_thread_is_a_turn_of_its_own(
    graph: GuardedGraph, world: tuple[str, str], think: Any
) -> None:
    think(Tree(tree_of({"top": None, "leaf": "top"})))
    _run(graph, world[0], QUESTION)
    first = graph.get_state(CONFIG).values["turn"]
    _run(graph, world[0], "And now?")
    assert graph.get_state(CONFIG).values["turn"] != first
    messages = open_journal(Path.cwd()).messages("one")
    roots = [message for message in messages if message.parent is None]
    assert [root.content for root in roots] == [QUESTION, "And now?"]
    assert Counter(message.correlation for message in messages).keys() == {root.id for root in roots}
    assert not [message for message in messages if message.status == "open"]


def test_a_fork_thinks_on_from_an_older_checkpoint(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    minds = think(Tree(tree_of({"top": None, "leaf": "top"})))
    out = _run(graph, world[0], QUESTION)
    before_thinking = next(found for found in graph.get_state_history(CONFIG) if found.next == ("think",))
    minds.made()
    place = before_thinking.config["configurable"]["checkpoint_id"]
    asyncio.run(fork_thread(graph.checkpointer, "one", place, "two"))
    other = {"configurable": {"thread_id": "two"}}
    forked = graph.invoke(None, other, context={"base_path": str(Path.cwd())})
    assert forked["answer"] == out["answer"]
    assert len(minds.made()) == sum(calls_of(minds.tree).values())
    assert graph.get_state(CONFIG).values["answer"] == out["answer"]


@pytest.mark.parametrize("world", [("async", "sqlite")], ids="-".join, indirect=True)
def test_a_thread_that_is_worked_on_is_refused(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    think(Tree())
    with graph.checkpointer.lease("one"), pytest.raises(ThreadBusyError):
        _run(graph, world[0], QUESTION)


@pytest.mark.parametrize("world", [("sync", "sqlite"), ("async", "sqlite")], ids="-".join, indirect=True)
def test_a_newer_format_is_refused(graph: GuardedGraph, world: tuple[str, str], think: Any) -> None:
    minds = think(Tree())
    _run(graph, world[0], QUESTION)
    graph.update_state(CONFIG, {"format": STATE_FORMAT + 1}, as_node="begin")
    minds.made()
    with pytest.raises(NewerFormatError):
        _run(graph, world[0], None)
    assert minds.made() == []


def test_checkpoints_grow_with_the_minds_and_not_faster(tmp_path: Path, think: Any) -> None:
    sizes = []
    for levels in (2, 3):
        think(Tree(ternary(levels)))
        saver = open_checkpointer(tmp_path / f"{levels}.sqlite")
        built = cascade.build_cascade_graph(saver)
        asyncio.run(built.ainvoke({"question": QUESTION}, CONFIG, context={"base_path": str(tmp_path)}))
        saver.conn.close()
        sizes.append((tmp_path / f"{levels}.sqlite").stat().st_size)
    assert sizes[1] < 5 * sizes[0], "13 minds and 40"
