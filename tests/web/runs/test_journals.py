"""The desk over other journals than the file beside the checkpoints: a database server, and none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.questions import open_questions
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.web.runs.views import Event
from tests.postgres import new_database
from tests.support import Author, chain
from tests.web.runs.desks import PATIENCE, desk_of, rests, until


@pytest.fixture(params=["off", "postgres"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "off":
        monkeypatch.setenv("MATRIOSKA_JOURNAL", "off")
        yield "off"
        return
    with new_database() as url:
        monkeypatch.setenv("MATRIOSKA_JOURNAL", url)
        yield "postgres"


async def test_a_run_is_driven_and_seen(tmp_path: Path, journal: str) -> None:
    author = Author(chain(2), latency=0.05)
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.")
        view = await rests(desk, thread)
        told = list[Event]()

        async def listen() -> None:
            async for event in desk.events(thread, view.events):
                told.append(event)

        listening = asyncio.create_task(listen())
        await desk.answer(thread, True)
        working = await until(desk, thread, lambda seen: any(one.state == "done" for one in seen.modules))
        assert working.modules[0].started
        ended = await rests(desk, thread)
        async with asyncio.timeout(PATIENCE):
            while not any(event.type == "status" for event in told):  # noqa: ASYNC110 - of a list
                await asyncio.sleep(0.02)
            assert [event.id for event in told] == list(range(view.events + 1, told[-1].id + 1))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert ended.status == "complete"
        assert [module.state for module in ended.modules] == ["done", "done"]
        assert all(module.tokens and module.started and module.ended for module in ended.modules)
        assert {"module", "step", "state", "status"} <= {event.type for event in told}
        detail = await desk.module(thread, "m0")
        assert detail.files
        assert bool(detail.attempts) == bool(await desk.journal(thread)) == (journal == "postgres")
        assert [line.status for line in await desk.runs()] == ["complete"]
        await desk.redo(thread, "m0")
        assert (await rests(desk, thread)).status == "complete"


async def test_a_run_of_another_process_is_seen(tmp_path: Path, journal: str) -> None:
    author = Author(chain(2), latency=0.05)
    context = RunContext(model=author.model, review_rounds=0, approval="auto")
    async with desk_of(author, tmp_path) as desk, open_runs(tmp_path, context) as elsewhere:
        driving = asyncio.create_task(elsewhere.start("Build it.", thread_id="far"))
        while not driving.done():
            if await desk.runs():
                await desk.run("far")
            await asyncio.sleep(0.05)
        await driving
        view = await rests(desk, "far")
        assert [module.state for module in view.modules] == ["done", "done"]
        assert view.line.tokens


async def test_questions_are_seen(tmp_path: Path, journal: str) -> None:
    context = RunContext(model=ScriptedChatModel(script=lambda stage, module, prompt: "It scatters."))
    async with open_questions(tmp_path, context) as questions, desk_of(Author(chain(1)), tmp_path) as desk:
        await questions.ask("Why is the sky blue?", "cascade", thread_id="sky")
        view = await desk.question("sky")
        assert view.answer and view.minds
        assert {mind.state for mind in view.minds} == {"answered"}
        await questions.ask("Why?", "single", thread_id="one")
        assert [line.thread for line in await desk.runs()] == (["one", "sky"] if journal == "postgres" else ["sky"])
