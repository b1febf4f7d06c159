"""Questions at the desk: the cascade's minds, and one model alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.questions import open_questions
from matrioska.state.context import RunContext
from matrioska.state.errors import ThreadNotFoundError
from matrioska.web.errors import RequestError
from matrioska.web.runs.desk import open_desk


async def test_a_single_model_and_its_answer(tmp_path: Path) -> None:
    model = ScriptedChatModel(script=lambda stage, module, prompt: "Paris.")
    context = RunContext(model=model)
    async with open_questions(tmp_path, context) as questions, open_desk(tmp_path, context) as desk:
        await questions.ask("What is the capital of France?", "single", thread_id="one")
        (line,) = await desk.runs()
        assert (line.thread, line.graph, line.status) == ("one", "single", "complete")
        view = await desk.question("one")
        assert (view.question, view.answer) == ("What is the capital of France?", "Paris.")
        assert [(mind.state, mind.reply) for mind in view.minds] == [("answered", "Paris.")]
        assert view.minds[0].tokens > 0
        assert (await desk.run("one")).line.graph == "single"
        with pytest.raises(ThreadNotFoundError):
            await desk.resume("one")
        with pytest.raises(RequestError, match="There is a thread 'one' already") as refused:
            await desk.start("Build it.", thread="one")
        assert refused.value.status == 409


async def test_the_minds_of_a_cascade(tmp_path: Path) -> None:
    model = ScriptedChatModel(script=lambda stage, module, prompt: "The sky scatters blue light.")
    context = RunContext(model=model)
    async with open_questions(tmp_path, context) as questions, open_desk(tmp_path, context) as desk:
        await questions.ask("Why is the sky blue?", "cascade", thread_id="sky")
        view = await desk.question("sky")
        assert view.line.graph == "cascade"
        assert view.answer
        root, *others = view.minds
        assert (root.parent, root.state) == ("", "answered")
        assert {mind.parent for mind in others} <= {mind.id for mind in view.minds}
        assert root.tokens > 0
        assert [line.status for line in await desk.runs()] == [view.line.status]
