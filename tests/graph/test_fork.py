"""Fork and time travel: the old line stays as it was, the new one goes its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska.graph.guard import GuardedGraph
from matrioska.runs import Runs, open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import ThreadNotFoundError, UsageError
from matrioska.store.checkpointer import Checkpointer
from tests.graph.conftest import Start
from tests.support import Author, Driven, chain, delivered

Rows = list[tuple[Any, ...]]


def line(graph: GuardedGraph, thread: str) -> tuple[Rows, Rows]:
    """Return every stored byte of a thread."""
    saver = graph.checkpointer
    assert isinstance(saver, Checkpointer)
    found = [
        saver.conn.execute(f"SELECT * FROM {table} WHERE thread_id = ? ORDER BY 1, 2, 3, 4", (thread,)).fetchall()
        for table in ("checkpoints", "writes")
    ]
    return found[0], found[1]


def _at(driven: Driven, node: str) -> dict[str, Any]:
    """Return the config of the checkpoint before ``node``."""
    (found,) = [state for state in driven.graph.get_state_history(driven.config) if state.next == (node,)]
    return dict(found.config)


def _history(driven: Driven) -> dict[str, Any]:
    states = driven.graph.get_state_history(driven.config)
    return {state.config["configurable"]["checkpoint_id"]: state.values for state in states}


@pytest.mark.parametrize(
    ("node", "made"),
    [
        ("architect", ["agree m0", "agree m1", "assemble", "plan", "produce m0", "produce m1", "produce m2"]),
        ("execute", ["agree m0", "agree m1", "assemble", "produce m0", "produce m1", "produce m2"]),
        ("assemble", ["assemble"]),
        ("verify", []),
        ("deliver", []),
    ],
)
def test_going_back_in_time_runs_on_from_there(start: Start, node: str, made: list[str]) -> None:
    author = Author(chain(3))
    driven = start(author)
    first = driven.run("Do it.")
    history = {
        s.config["configurable"]["checkpoint_id"]: s.values for s in driven.graph.get_state_history(driven.config)
    }
    author.calls()
    again = driven.run(None, _at(driven, node))
    assert author.calls() == made
    assert delivered(again["deliverable"]["folder"]) == delivered(first["deliverable"]["folder"])
    after = _history(driven)
    assert {key: after[key] for key in history} == history
    assert len(after) > len(history)
    assert driven.state().values["status"] == "complete"


def test_going_back_with_another_plan(start: Start) -> None:
    author = Author(chain(3))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    architecture = driven.state().values["architecture"]
    shorter = {**architecture, "modules": architecture["modules"][:2]}
    forked = driven.update({"architecture": shorter}, "approval", _at(driven, "approval"))
    assert driven.run(None, forked)["status"] == "complete"
    assert author.calls() == ["agree m0", "assemble", "produce m0", "produce m1"]
    assert set(driven.results()) == {"m0", "m1"}


async def _begin(runs: Runs, author: Author) -> None:
    report = await runs.start("Do it.", thread_id="old")
    if report.status == "waiting":
        report = await runs.resume("old", True)
    assert report.status == "complete"
    author.calls()


async def _checkpoint(runs: Runs, node: str) -> str:
    (found,) = [one.checkpoint_id for one in await runs.history("old") if one.next == (node,)]
    return found


@pytest.mark.parametrize(
    ("node", "made"),
    [
        ("architect", 7),
        ("execute", 6),
        ("assemble", 1),
        ("verify", 0),
        ("deliver", 0),
    ],
)
async def test_a_fork_completes_and_leaves_every_byte_of_the_old_line(tmp_path: Path, node: str, made: int) -> None:
    author = Author(chain(3))
    async with open_runs(tmp_path, RunContext(approval="auto", model=author.model, review_rounds=0)) as runs:
        await _begin(runs, author)
        before, files = line(runs.graph, "old"), delivered(tmp_path / "matrioska_artifacts" / "old")
        new = await runs.fork("old", await _checkpoint(runs, node))
        assert line(runs.graph, "old") == before
        report = await runs.resume(new)
        assert report.status == "complete"
        assert report.thread_id == new != "old"
        assert len(author.calls()) == made
        assert line(runs.graph, "old") == before
        assert delivered(tmp_path / "matrioska_artifacts" / "old") == files
        assert delivered(tmp_path / "matrioska_artifacts" / new) == files
        assert {report.thread_id for report in await runs.threads()} == {"old", new}


async def test_a_fork_at_the_approval_asks_again(tmp_path: Path) -> None:
    author = Author(chain(3))
    async with open_runs(tmp_path, RunContext(approval="ask", model=author.model, review_rounds=0)) as runs:
        await _begin(runs, author)
        before = line(runs.graph, "old")
        new = await runs.fork("old", await _checkpoint(runs, "approval"), new_thread_id="new")
        report = await runs.resume(new)
        assert report.status == "waiting"
        assert report.waiting[0]["kind"] == "approval"
        assert author.calls() == []
        report = await runs.resume(new, {"decisions": [{"type": "approve"}]})
        assert report.status == "complete"
        assert line(runs.graph, "old") == before


async def test_the_end_can_be_forked_and_redone_there(tmp_path: Path) -> None:
    author = Author(chain(3))
    async with open_runs(tmp_path, RunContext(approval="auto", model=author.model, review_rounds=0)) as runs:
        await _begin(runs, author)
        before = line(runs.graph, "old")
        latest = (await runs.history("old"))[0].checkpoint_id
        new = await runs.fork("old", latest)
        report = await runs.redo(new, "m0", {"description": "Build m0. [value:new]"})
        assert report.status == "complete"
        assert author.calls() == ["agree m0", "agree m1", "assemble", "produce m0", "produce m1"]
        assert line(runs.graph, "old") == before
        assert (await runs.show("old")).values["shared_state"]["m0.api"]["note"] == ""
        assert report.values["shared_state"]["m0.api"]["note"] == "new"


async def test_what_cannot_be_forked_is_refused(tmp_path: Path) -> None:
    author = Author(chain(2))
    async with open_runs(tmp_path, RunContext(approval="auto", model=author.model, review_rounds=0)) as runs:
        await _begin(runs, author)
        latest = (await runs.history("old"))[0].checkpoint_id
        before = line(runs.graph, "old")
        with pytest.raises(ThreadNotFoundError):
            await runs.fork("nobody", latest)
        with pytest.raises(UsageError, match="No checkpoints"):
            await runs.fork("old", "ffff")
        with pytest.raises(UsageError, match=r"\d+ checkpoints"):
            await runs.fork("old", "1")
        for taken in ("old", "a b", "../x"):
            with pytest.raises(UsageError):
                await runs.fork("old", latest, new_thread_id=taken)
        assert line(runs.graph, "old") == before
