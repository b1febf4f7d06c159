"""The worker ``cascade``: minds think about a module, and its root writes it in the form asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.architecture import ModuleSpec
from matrioska.state.cascade import MindTree
from matrioska.state.errors import ConfigError, ModelError
from matrioska.state.fences import read_fences
from matrioska.workers.base import Job
from matrioska.workers.cascade import worker
from matrioska.workers.cascade.tree import default_tree
from matrioska.workers.cascade.worker import CascadeWorker
from matrioska.workers.plugins import workers
from tests.minds import Minds, facts
from tests.support import Author, Driven, good_answer, opened, plan, reader

DOWN = ModelError("Nothing listens there.")
PROMPT = "Stage: produce\nModule: a\n\nWrite the story of the bridge."
Use = Callable[..., CascadeWorker]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Return a worker of these minds."""

    def prepared(minds: Minds) -> CascadeWorker:
        monkeypatch.setattr(worker, "load_tree", lambda default: minds.tree)
        return CascadeWorker(minds.find)

    return prepared


def _job(stage: str = "produce", content: Any = PROMPT, **options: Any) -> Job:
    return Job(
        stage=stage,
        spec=ModuleSpec(id="a", name="A", description="Write a story.", worker_options=options),
        messages=[SystemMessage("You write files."), HumanMessage(content)],
        client=client_of(ScriptedChatModel(script=lambda *_: "unused")),
    )


async def test_the_root_writes_the_module_with_what_all_minds_found(use: Use) -> None:
    minds = Minds(default_tree(), says={"atlas.produce": lambda prompt: " ".join(sorted(facts(prompt)))})
    work = await use(minds).answer(_job())
    assert set(work.reply.text.split()) == {"atlas", "nova", "echo", "pixel", "sage", "quantum"}
    (prompt,) = minds.prompts("atlas", "produce")
    assert prompt.startswith(PROMPT), "the module's own prompt comes first, word for word"
    assert "atlas.synthesise" not in minds.calls
    assert work.reply.usage.calls == len(minds.calls)
    assert read_fences(minds.prompts("echo")[0])["whole_question"] == PROMPT


@pytest.mark.parametrize("stage", ["agree", "mend"])
async def test_short_work_is_the_roots_alone(use: Use, stage: str) -> None:
    minds = Minds(default_tree())
    await use(minds).answer(_job(stage, f"Stage: {stage}\nModule: a"))
    assert minds.calls == [f"atlas.{stage}"]


async def test_pictures_stay_beside_what_the_minds_say(use: Use) -> None:
    minds = Minds(default_tree())
    picture = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    await use(minds).answer(_job("produce", [{"type": "text", "text": PROMPT}, picture]))
    call = minds.models["atlas"].calls[-1]
    assert facts(call.prompt) >= {"nova", "sage"}
    assert [block["type"] for block in call.blocks] == ["image"]


async def test_minds_that_are_down_are_told_and_done_without(use: Use) -> None:
    minds = Minds(default_tree(), says={"nova": DOWN, "echo": DOWN, "pixel": DOWN, "atlas.produce": "Written."})
    work = await use(minds).answer(_job())
    assert work.reply.text == "Written."
    assert "Nothing listens there." in minds.prompts("atlas", "produce")[0]


async def test_a_root_that_is_down_is_the_modules_error(use: Use) -> None:
    with pytest.raises(ModelError, match="Nothing listens there"):
        await use(Minds(default_tree(), says={"atlas": DOWN})).answer(_job())


async def test_options_are_refused_in_words(use: Use) -> None:
    with pytest.raises(ConfigError, match="takes none"):
        await use(Minds(default_tree())).answer(_job(minds=["nova"]))


async def test_a_tree_of_one_mind_is_one_model(use: Use) -> None:
    alone = MindTree(minds=(default_tree().minds[0].model_copy(update={"reflections": 0, "critique": False}),))
    minds = Minds(alone, says={"atlas": "Written."})
    assert (await use(minds).answer(_job())).reply.text == "Written."
    assert minds.calls == ["atlas.produce"]


def test_a_run_with_one_module_done_by_the_minds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first draft holds no file; that is mended as with one model."""
    minds = Minds(default_tree())
    minds.says = {
        "atlas.agree": lambda prompt: good_answer("agree", "a", prompt),
        "atlas.produce": "Here is what I would write.",
        "atlas.mend": lambda prompt: good_answer("mend", "a", prompt),
    }
    monkeypatch.setattr(worker, "load_tree", lambda default: minds.tree)
    found = {**workers(), "cascade": CascadeWorker(minds.find)}
    monkeypatch.setattr("matrioska.nodes.work.workers", lambda: found)
    author = Author(plan(reader("a", worker="cascade"), reader("b", "a")))
    with opened("sqlite", tmp_path) as graph:
        run = Driven(graph, "async", tmp_path, author.model)
        run.run("Build it.")
        assert run.statuses() == {"a": "done", "b": "done"}
    assert {"atlas.agree", "atlas.produce", "atlas.mend"} <= set(minds.calls)
    assert minds.calls.count("echo.analyse") == 1
    assert "produce a" not in author.calls()
