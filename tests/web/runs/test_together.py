"""Several who look at one run and act: nobody answers a question that he has not read, or twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import MatrioskaError, PlanError, ThreadBusyError
from matrioska.web.errors import RequestError
from matrioska.web.runs import drives
from tests.support import Author, chain, plan, spec
from tests.web.runs.desks import desk_of, rests, until


async def test_a_step_that_asks_again_asks_another_question(tmp_path: Path) -> None:
    author = Author(chain(4))
    async with desk_of(author, tmp_path, budget_tokens=500, slots=1) as desk:
        thread = await desk.start("Build it.", approval="auto")
        read: list[str] = []
        while (view := await rests(desk, thread)).waiting == "budget":
            assert view.question is not None
            told = view.question["action_requests"][0]["args"]["spent"]
            assert told["tokens"] == view.spent["tokens"], "the question shown is an older one"
            calls = author.model.count()
            for older in read:
                with pytest.raises(RequestError, match="something else by now") as refused:
                    await desk.answer(thread, True, older)
                assert refused.value.status == 409
            assert author.model.count() == calls
            read.append(view.question["id"])
            await desk.answer(thread, True, read[-1])
        assert view.status == "complete"
        assert len(set(read)) == len(read) > 2


async def test_of_two_who_answer_at_once_one_is_heard(tmp_path: Path) -> None:
    author = Author(chain(2), latency=0.05)
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.")
        view = await rests(desk, thread)
        assert view.question is not None
        edited = chain(2) | {"name": "Another name"}
        decisions = [True, {"type": "edit", "args": edited}, True, "[ACCEPTED]"]
        answers = [desk.answer(thread, decision, view.question["id"]) for decision in decisions]
        told = await asyncio.gather(*answers, return_exceptions=True)
        refused = [found for found in told if found is not None]
        assert len(refused) == 3
        assert all(isinstance(found, ThreadBusyError | RequestError) for found in refused)
        assert (await rests(desk, thread)).status == "complete"
        assert len([call for call in author.calls() if call == "produce m0"]) == 1


async def test_an_answer_is_refused_where_the_command_line_gave_another(tmp_path: Path) -> None:
    author = Author(chain(1))
    context = RunContext(model=author.model, review_rounds=0)
    async with desk_of(author, tmp_path) as desk, open_runs(tmp_path, context) as elsewhere:
        thread = await desk.start("Build it.")
        view = await rests(desk, thread)
        assert view.question is not None
        await elsewhere.resume(thread, "Make it blue.")
        again = await rests(desk, thread)
        assert again.question is not None
        with pytest.raises(RequestError, match="something else by now"):
            await desk.answer(thread, True, view.question["id"])
        await desk.answer(thread, True, again.question["id"])
        assert (await rests(desk, thread)).status == "complete"


async def test_of_two_who_go_on_redo_or_start_at_once_one_does(tmp_path: Path) -> None:
    author = Author(chain(2), latency=0.05)
    async with desk_of(author, tmp_path) as desk:
        started = await asyncio.gather(
            *(desk.start("Build it.", thread="one", approval="auto") for _ in range(3)), return_exceptions=True
        )
        assert started.count("one") == 1
        assert all(isinstance(found, MatrioskaError) for found in started if found != "one")
        await rests(desk, "one")
        redone = await asyncio.gather(*(desk.redo("one", "m0") for _ in range(3)), return_exceptions=True)
        assert redone.count(None) == 1
        assert all(isinstance(found, ThreadBusyError) for found in redone if found is not None)
        assert (await rests(desk, "one")).status == "complete"


async def test_a_fork_of_a_run_at_work_leaves_it_alone(tmp_path: Path) -> None:
    author = Author(chain(3), latency=0.1)
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await until(desk, thread, lambda view: any(module.state == "done" for module in view.modules))
        before = next(found for found in await desk.history(thread) if found.next == ["execute"])
        fork = await desk.fork(thread, before.id)
        await desk.resume(fork)
        assert (await rests(desk, thread)).status == "complete"
        assert (await rests(desk, fork)).status == "complete"


async def test_a_run_that_is_stopped_as_it_starts_ends_and_goes_on(tmp_path: Path) -> None:
    async with desk_of(Author(chain(2), latency=0.1), tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await desk.stop(thread)
        assert (await rests(desk, thread)).status == "unfinished"
        await desk.resume(thread)
        assert (await rests(desk, thread)).status == "complete"


async def test_who_asks_again_to_stop_gives_a_run_no_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drives, "GRACE", 0.3)
    async with desk_of(Author(chain(1), latency=60), tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        deadlines = set()
        for _ in range(3):
            assert desk.drives.halt(thread)
            timer = desk.drives._drives[thread].timer
            assert timer is not None
            deadlines.add(timer.when())
        assert len(deadlines) == 1
        assert (await rests(desk, thread)).status == "unfinished"


async def test_a_plan_may_name_the_assets_of_its_run_and_no_others(tmp_path: Path) -> None:
    asset = tmp_path / "prices.csv"
    asset.write_text("owl,3\n")
    reading = plan(spec("m0", asset_reads=["prices.csv"]))
    async with desk_of(Author(reading), tmp_path / "base") as desk:
        thread = await desk.start("Build it.", assets=[asset])
        view = await rests(desk, thread)
        assert view.plan is not None
        assert await desk.check_plan(view.plan, thread) == []
        other = plan(spec("m0", asset_reads=["costs.csv"]))
        assert await desk.check_plan(other) == []
        (complaint,) = await desk.check_plan(other, thread)
        assert "'costs.csv', which the project does not have" in complaint
        with pytest.raises(PlanError, match=r"costs\.csv"):
            await desk.answer(thread, {"type": "edit", "args": other})
        assert (await desk.run(thread)).question == view.question
