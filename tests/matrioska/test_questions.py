"""Questions from Python: every way answers, leaves its conversation, can be gone on with, and is estimated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from matrioska import single
from matrioska.estimates import ANSWER
from matrioska.graph import cascade, ensemble
from matrioska.models.testing import ScriptedChatModel
from matrioska.questions import Questions, open_questions
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import (
    AnswerError,
    BudgetError,
    CascadeError,
    ConfigError,
    ModelError,
    TaskError,
    ThreadNotFoundError,
    TreeError,
    UsageError,
)
from matrioska.state.questions import VIAS
from matrioska.store.journal import open_journal
from matrioska.workers.cascade.plan import calls_of
from tests.trees import SIX, Tree, knows, mind_says
from tests.voters import THREE, Voters, asked
from tests.voters import knows as knows_capital

QUESTION = "What does each of you know?"
DOWN = ModelError("Nothing listens there.")


@asynccontextmanager
async def _asking(tmp_path: Path, model: Any = None, **options: Any) -> AsyncIterator[Questions]:
    context = RunContext(model=model or ScriptedChatModel(script=mind_says), **options)
    async with open_questions(tmp_path, context) as questions:
        yield questions


def _settings(text: str) -> None:
    Path("matrioska.toml").write_text(text)


@pytest.fixture
def minds(monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Let these minds be the settings' tree."""
    found = Tree()
    monkeypatch.setattr(cascade, "load_tree", found.load)
    monkeypatch.setattr(cascade, "find_member", found.find)
    return found


@pytest.fixture
def voters(monkeypatch: pytest.MonkeyPatch) -> Voters:
    """Let these voters be the settings' ensemble."""
    found = Voters(nodes=3)
    monkeypatch.setattr(ensemble, "load_topology", found.topology)
    monkeypatch.setattr(ensemble, "find_member", found.find)
    monkeypatch.setattr("matrioska.questions.load_topology", found.topology)
    return found


async def test_one_model_is_asked_the_question_as_it_is(tmp_path: Path) -> None:
    model = ScriptedChatModel(script=lambda *_: " Paris. ")
    async with _asking(tmp_path, model) as questions:
        found = await questions.ask("Where is the Louvre?", "single", thread_id="louvre")
    assert (found.via, found.text, found.thread_id, found.missing) == ("single", "Paris.", "louvre", [])
    assert found.usage.calls == 1
    assert [call.prompt for call in model.calls] == ["Where is the Louvre?"]
    said = [(told.type, told.content.strip()) for told in open_journal(tmp_path).messages("louvre")]
    assert said == [("query", "Where is the Louvre?"), ("response", "Paris.")]


async def test_one_model_that_says_nothing_is_no_answer(tmp_path: Path) -> None:
    async with _asking(tmp_path, ScriptedChatModel(script=lambda *_: "  ")) as questions:
        with pytest.raises(AnswerError, match="The answer is empty"):
            await questions.ask(QUESTION, "single", thread_id="nothing")
    messages = open_journal(tmp_path).messages("nothing")
    assert [told for told in messages if told.status == "open"] == []
    assert messages[-1].type == "error"


async def test_the_cascade_answers_with_all_minds(tmp_path: Path, minds: Tree) -> None:
    events: list[dict[str, Any]] = []
    async with _asking(tmp_path) as questions:
        found = await questions.ask(QUESTION, "cascade", on_event=events.append)
        report = await questions.show(found.thread_id)
    assert knows(found.text)
    assert found.usage.calls == sum(calls_of(minds.tree).values())
    assert [reply["mind"] for reply in found.details["minds"]] == list(SIX)
    assert found.thread_id.startswith("what-does-each-of-you-know-")
    assert {event["type"] for event in events} >= {"minds", "mind", "delegation", "reply", "done"}
    assert (report.status, report.via, report.question) == ("complete", "cascade", QUESTION)
    assert report.answered is not None
    assert report.answered.text == found.text
    messages = open_journal(tmp_path).messages(found.thread_id)
    assert len([told for told in messages if told.metrics]) == found.usage.calls


