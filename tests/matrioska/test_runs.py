"""Runs on a base path: start, resume, redo, show, history, export, by call counts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from langgraph.runtime import RunControl

from matrioska.graph.ensemble import build_ensemble_graph
from matrioska.runs import Runs, open_runs
from matrioska.state.approval import Decision
from matrioska.state.context import RunContext
from matrioska.state.errors import (
    ModelError,
    PlanError,
    StoreError,
    TaskError,
    ThreadNotFoundError,
    UnknownModelError,
    UsageError,
)
from tests.support import Author, chain, delivered, file_block, plan, reader, spec

Open = Callable[..., Any]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Open]:
    """Open the runs below ``tmp_path`` for an author."""
    async with AsyncExitStack() as stack:

        async def opened(author: Author, **options: Any) -> Runs:
            quiet = {"approval": "auto", "review_rounds": 0}
            context = RunContext.model_validate({**quiet, "model": author.model, **options})
            return await stack.enter_async_context(open_runs(tmp_path, context))

        yield opened


async def test_a_run_from_task_to_files(begin: Open, tmp_path: Path) -> None:
    author = Author(chain(2))
    runs = await begin(author)
    events: list[dict[str, Any]] = []
    report = await runs.start("Do it.", on_event=events.append)
    assert report.status == "complete"
    assert report.thread_id.startswith("do-it-")
    assert report.seconds > 0
    assert report.next == ()
    assert report.architecture is not None
    assert report.deliverable is not None
    assert Path(report.deliverable.folder) == tmp_path / "matrioska_artifacts" / report.thread_id
    assert Path(report.deliverable.archive) == tmp_path / "matrioska_results.zip"
    for folder in (runs.layout.checkpoints, runs.layout.records(report.thread_id)):
        assert json.loads((folder / "architecture.json").read_text())["name"] == "Project"
        assert set(json.loads((folder / "shared_state.json").read_text())) == {"m0.api", "m1.api"}
    assert {event["type"] for event in events} == {"step", "module"}


@pytest.mark.parametrize("task", ["", "x" * 200_000, "\0\1\2\3" * 9])
async def test_bad_tasks_leave_nothing(begin: Open, task: str) -> None:
    runs = await begin(Author(chain(2)))
    with pytest.raises(TaskError):
        await runs.start(task)
    assert await runs.threads() == []


async def test_an_unknown_model_is_refused_before_any_work(tmp_path: Path) -> None:
    async with open_runs(tmp_path, RunContext(model="nobody:x")) as runs:
        with pytest.raises(UnknownModelError, match="nobody:x"):
            await runs.start("Do it.")
        assert await runs.threads() == []


async def test_a_thread_id_is_taken_once_and_checked(begin: Open) -> None:
    runs = await begin(Author(chain(2)))
    await runs.start("Do it.", thread_id="one")
    with pytest.raises(UsageError, match="already") as caught:
        await runs.start("Do it.", thread_id="one")
    assert "resume one" in caught.value.next_step
    for thread in ("a b", "../x", "x" * 65):
        with pytest.raises(UsageError, match="not allowed"):
            await runs.start("Do it.", thread_id=thread)


async def test_unknown_runs_are_named(begin: Open) -> None:
    runs = await begin(Author(chain(2)))
    for act in (
        runs.show("none"),
        runs.history("none"),
        runs.resume("none"),
        runs.redo("none", "a"),
        runs.export("none", Path("x.zip")),
        runs.show("../x"),
    ):
        with pytest.raises(ThreadNotFoundError):
            await act


async def test_a_run_waits_for_its_approval(begin: Open) -> None:
    author = Author(chain(2))
    runs = await begin(author, approval="ask")
    report = await runs.start("Do it.", thread_id="one")
    assert report.status == "waiting"
    assert report.next == ("approval",)
    assert report.waiting[0]["kind"] == "approval"
    assert (await runs.resume("one")).status == "waiting"
    assert author.calls() == ["plan"]
    assert (await runs.resume("one", Decision(type="approve"))).status == "complete"
    with pytest.raises(UsageError, match="not waiting"):
        await runs.resume("one", Decision(type="approve"))


async def test_an_edit_is_checked_before_it_is_taken(begin: Open) -> None:
    author = Author(chain(2))
    runs = await begin(author, approval="ask")
    await runs.start("Do it.", thread_id="one")
    cyclic = plan(spec("a", "b"), spec("b", "a"))
    with pytest.raises(PlanError, match="cycle"):
        await runs.resume("one", Decision(type="edit", plan=cyclic))
    assert (await runs.show("one")).status == "waiting"
    report = await runs.resume("one", Decision(type="edit", plan=plan(spec("x"), spec("y"))))
    assert report.status == "complete"
    assert set(report.values["results"]) == {"x", "y"}


async def test_a_wish_and_a_refusal(begin: Open) -> None:
    runs = await begin(Author(chain(2)), approval="ask")
    await runs.start("Do it.", thread_id="one")
    assert (await runs.resume("one", Decision(type="respond", text="Fewer."))).status == "waiting"
    report = await runs.resume("one", Decision(type="reject"))
    assert (report.status, report.values["error"]["code"]) == ("failed", "rejected")


async def test_resume_runs_only_what_failed_and_what_depends_on_it(begin: Open) -> None:
    author = Author(
        plan(spec("a"), spec("b"), reader("c", contract_first=False), spec("d", "c"), spec("e")),
        {"produce c": ModelError("down")},
    )
    runs = await begin(author)
    report = await runs.start("Do it.", thread_id="one")
    assert report.status == "partial"
    assert {m: r["status"] for m, r in report.values["results"].items()} == {
        "a": "done", "b": "done", "c": "failed", "d": "blocked", "e": "done",
    }  # fmt: skip
    author.calls()
    del author.told["produce c"]
    report = await runs.resume("one")
    assert report.status == "complete"
    assert author.calls() == ["assemble", "produce c", "produce d"]
    assert (await runs.resume("one")).status == "complete"
    assert author.calls() == []


async def test_resume_mends_what_did_not_fit(begin: Open) -> None:
    dead = file_block("a.md", "[x](../b/missing.md)")
    author = Author(plan(spec("a"), spec("b")), {"produce a": dead, "mend a": dead})
    runs = await begin(author)
    assert (await runs.start("Do it.", thread_id="one")).status == "partial"
    author.calls()
    author.told["mend a"] = file_block("a.md", "fine")
    report = await runs.resume("one")
    assert report.status == "complete"
    assert author.calls() == ["assemble", "mend a"]


async def test_a_failed_plan_can_be_asked_for_again(begin: Open) -> None:
    author = Author(chain(2), {"plan": "No plan."})
    runs = await begin(author)
    report = await runs.start("Do it.", thread_id="one")
    assert (report.status, report.values["error"]["raw_answer"]) == ("failed", "No plan.")
    author.told.clear()
    assert (await runs.resume("one")).status == "complete"


async def test_redo_changes_one_module(begin: Open) -> None:
    author = Author(chain(3))
    runs = await begin(author)
    await runs.start("Do it.", thread_id="one")
    author.calls()
    report = await runs.redo("one", "m1", {"description": "Build m1. [value:new]"})
    assert report.status == "complete"
    assert author.calls() == ["agree m1", "assemble", "produce m1", "produce m2"]
    report = await runs.redo("one", "m2")
    assert author.calls() == ["assemble", "produce m2"]
    assert report.values["architecture"]["modules"][1]["description"] == "Build m1. [value:new]"


@pytest.mark.parametrize(
    ("module", "changes", "says"),
    [
        ("nobody", {}, "no module 'nobody'"),
        ("m1", {"id": "other"}, "cannot rename"),
        ("m0", {"dependencies": ["m1"]}, "cycle"),
        ("m0", {"shared_state_writes": []}, "which no module writes"),
        ("m0", {"size": "huge"}, "must be a number"),
        ("m0", {"description": 17}, "must be text"),
    ],
)
async def test_a_redo_that_cannot_be_changes_nothing(
    begin: Open, module: str, changes: dict[str, Any], says: str
) -> None:
    author = Author(chain(2))
    runs = await begin(author)
    await runs.start("Do it.", thread_id="one")
    before = await runs.history("one")
    author.calls()
    with pytest.raises((UsageError, PlanError), match=says):
        await runs.redo("one", module, changes)
    assert await runs.history("one") == before
    assert author.calls() == []


async def test_a_redo_needs_results(begin: Open) -> None:
    runs = await begin(Author(chain(2)), approval="ask")
    await runs.start("Do it.", thread_id="one")
    with pytest.raises(UsageError, match="built nothing yet"):
        await runs.redo("one", "m0")


async def test_a_drained_run_is_interrupted_and_goes_on(begin: Open) -> None:
    author = Author(chain(3))
    runs = await begin(author)
    control = RunControl()

    def stop(event: dict[str, Any]) -> None:
        if event.get("phase") == "agreed":
            control.request_drain("asked to")

    report = await runs.start("Do it.", thread_id="one", on_event=stop, control=control)
    assert report.status == "interrupted"
    assert (await runs.show("one")).status == "unfinished"
    assert (await runs.resume("one")).status == "complete"
    assert len(author.calls()) == 7


async def test_a_query_of_the_ensemble_is_no_run(begin: Open) -> None:
    runs = await begin(Author(chain(2)))
    await runs.start("Do it.", thread_id="one")
    queries = build_ensemble_graph(runs.saver)
    await queries.aupdate_state({"configurable": {"thread_id": "two"}}, {"query": "Why?"}, as_node="__start__")
    assert [report.thread_id for report in await runs.threads()] == ["one"]
    with pytest.raises(ThreadNotFoundError):
        await runs.resume("two")


async def test_history_tells_the_steps(begin: Open) -> None:
    runs = await begin(Author(chain(2)))
    await runs.start("Do it.", thread_id="one")
    history = await runs.history("one")
    assert [found.next for found in history][:8] == [
        (), ("remember",), ("deliver",), ("review",), ("verify",), ("assemble",), ("execute",), ("approval",),
    ]  # fmt: skip
    assert [found.done for found in history][:8] == [2, 2, 2, 2, 2, 2, 0, 0]
    assert history[0].modules == 2
    assert sorted((found.checkpoint_id for found in history), reverse=True) == [
        found.checkpoint_id for found in history
    ]


async def test_threads_are_listed_the_last_touched_first(begin: Open) -> None:
    runs = await begin(Author(chain(2)))
    for thread in ("a", "b"):
        await runs.start("Do it.", thread_id=thread)
    await runs.redo("a", "m0")
    assert [report.thread_id for report in await runs.threads()] == ["a", "b"]


async def test_export_writes_the_zip_anywhere(begin: Open, tmp_path: Path) -> None:
    runs = await begin(Author(chain(2)), approval="ask")
    await runs.start("Do it.", thread_id="one")
    with pytest.raises(UsageError, match="no deliverable yet"):
        await runs.export("one", tmp_path / "x.zip")
    await runs.resume("one", True)
    archive = await runs.export("one", tmp_path / "deep" / "x.zip")
    with zipfile.ZipFile(archive) as bundle:
        assert "m0/m0.py" in bundle.namelist()
    assert archive.read_bytes() == (tmp_path / "matrioska_results.zip").read_bytes()
    with pytest.raises(StoreError):
        await runs.export("one", archive / "x.zip")


async def test_a_base_path_that_was_moved_between_two_drives_goes_on(tmp_path: Path) -> None:
    author = Author(chain(3), {"produce m1": ModelError("down"), "produce m0": "Sorry."})
    control = RunControl()
    (tmp_path / "old").mkdir()

    def stop(event: dict[str, Any]) -> None:
        if event.get("phase") == "mending":
            control.request_drain("asked to")

    context = RunContext(approval="auto", model=author.model, review_rounds=0)
    async with open_runs(tmp_path / "old", context) as runs:
        report = await runs.start("Do it.", thread_id="one", on_event=stop, control=control)
    assert report.status == "interrupted"
    (tmp_path / "old").rename(tmp_path / "new")
    author.told = {"mend m0": file_block("m0.py", "def m0_api_call(): ...")}
    async with open_runs(tmp_path / "new", context) as runs:
        report = await runs.resume("one")
        if report.status == "partial":
            report = await runs.resume("one")
    assert report.status == "complete"
    assert not (tmp_path / "old").exists()
    assert "m0/m0.py" in delivered(tmp_path / "new" / "matrioska_artifacts" / "one")


async def test_a_base_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot write to"):
        async with open_runs(tmp_path / "file"):
            pass


async def test_a_run_of_a_newer_format_does_not_hide_the_others(begin: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = await begin(Author(chain(1)))
    await runs.start("Do it.", thread_id="old")
    monkeypatch.setattr("matrioska.nodes.architect.STATE_FORMAT", 99)
    with pytest.raises(StoreError, match="format 99"):
        await runs.start("Do it.", thread_id="new")
    assert {report.thread_id: report.status for report in await runs.threads()} == {
        "old": "complete",
        "new": "unreadable",
    }


async def test_who_decided_on_the_plan_stays_on_record(begin: Open) -> None:
    author = Author(chain(2))
    asking = await begin(author, approval="ask")
    await asking.start("Do it.", thread_id="one")
    await asking.resume("one", Decision(type="edit", plan=chain(2) | {"name": "Mine"}))
    alone = await begin(author)
    assert (await alone.redo("one", "m1")).status == "complete"
    decided = [(found.who, found.what) for found in (await alone.memory("one")).decisions]
    assert decided == [("person", "edited the plan “Mine” of 2 modules")]
