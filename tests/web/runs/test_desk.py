"""The desk: runs begun, answered, stopped, gone on with, forked and redone, and seen while they are at work."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.testing import Pieces
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import PlanError, TaskError, ThreadBusyError, ThreadNotFoundError, UsageError
from matrioska.store.ledger import Ledger
from matrioska.web.errors import RequestError
from matrioska.web.runs import drives, saved
from matrioska.web.runs.views import Event
from tests.support import Author, chain, good_answer, plan, reader, spec
from tests.web.runs.desks import desk_of, rests, until

APPROVE = {"decisions": [{"type": "approve"}]}


async def test_a_run_from_its_start_to_its_archive(tmp_path: Path) -> None:
    author = Author(chain(3))
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.")
        asked = await rests(desk, thread)
        assert (asked.status, asked.waiting, asked.step) == ("waiting", "approval", "approval")
        assert asked.question is not None
        assert [module.layer for module in asked.modules] == [0, 1, 2]
        assert {module.state for module in asked.modules} == {"waiting"}
        await desk.answer(thread, APPROVE)
        view = await rests(desk, thread)
        assert view.status == "complete"
        assert (view.line.done, view.line.modules, view.waiting, view.question) == (3, 3, "", None)
        assert {module.state for module in view.modules} == {"done"}
        assert all(module.critical and module.tokens and module.ended for module in view.modules)
        assert view.modules[2].depends_on == ["m1"]
        assert view.critical_path > 0
        assert view.spent["calls"] == author.model.count()
        assert set(view.shared_state) == {"m0.api", "m1.api"} | ({"m2.api"} & set(view.shared_state))
        owners = {file.path: file.module for file in view.files}
        assert owners == {"m0/m0.py": "m0", "m1/m1.py": "m1", "m2/m2.py": "m2", "README.md": ""}
        content, media_type = await desk.file(thread, "m1/m1.py")
        assert (content[:5], media_type) == (b'"""m1', "text/x-python")
        with zipfile.ZipFile(await desk.archive(thread)) as archive:
            assert any(name.endswith("m1/m1.py") for name in archive.namelist())
        assert [line.thread for line in await desk.runs()] == [thread]


async def test_a_module_opened_tells_what_it_was_asked_and_what_the_checks_said(tmp_path: Path) -> None:
    def mended(prompt: str, number: int) -> str:
        return good_answer("mend", "m0", prompt)

    author = Author(plan(spec("m0"), spec("m1")), told={"produce m0": "No files today.", "mend m0": mended})
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        assert (await rests(desk, thread)).status == "complete"
        detail = await desk.module(thread, "m0")
        assert [attempt.stage for attempt in detail.attempts] == ["produce", "mend"]
        first, second = detail.attempts
        assert first.answer == "No files today."
        assert "no file" in " ".join(first.complaints)
        assert second.complaints == []
        assert [part["role"] for part in first.prompt] == ["system", "user"]
        assert "Build m0." in first.prompt[1]["content"]
        assert detail.contract["id"] == "m0"
        assert detail.package["included"]
        assert [file.path for file in detail.files] == ["m0/m0.py"]
        assert detail.view.mends == 1
        with pytest.raises(RequestError, match="no module"):
            await desk.module(thread, "m9")


@pytest.mark.parametrize(
    "decision",
    [
        {"decisions": [{"type": "approve"}]},
        [{"type": "accept", "args": None}],
        True,
        "[ACCEPTED]",
    ],
)
async def test_all_dialects_approve(tmp_path: Path, decision: Any) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        thread = await desk.start("Build it.")
        await rests(desk, thread)
        await desk.answer(thread, decision)
        assert (await rests(desk, thread)).status == "complete"
        with pytest.raises(RequestError, match="waits for no answer"):
            await desk.answer(thread, decision)


async def test_an_edited_plan_is_checked_before_it_is_taken(tmp_path: Path) -> None:
    async with desk_of(Author(chain(2)), tmp_path) as desk:
        thread = await desk.start("Build it.")
        view = await rests(desk, thread)
        assert view.plan is not None
        broken = view.plan | {"modules": [*view.plan["modules"], spec("extra", "nobody")]}
        (complaint,) = await desk.check_plan(broken)
        assert "'nobody', which is not in the plan" in complaint
        with pytest.raises(PlanError, match="nobody"):
            await desk.answer(thread, {"decisions": [{"type": "edit", "args": broken}]})
        with pytest.raises(UsageError):
            await desk.answer(thread, {"type": "perhaps"})
        assert (await desk.run(thread)).waiting == "approval"
        mended = view.plan | {"modules": [*view.plan["modules"], spec("extra", "m0")]}
        assert await desk.check_plan(mended) == []
        await desk.answer(thread, {"decisions": [{"type": "edit", "args": mended}]})
        done = await rests(desk, thread)
        assert {module.id: module.state for module in done.modules} == {"m0": "done", "m1": "done", "extra": "done"}