async def test_the_ensemble_answers_by_vote(tmp_path: Path, voters: Voters) -> None:
    async with _asking(tmp_path) as questions:
        found = await questions.ask(THREE, "ensemble", thread_id="capitals")
    assert all(capital in found.text for capital in ("Paris", "Lima", "Nairobi"))
    assert found.usage.calls == voters.calls()
    assert open_journal(tmp_path).messages("capitals")[0].content == THREE


async def test_who_is_missing_is_named_as_people_know_them(tmp_path: Path, minds: Tree, voters: Voters) -> None:
    minds.says["pixel"] = DOWN
    voters.says |= {
        f"n{n}": lambda prompt: DOWN if "Peru" in asked(prompt) else knows_capital(prompt) for n in (1, 2, 3)
    }
    async with _asking(tmp_path) as questions:
        assert (await questions.ask(QUESTION, "cascade", thread_id="a")).missing == ["Pixel"]
        assert (await questions.ask(THREE, "ensemble", thread_id="b")).missing == ["part 2"]
        assert (await questions.show("a")).status == "partial"


async def test_a_stopped_question_goes_on_where_it_was(tmp_path: Path, minds: Tree) -> None:
    control = RunControl()

    def stop(prompt: str) -> None:
        control.request_drain("enough")

    minds.says["nova"] = stop
    async with _asking(tmp_path) as questions:
        with pytest.raises(GraphDrained):
            await questions.ask(QUESTION, "cascade", thread_id="one", control=control)
        report = await questions.show("one")
        assert (report.status, report.answered, report.question) == ("unfinished", None, QUESTION)
    del minds.says["nova"]
    before = minds.made()
    async with _asking(tmp_path) as questions:
        found = await questions.resume("one")
        assert knows(found.text)
        assert len(before) + len(minds.made()) == sum(calls_of(minds.tree).values())
        again = await questions.resume("one")
    assert again.text == found.text
    assert minds.made() == [], "what was answered is not asked again"


async def test_a_question_that_nobody_answered_is_asked_again(tmp_path: Path, minds: Tree) -> None:
    minds.says |= dict.fromkeys(SIX, DOWN)
    async with _asking(tmp_path) as questions:
        with pytest.raises(CascadeError):
            await questions.ask(QUESTION, "cascade", thread_id="one")
        minds.says.clear()
        assert "FACT-atlas" in (await questions.resume("one")).text


async def test_a_used_up_budget_is_an_error_that_larger_limits_mend(tmp_path: Path, minds: Tree) -> None:
    async with _asking(tmp_path, budget_tokens=100) as questions:
        with pytest.raises(BudgetError, match="used up") as caught:
            await questions.ask(QUESTION, "cascade", thread_id="one")
        assert "matrioska resume one --budget-tokens" in caught.value.next_step
        assert (await questions.show("one")).status == "waiting"
    async with _asking(tmp_path, budget_tokens=1_000_000) as questions:
        assert "FACT-quantum" in (await questions.resume("one")).text


async def test_what_a_question_began_with_holds_when_it_is_resumed_elsewhere(tmp_path: Path, minds: Tree) -> None:
    async with _asking(tmp_path, budget_tokens=100) as questions:
        with pytest.raises(BudgetError):
            await questions.ask(QUESTION, "cascade", thread_id="one")
    async with open_questions(tmp_path) as questions:
        with pytest.raises(BudgetError):
            await questions.resume("one")


async def test_threads_of_questions_are_not_taken_twice_and_are_no_runs(tmp_path: Path, minds: Tree) -> None:
    async with _asking(tmp_path) as questions:
        await questions.ask(QUESTION, "cascade", thread_id="one")
        for via in VIAS[:2]:
            with pytest.raises(UsageError, match="already"):
                await questions.ask(QUESTION, via, thread_id="one")
        with pytest.raises(UsageError, match="not allowed"):
            await questions.ask(QUESTION, "cascade", thread_id="a/b")
        with pytest.raises(ThreadNotFoundError):
            await questions.resume("two")
    async with open_runs(tmp_path) as runs:
        with pytest.raises(ThreadNotFoundError):
            await runs.show("one")


