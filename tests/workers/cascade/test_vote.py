"""A mind that is an ensemble: its nodes vote on each of its steps, and its children get the whole question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska.models.gateway import Client, client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.cascade import MindSpec, MindTree
from matrioska.state.errors import CascadeError, ConfigError, ModelError
from matrioska.state.fences import read_fences
from matrioska.store.layout import Layout
from matrioska.workers.cascade import run
from matrioska.workers.cascade.run import Cascade
from tests.voters import Voters, asked

TREE = MindTree(
    minds=(
        MindSpec(id="many", model="ensemble", reflections=0, critique=False),
        MindSpec(id="leaf", parent="many", reflections=0, critique=False),
    )
)
DOWN = ModelError("Nothing listens there.")


def _cascade(monkeypatch: pytest.MonkeyPatch, voters: Voters, **fields: Any) -> tuple[Cascade, ScriptedChatModel]:
    monkeypatch.setattr(run, "load_topology", lambda: voters.topology(synthesizer="n1a"))
    leaf = ScriptedChatModel(script=lambda *_: "The leaf's word.")

    def find(name: str) -> Client:
        return client_of(leaf) if name == "leaf" else voters.find(name)

    return Cascade(TREE, default_model="leaf", find=find, **fields), leaf


def _says(prompt: str) -> str:
    return "All of it, joined." if "Stage: synthesise" in asked(prompt) else "1. One thing. 2. Another? 3. A third!"


async def test_the_nodes_vote_on_the_prompt_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    voters = Voters(nodes=3, says={f"n{number}": _says for number in (1, 2, 3)})
    cascade, leaf = _cascade(monkeypatch, voters)
    events = list[dict[str, Any]]()
    answer = await cascade.ask("1. What is it? 2. Why? 3. And then?", events.append)
    assert {event["mind"] for event in events if event["type"] == "piece"} == {"leaf"}, (
        "what nodes say is no answer yet"
    )
    assert answer.answer == "All of it, joined."
    assert answer.missing == []
    (prompt,) = [call.prompt for call in leaf.calls]
    assert read_fences(prompt)["question"] == "1. What is it? 2. Why? 3. And then?"
    assert read_fences(prompt)["context"] == "1. One thing. 2. Another? 3. A third!"
    # Two votes of three nodes of two models each; some may have been decided before the last was heard.
    assert 8 <= answer.minds[0].usage.calls == len(voters.begun) <= 12


async def test_what_its_nodes_are_worth_is_learnt_below_the_base_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Layout.at(tmp_path).prepare()
    cascade, _ = _cascade(
        monkeypatch, Voters(nodes=3, says={"n1": _says, "n2": _says, "n3": "No."}), base_path=tmp_path
    )
    await cascade.ask("What is it?")
    assert Layout.at(tmp_path).fitness.exists()


async def test_an_ensemble_that_is_down_is_a_mind_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    voters = Voters(nodes=2, says={"n1": lambda prompt: DOWN, "n2": lambda prompt: DOWN})
    cascade, _ = _cascade(monkeypatch, voters)
    answer = await cascade.ask("What is it?")
    assert answer.answer.startswith("The leaf's word.")
    assert answer.missing == ["many"]
    assert "Nothing listens there" in answer.minds[0].error


async def test_without_an_ensemble_the_tree_is_refused() -> None:
    with pytest.raises(ConfigError, match="No ensemble is configured"):
        Cascade(TREE, default_model="ollama:a")


async def test_all_down_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    voters = Voters(nodes=2, says={"n1": lambda prompt: DOWN, "n2": lambda prompt: DOWN})
    cascade, leaf = _cascade(monkeypatch, voters)
    leaf.script = lambda *_: DOWN
    with pytest.raises(CascadeError) as raised:
        await cascade.ask("What is it?")
    assert raised.value.failures.keys() == {"many", "leaf"}
