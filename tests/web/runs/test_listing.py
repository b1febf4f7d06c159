"""The list of runs and questions, and one of its lines: as much is read as is shown."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from matrioska.questions import open_questions
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import ThreadNotFoundError
from matrioska.state.journal import Conversation
from matrioska.store.journal import Journal
from tests.support import Author, chain
from tests.web.runs.desks import desk_of, rests


async def test_the_list_comes_in_parts_the_one_touched_last_first(tmp_path: Path) -> None:
    author = Author(chain(1))
    context = RunContext(model=author.model, review_rounds=0)
    async with desk_of(author, tmp_path) as desk, open_questions(tmp_path, context) as questions:
        for number in range(4):
            await desk.start("Build it.", thread=f"t{number}")
            await rests(desk, f"t{number}")
        await questions.ask("What is it?", "single", thread_id="asked")
        await desk.answer("t1", True)
        await rests(desk, "t1")
        order = ["t1", "asked", "t3", "t2", "t0"]
        assert [line.thread for line in await desk.runs()] == order
        first = await desk.runs(limit=2)
        rest = await desk.runs(after=first[-1].thread, limit=9)
        assert [line.thread for line in [*first, *rest]] == order
        assert [line.thread for line in await desk.runs(after="none", limit=1)] == ["t1"]
        desk._saves.runs.saver.delete_thread("t1")
        assert [line.thread for line in await desk.runs()] == order[1:]


async def test_a_look_at_one_thread_reads_of_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Collection[str]]()
    heads = Journal.heads

    def noted(journal: Journal, wanted: Collection[str]) -> dict[str, Conversation]:
        asked.append(wanted)
        return heads(journal, wanted)

    async with desk_of(Author(chain(1)), tmp_path) as desk:
        for thread in ("one", "two", "three"):
            await desk.start("Build it.", thread=thread)
            await rests(desk, thread)
        monkeypatch.setattr(Journal, "heads", noted)
        monkeypatch.delattr(Journal, "latest")
        await desk.line("one")
        await desk.run("two")
        assert asked == [["one"], ["two"]]
        with pytest.raises(ThreadNotFoundError):
            await desk.line("one\0")


async def test_runs_that_are_listed_for_the_first_time_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk_of(Author(chain(1)), tmp_path) as desk:
        await desk.start("Build it.", thread="one", approval="auto")
        await rests(desk, "one")
    async with desk_of(Author(chain(1)), tmp_path) as desk, open_runs(tmp_path) as runs:
        saver, read = desk._saves.runs.saver, list[str]()
        get = saver.get_tuple
        monkeypatch.setattr(saver, "get_tuple", lambda config: read.append(str(config)) or get(config))
        assert [line.status for line in await desk.runs()] == ["complete"]
        assert [line.status for line in await desk.runs()] == ["complete"]
        assert len(read) == 1
        assert (await runs.show("one")).status == "complete"
