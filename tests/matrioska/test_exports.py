"""Exports of real runs: what they hold, and what they must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matrioska.exports import export_of
from matrioska.reports import RunReport
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import ModelError, ThreadNotFoundError, UsageError
from matrioska.store.artifacts import ArtifactStore
from tests.store.exporters.test_git import git, subjects
from tests.support import Author, chain, file_block, plan, spec

Options = dict[str, Any]


async def _run(base: Path, author: Author, **options: Any) -> RunReport:
    async with open_runs(base, _context(author, **options)) as runs:
        return await runs.start("Do it.", thread_id="one")


def _context(author: Author, **options: Any) -> RunContext:
    return RunContext.model_validate({"approval": "auto", "review_rounds": 0, "model": author.model, **options})


async def test_a_redo_adds_the_modules_that_changed(tmp_path: Path) -> None:
    author = Author(plan(spec("a"), spec("b", "a"), spec("c")))
    async with open_runs(tmp_path / "base", _context(author)) as runs:
        await runs.start("Do it.", thread_id="one")
        first = await runs.export_to("git", "one", tmp_path / "r")
        again = await runs.export_to("git", "one", tmp_path / "again")
        assert first.details["commits"] == again.details["commits"] == 4
        assert git(tmp_path / "r", "rev-parse", "main") == git(tmp_path / "again", "rev-parse", "main")
        assert (await runs.export_to("git", "one", tmp_path / "r")).details["commits"] == 0
        # The same inputs and the same answer: the run has new checkpoints, and nothing to commit.
        await runs.redo("one", "c")
        assert (await runs.export_to("git", "one", tmp_path / "r")).details["commits"] == 0
        await runs.redo("one", "c", {"description": "Build c, but better."})
        assert (await runs.export_to("git", "one", tmp_path / "r")).details["commits"] == 1
    assert subjects(tmp_path / "r") == ["A", "B", "C", "Assembly of Project", "C"]
    assert git(tmp_path / "r", "status", "--porcelain") == ""


async def test_a_partial_run_tells_what_it_is_without(tmp_path: Path) -> None:
    author = Author(chain(2), told={"produce m1": ModelError("down")})
    report = await _run(tmp_path, author)
    assert report.status == "partial"
    async with open_runs(tmp_path) as runs:
        await runs.export_to("git", "one", tmp_path / "r")
    assert subjects(tmp_path / "r") == ["M0", "Assembly of Project"]
    assert "Without:\n- M1" in git(tmp_path / "r", "log", "-1", "--format=%B")


async def test_no_key_no_address_and_no_folder_is_exported(tmp_path: Path) -> None:
    report = await _run(tmp_path, Author(chain(2)))
    values = json.loads(json.dumps(report.values))
    values["options"] |= {
        "model": "vllm:small@http://ana:secret@10.0.0.7:8000/v1",
        "roles": {"boss": f"gguf:{tmp_path}/models/boss.gguf", "critic": "huggingface:owner/critic"},
    }
    values["architecture"]["modules"][0]["model"] = f"gguf:{tmp_path}/mine.gguf"
    export = export_of(replace(report, values=values), ArtifactStore(tmp_path / "matrioska_checkpoints" / "objects"))
    assert export.models == {"boss": "gguf:boss.gguf", "critic": "huggingface:owner/critic", "default": "vllm:small"}
    assert [module.model for module in export.modules] == ["gguf:mine.gguf", "vllm:small"]
    from matrioska.store.exporters.registry import export_with

    export_with("git", export, tmp_path / "r")
    records = [*(tmp_path / "r" / ".matrioska").rglob("*.json"), *(tmp_path / "r" / ".git").glob("*")]
    text = "".join(path.read_text(errors="replace") for path in records if path.is_file())
    text += git(tmp_path / "r", "log", "--format=%B")
    assert "mine.gguf" in text
    for leak in ("secret", "10.0.0.7", str(tmp_path)):
        assert leak not in text


async def test_a_run_of_one_module_has_no_assembly(tmp_path: Path) -> None:
    author = Author(plan(spec("page")), told={"produce page": file_block("index.html", "<p>Hi</p>")})
    await _run(tmp_path / "base", author)
    async with open_runs(tmp_path / "base") as runs:
        await runs.export_to("git", "one", tmp_path / "r")
    assert subjects(tmp_path / "r") == ["PAGE"]


async def test_what_cannot_be_exported_is_said_before_anything_is_written(tmp_path: Path) -> None:
    async with open_runs(tmp_path / "base", _context(Author(chain(2)), approval="ask")) as runs:
        await runs.start("Do it.", thread_id="one")
        with pytest.raises(UsageError, match="no deliverable yet"):
            await runs.export_to("git", "one", tmp_path / "r")
        with pytest.raises(UsageError, match=r"no exporter 'gitt' \(did you mean 'git'\?\)"):
            await runs.export_to("gitt", "one", tmp_path / "r")
        with pytest.raises(ThreadNotFoundError):
            await runs.export_to("git", "none", tmp_path / "r")
    assert not (tmp_path / "r").exists()