async def test_failures_and_budgets_are_asked_about(tmp_path: Path) -> None:
    failing = Author(plan(spec("m0"), spec("m1", "m0")), told={"produce m0": ["No.", "No.", "No.", "No."]})
    failing.told["mend m0"] = "Never."
    async with desk_of(failing, tmp_path) as desk:
        thread = await desk.start("Build it.")
        await rests(desk, thread)
        await desk.answer(thread, True)
        view = await rests(desk, thread)
        assert view.waiting == "failures"
        assert {module.id: module.state for module in view.modules} == {"m0": "failed", "m1": "blocked"}
        assert all(module.error for module in view.modules)
        await desk.answer(thread, False)
        assert (await rests(desk, thread)).status in ("partial", "failed")
    async with desk_of(Author(chain(2)), tmp_path, budget_tokens=500) as desk:
        thread = await desk.start("Build that.", approval="auto")
        view = await rests(desk, thread)
        assert view.waiting == "budget"
        assert view.budget["budget_tokens"] == 500
        assert view.spent["tokens"] >= 500
        with pytest.raises(UsageError):
            await desk.answer(thread, "soon")
        await desk.answer(thread, {"budget_tokens": 1_000_000})
        assert (await rests(desk, thread)).status == "complete"


async def test_a_stopped_run_is_gone_on_with_by_another_server(tmp_path: Path) -> None:
    author = Author(chain(4), latency=0.1)
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await until(desk, thread, lambda view: any(module.state == "done" for module in view.modules))
        with pytest.raises(ThreadBusyError):
            await desk.resume(thread)
        with pytest.raises(ThreadBusyError):
            await desk.redo(thread, "m0")
        await desk.stop(thread)
        assert (await rests(desk, thread)).status == "unfinished"
        with pytest.raises(RequestError, match="not driven here"):
            await desk.stop(thread)
        await desk.resume(thread)
        await until(desk, thread, lambda view: view.line.here)
    # The server ended while the run was at work.
    async with desk_of(author, tmp_path) as desk:
        view = await desk.run(thread)
        assert view.status == "unfinished"
        done = {module.id for module in view.modules if module.state == "done"}
        author.calls()
        await desk.resume(thread)
        assert (await rests(desk, thread)).status == "complete"
        assert not {call for call in author.calls() if call.split()[-1] in done}


async def test_a_run_is_forked_and_a_module_redone(tmp_path: Path) -> None:
    author = Author(chain(3))
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await rests(desk, thread)
        history = await desk.history(thread)
        assert [found.step for found in history] == sorted((found.step for found in history), reverse=True)
        before = next(found for found in history if found.next == ["execute"])
        fork = await desk.fork(thread, before.id)
        assert (await desk.run(fork)).status == "unfinished"
        assert {module.state for module in (await desk.run(fork)).modules} == {"waiting"}
        await desk.resume(fork)
        assert (await rests(desk, fork)).status == "complete"
        author.calls()
        await desk.redo(thread, "m2", {"description": "Build it better."})
        view = await rests(desk, thread)
        assert view.status == "complete"
        assert "produce m2" in author.calls()
        assert view.plan is not None
        assert view.plan["modules"][2]["description"] == "Build it better."
        with pytest.raises(UsageError):
            await desk.redo(thread, "m9")
        with pytest.raises(UsageError):
            await desk.fork(thread, "no-such")
        assert {line.thread for line in await desk.runs()} == {thread, fork}


async def test_a_run_of_another_process_is_seen_live(tmp_path: Path) -> None:
    author = Author(chain(3), latency=0.3)
    context = RunContext(model=author.model, review_rounds=0, approval="auto")
    async with desk_of(author, tmp_path) as desk, open_runs(tmp_path, context) as elsewhere:
        begun = asyncio.Event()
        driven = asyncio.create_task(elsewhere.start("Build it.", thread_id="cli", on_event=lambda event: begun.set()))
        await begun.wait()
        events: list[Event] = []

        async def watch() -> None:
            async for event in desk.events("cli"):
                events.append(event)

        watching = asyncio.create_task(watch())
        view = await until(desk, "cli", lambda view: any(module.state == "producing" for module in view.modules))
        assert (view.status, view.line.here) == ("working", False)
        with pytest.raises(RequestError, match="not driven here"):
            await desk.stop("cli")
        with pytest.raises(ThreadBusyError):
            await desk.resume("cli")
        assert (await driven).status == "complete"
        view = await rests(desk, "cli")
        await until(desk, "cli", lambda _: bool(events) and events[-1].id >= view.events)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    phases = [(event.data["module"], event.data["phase"]) for event in events if event.type == "module"]
    assert [phase for module, phase in phases if module == "m2"][-2:] == ["producing", "done"]
    assert any(event.type == "state" for event in events)
    assert [event.id for event in events] == list(range(events[0].id, events[0].id + len(events)))


