"""Replies that cannot be used, thoughts that are kept, and plans by number, through whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.state.fences import read_fences
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from tests.support import MODES, Author, Driven, fenced, good_answer, opened, plan, reader, spec

PAIR = plan(reader("a"), reader("b", "a"))
REFUSAL = "I'm sorry, but I can't help with that."


def _drive(author: Author, tmp_path: Path, graph: Any, mode: str = "sync", **options: Any) -> Driven:
    return Driven(graph, mode, tmp_path, author.model, options=options)


def _thinking(prompt: str, number: int) -> str:
    stage, module = prompt.split("\n")[0].split()[1], prompt.split("\n")[1].removeprefix("Module: ")
    said = fenced(PAIR) if stage == "plan" else good_answer(stage, module, prompt)
    return f"<think>I think of {stage}.</think>\n{said}"


@pytest.mark.parametrize("mode", MODES)
def test_what_models_think_is_kept_beside_the_state(mode: str, tmp_path: Path) -> None:
    stages = ("plan", "agree a", "produce a", "produce b", "assemble")
    author = Author(PAIR, dict.fromkeys(stages, _thinking))
    with opened("sqlite", tmp_path) as graph:
        driven = _drive(author, tmp_path, graph, mode)
        driven.run("Do it.")
        kept = driven.state().values["reasoning"]
        store = ArtifactStore(Layout.at(tmp_path).objects)
        said = {name: store.read(digest).decode() for name, digest in kept.items()}
        assert said == {
            "plan": "I think of plan.",
            "a.agree": "I think of agree.",
            "a.produce": "I think of produce.",
            "b.produce": "I think of produce.",
            "assemble": "I think of assemble.",
        }
        # A second run with the same inputs reuses what is done, and what was thought stays known.
        driven.run("Do it.")
        assert driven.state().values["reasoning"] == kept


def test_without_thoughts_nothing_is_kept(tmp_path: Path) -> None:
    with opened("memory", tmp_path) as graph:
        driven = _drive(Author(PAIR), tmp_path, graph)
        driven.run("Do it.")
        assert driven.state().values.get("reasoning", {}) == {}


@pytest.mark.parametrize("mode", MODES)
def test_an_architect_that_refuses_is_asked_again_and_then_named(mode: str, tmp_path: Path) -> None:
    author = Author(PAIR, {"plan": REFUSAL})
    with opened("none", tmp_path) as graph:
        result = Driven(graph, mode, tmp_path, author.model, thread=None).run("Do it.")
    assert result["status"] == "failed"
    assert f"The model refused: {REFUSAL}" in result["error"]["message"]
    assert "other words" in result["error"]["next_step"]
    again = author.prompts("plan")[1:]
    assert again and all("The model refused: " in read_fences(prompt)["complaints"] for prompt in again)


@pytest.mark.parametrize(
    ("useless", "words"),
    [
        (REFUSAL, "The model refused: I'm sorry"),
        ("", "The answer is empty"),
        ("<think>Hm, where to begin", "The answer is empty"),
        ("Here you are!", "The answer holds no file"),
        ("```js path=a.js\nlet x", "is not closed by a fence"),
    ],
)
def test_a_module_whose_answers_stay_unusable_fails_and_can_be_resumed(
    useless: str, words: str, tmp_path: Path
) -> None:
    author = Author(plan(spec("a"), spec("b")), {"produce a": useless, "mend a": useless})
    with opened("sqlite", tmp_path) as graph:
        driven = _drive(author, tmp_path, graph, approval="ask")
        driven.run("Do it.")
        driven.answer(True)
        assert driven.statuses() == {"a": "failed", "b": "done"}
        assert words in driven.results()["a"]["error"]["message"]
        # As often as any other fault, and each time told why.
        mends = author.prompts("mend", "a")
        assert len(mends) == 2 and all(words in read_fences(prompt)["complaints"] for prompt in mends)
        author.told.clear()
        assert driven.answer(True)["status"] == "complete"


def test_a_contract_that_stays_unusable_names_the_reason(tmp_path: Path) -> None:
    author = Author(PAIR, {"agree a": REFUSAL, "mend a": REFUSAL})
    with opened("memory", tmp_path) as graph:
        driven = _drive(author, tmp_path, graph)
        driven.run("Do it.")
        assert "The model refused" in driven.results()["a"]["error"]["message"]


def test_an_assembler_that_refuses_leaves_a_plain_readme(tmp_path: Path) -> None:
    author = Author(PAIR, {"assemble": REFUSAL})
    with opened("memory", tmp_path) as graph:
        driven = _drive(author, tmp_path, graph)
        assert driven.run("Do it.")["status"] == "complete"
        assert "The model refused" in driven.state().values["notes"]["readme"]


class LocalLLM(ScriptedChatModel):
    """Goes for a model that takes schemas: those are known by their class's name."""


def _numbered(*titles: str, builds_on: int = 1) -> str:
    modules = [{"title": title, "builds_on": [builds_on] if n else []} for n, title in enumerate(titles)]
    return json.dumps({"name": "P", "goal": "Have it.", "language": "en", "modules": modules})


@pytest.mark.parametrize("mode", MODES)
def test_a_model_held_to_a_schema_plans_by_number(mode: str, tmp_path: Path) -> None:
    answers = iter(
        [_numbered("Store", "Page", builds_on=2), _numbered("Store", "Page"), _numbered("Store", "Page", "Help")]
    )
    asked: list[str] = []

    def script(stage: str, module: str, prompt: str) -> str:
        if stage == "plan":
            asked.append(prompt)
            return next(answers)
        return good_answer(stage, module, prompt)

    with opened("sqlite", tmp_path) as graph:
        driven = Driven(graph, mode, tmp_path, LocalLLM(script=script), options={"approval": "ask"})
        driven.run("Do it.")
        assert "builds on module 2, which does not come before it" in read_fences(asked[1])["complaints"]
        first = driven.state().values["architecture"]["modules"]
        assert [m["id"] for m in first] == ["store", "page"]
        driven.answer("Add a help page.")
        shown = json.loads(read_fences(asked[2])["previous_plan"])
        assert [m["builds_on"] for m in shown["modules"]] == [[], [1]]
        assert read_fences(asked[2])["feedback"] == "Add a help page."
        result = driven.answer(True)
        assert result["status"] == "complete"
        assert sorted(driven.results()) == ["help", "page", "store"]
        assert set(result["shared_state"]) == {"store.contract"}