async def test_minds_whose_models_cannot_be_used_are_named_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    named = {"a": "openai:gpt-4o", "b": "anthropic:x", "c": "openai:gpt-4o", "d": "ollama:y"}
    tables = [f'[[cascade.minds]]\nid = "{mind}"\nmodel = "{model}"' for mind, model in named.items()]
    _settings("\n".join([tables[0], *(f'{table}\nparent = "a"' for table in tables[1:])]))
    model = ScriptedChatModel(script=mind_says)
    async with _asking(tmp_path, model) as questions:
        with pytest.raises(TreeError) as caught:
            await questions.ask(QUESTION, "cascade", thread_id="one")
        with pytest.raises(ThreadNotFoundError):
            await questions.show("one")
    assert caught.value.faults == [
        "a, c: The key for openai:gpt-4o is missing",
        "b: The key for anthropic:x is missing",
    ]
    assert "OPENAI_API_KEY" in caught.value.next_step
    assert "ANTHROPIC_API_KEY" in caught.value.next_step
    assert model.calls == []


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("question", ["", " \n", "x" * 100_001], ids=["empty", "blank", "long"])
async def test_what_is_no_question_is_refused(tmp_path: Path, minds: Tree, via: Any, question: str) -> None:
    async with _asking(tmp_path) as questions:
        with pytest.raises(TaskError):
            await questions.ask(question, via)


async def test_who_can_be_asked_goes_by_the_settings(tmp_path: Path) -> None:
    async with open_questions(tmp_path) as questions:
        assert questions.ways() == ()
        with pytest.raises(UsageError, match="embedded model"):
            await questions.ask(QUESTION, "single")
        with pytest.raises(ConfigError, match="embedded model"):
            await questions.ask(QUESTION, "cascade")
        with pytest.raises(ConfigError, match="No ensemble is configured"):
            await questions.ask(QUESTION, "ensemble")
    async with _asking(tmp_path) as questions:
        assert questions.ways() == ("single", "cascade")
    _settings(
        '[[cascade.minds]]\nid = "a"\nmodel = "ollama:big"\n'
        '[[cascade.minds]]\nid = "b"\nparent = "a"\nmodel = "ollama:small"\n'
        '[[ensemble.nodes]]\nid = "n"\nmodel_a = "ollama:x"\nmodel_b = "ollama:y"\n'
    )
    async with open_questions(tmp_path) as questions:
        assert questions.ways() == VIAS


async def test_the_single_model_is_the_one_named_else_the_root_minds_else_the_worker(tmp_path: Path) -> None:
    _settings(
        'model = "ollama:all"\n[roles]\nworker = "ollama:worker"\n'
        '[[cascade.minds]]\nid = "a"\nmodel = "ollama:big"\n[[cascade.minds]]\nid = "b"\nparent = "a"\n'
    )
    assert single.Single(RunContext()).name == "ollama:big"
    assert single.Single(RunContext(model="ollama:mine")).name == "ollama:mine"
    _settings('model = "ollama:all"\n[roles]\nworker = "ollama:worker"\n')
    assert single.Single(RunContext()).name == "ollama:worker"


async def test_estimates_count_calls_tokens_and_dollars(tmp_path: Path) -> None:
    _settings(
        '[members.m]\nmodel = "openai:m"\ninput_price = 1.0\noutput_price = 2.0\n'
        '[[ensemble.nodes]]\nid = "n"\nmodel_a = "m"\nmodel_b = "openai:nobody-knows-this"\n'
    )
    async with open_questions(tmp_path, RunContext(model="m")) as questions:
        one, tree, vote = (questions.estimate(QUESTION, via) for via in VIAS)
    assert (one.calls, one.output_tokens) == (1, ANSWER)
    assert one.cost == pytest.approx((one.input_tokens + 2 * one.output_tokens) / 1e6)
    assert tree.calls > 6
    assert tree.output_tokens == ANSWER * tree.calls
    assert tree.input_tokens > tree.calls * one.input_tokens
    assert tree.cost == pytest.approx((tree.input_tokens + 2 * tree.output_tokens) / 1e6)
    assert (vote.calls, vote.cost) == (2, None), "the price of one of its models is not known"


async def test_the_estimate_counts_the_calls_that_are_made(tmp_path: Path) -> None:
    async with _asking(tmp_path) as questions:
        expected = questions.estimate(QUESTION, "cascade")
        found = await questions.ask(QUESTION, "cascade")
    assert found.usage.calls == expected.calls
    assert expected.cost == 0