async def test_pieces_of_answers_are_told_while_somebody_listens(tmp_path: Path) -> None:
    def slowly(prompt: str, number: int) -> Any:
        return Pieces(["````text path=m0.py\n", 0.3, "def m0(): ...", 0.3, "\n````"])

    author = Author(plan(spec("m0")), told={"produce m0": slowly})
    author.model.disable_streaming = False
    async with desk_of(author, tmp_path) as desk:
        thread = await desk.start("Build it.")
        await rests(desk, thread)
        heard: list[str] = []

        async def listen() -> None:
            async for event in desk.events(thread):
                if event.type == "piece" and event.data["module"] == "m0":
                    heard.append(event.data["text"])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await desk.answer(thread, True)
        await rests(desk, thread)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert "def m0(): ..." in heard
    assert "".join(heard).startswith("````text path=m0.py")


async def test_what_cannot_be_started_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drives, "MOST_RUNS", 1)
    async with desk_of(Author(chain(1), latency=0.5), tmp_path) as desk:
        with pytest.raises(TaskError):
            await desk.start(" ")
        with pytest.raises(RequestError, match="nobody:x") as refused:
            await desk.start("Build it.", model="nobody:x")
        assert refused.value.status == 422
        with pytest.raises(UsageError):
            await desk.start("Build it.", thread="no/such")
        thread = await desk.start("Build it.", thread="one")
        with pytest.raises(RequestError, match="a thread 'one' already") as taken:
            await desk.start("Build it.", thread="one")
        assert taken.value.status == 409
        with pytest.raises(RequestError, match="under way") as busy:
            await desk.start("Build it.")
        assert busy.value.status == 429
        assert [line.thread for line in await desk.runs()] == [thread]


@pytest.mark.parametrize("thread", ["", "none", "../x", "a" * 65, "a\0", "%2e%2e"])
async def test_threads_that_are_not_there(tmp_path: Path, thread: str) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        for look in (desk.run, desk.history, desk.journal, desk.archive, desk.resume, desk.stop, desk.question):
            with pytest.raises(ThreadNotFoundError):
                await look(thread)
        with pytest.raises(ThreadNotFoundError):
            await anext(desk.events(thread))


@pytest.mark.parametrize(
    "path", ["", "..", "../matrioska.sqlite", "/etc/passwd", "m0/../m0/m0.py", "m0\\m0.py", "m0/\0"]
)
async def test_only_files_of_the_run_are_read(tmp_path: Path, path: str) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await rests(desk, thread)
        with pytest.raises(RequestError, match="no such file"):
            await desk.file(thread, path)


async def test_the_journal_is_told_in_brief_without_prompts(tmp_path: Path) -> None:
    async with desk_of(Author(plan(spec("m0", description="x" * 5_000))), tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await rests(desk, thread)
        whole, brief = await desk.journal(thread), await desk.journal(thread, brief=True)
        assert [message.id for message in brief] == [message.id for message in whole]
        assert max(len(message.model_dump_json()) for message in whole) > 5_000
        assert max(len(message.model_dump_json()) for message in brief) < 5_000
        (opened,) = await desk.journal(thread, brief[3].number - 1, 1)
        assert opened == whole[3]


async def test_what_was_spent_is_read_outside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        thread = await desk.start("Build it.", approval="auto")
        await rests(desk, thread)

        def read(path: Path) -> Ledger:
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            return Ledger(path)

        monkeypatch.setattr(saved, "Ledger", read)
        with (tmp_path / "matrioska_checkpoints" / "ledgers" / f"{thread}.jsonl").open("a") as ledger:
            ledger.write('{"kind":"call","tokens":1000000,"cost":0.0}\n')
        assert (await desk.run(thread)).line.tokens > 1_000_000


async def test_the_list_is_told_in_parts(tmp_path: Path) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        threads = [await desk.start(f"Build {number}.", thread=f"t{number}") for number in range(5)]
        for thread in threads:
            await rests(desk, thread)
        first = await desk.runs(limit=2)
        rest = await desk.runs(after=first[-1].thread, limit=10)
        assert [line.thread for line in [*first, *rest]] == [line.thread for line in await desk.runs()]
        assert {line.status for line in rest} == {"waiting"}


async def test_without_a_journal_the_graph_itself_says_where_modules_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATRIOSKA_JOURNAL", "off")
    async with desk_of(Author(plan(reader("a"), reader("b", "a")), latency=0.2), tmp_path) as desk:
        thread = await desk.start("Build it.")
        await rests(desk, thread)
        await desk.answer(thread, True)
        await until(desk, thread, lambda view: any(module.state == "producing" for module in view.modules))
        view = await rests(desk, thread)
        assert {module.state for module in view.modules} == {"done"}
        assert all(module.tokens for module in view.modules)
