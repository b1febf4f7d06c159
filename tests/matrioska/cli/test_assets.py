"""``run --asset``: files become the project's before any model is asked; faults are told all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matrioska import MatrioskaOrchestrator
from matrioska.state.errors import AssetError
from matrioska.state.fences import read_fences
from tests import media
from tests.support import Author, plan, spec

TASK = "Make a page about my tune and its cover"


@pytest.fixture
def author() -> Author:
    looker = spec("look", modality="vision", asset_reads=["cover.png"], shared_state_writes=["look.api"])
    teller = spec("tell", "look", modality="prose", asset_reads=["notes/*"], shared_state_reads=["look.api"])
    return Author(plan(looker, teller))


@pytest.fixture
def cover(tmp_path: Path) -> Path:
    place = tmp_path / "mine" / "cover.png"
    place.parent.mkdir()
    place.write_bytes(media.image(320, 200))
    return place


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.md").write_text("The sea answers.\n")
    return folder


def _call(author: Author, stage: str, module: str) -> Any:
    return next(call for call in author.model.calls if (call.stage, call.module) == (stage, module))


def test_files_reach_the_modules_that_name_them(cli, author: Author, cover: Path, notes: Path) -> None:
    ended = cli(
        "run", "-t", "one", "--yes", "--json", "--asset", str(cover), "--asset", str(notes), TASK, author=author
    )
    assert ended.code == 0, ended.err
    asked = read_fences(_call(author, "plan", "").prompt)["assets"]
    assert asked == "- cover.png: PNG image, 320 × 200\n- notes/one.md: Markdown text, 1 line, 17 bytes"
    look, tell = _call(author, "produce", "look"), _call(author, "produce", "tell")
    assert [block["mime_type"] for block in look.blocks] == ["image/png"]
    assert read_fences(look.prompt)["shown"] == "1. image: cover.png"
    assert tell.blocks == ()
    assert "The sea answers." in read_fences(tell.prompt)["assets"]
    assert "The sea answers." not in look.prompt
    assert "cover.png" not in tell.prompt


def test_a_project_keeps_its_files_for_later_runs(cli, author: Author, cover: Path, notes: Path) -> None:
    given = ("--project", "album", "--asset", str(cover), "--asset", str(notes))
    assert cli("run", "-t", "one", "--yes", "-q", *given, TASK, author=author).code == 0
    cover.unlink()
    author.model.calls.clear()
    assert cli("run", "-t", "two", "--yes", "-q", "--project", "album", "Another page", author=author).code == 0
    assert "cover.png" in read_fences(_call(author, "plan", "").prompt)["assets"]
    assert len(_call(author, "produce", "look").blocks) == 1


def test_every_fault_is_told_and_nothing_is_started(cli, author: Author, cover: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "mine" / "tune.wav"
    wrong.write_text("just text")
    given = ("--asset", str(cover), "--asset", str(wrong), "--asset", "nowhere.png")
    ended = cli("run", "-t", "one", *given, TASK, author=author)
    assert ended.code == 2
    assert ended.err.count("✗") == 1
    for words in ("tune.wav is not a sound", "There is no file nowhere.png", "nothing was started"):
        assert words in " ".join(ended.err.split())
    assert author.model.calls == []
    assert cli("threads", "--json").json == []
    assert cli("run", "-t", "one", "--yes", "-q", "--asset", str(cover), TASK, author=Author(plan(spec("a")))).code == 0


def test_a_thread_that_is_taken_takes_no_files(cli, cover: Path, tmp_path: Path) -> None:
    assert cli("run", "-t", "one", "--yes", "-q", "--project", "p", TASK, author=Author(plan(spec("a")))).code == 0
    ended = cli("run", "-t", "one", "--project", "p", "--asset", str(cover), TASK)
    assert (ended.code, "a run 'one' already" in ended.err) == (2, True)
    author = Author(plan(spec("a")))
    assert cli("run", "-t", "two", "--yes", "-q", "--project", "p", TASK, author=author).code == 0
    assert "assets" not in read_fences(_call(author, "plan", "").prompt)


@pytest.mark.parametrize("name", ["a.b", "-x", "", "a" * 65, "../up"])
def test_a_name_that_no_project_can_have(cli, name: str) -> None:
    ended = cli("run", f"--project={name}", TASK)
    assert ended.code == 2
    assert "--project cannot be" in ended.err
    assert "letters, digits" in ended.err


def test_the_plan_shows_which_files_modules_read(cli, author: Author, cover: Path, notes: Path) -> None:
    ended = cli("run", "-t", "one", "--asset", str(cover), "--asset", str(notes), TASK, author=author)
    assert ended.code == 3
    shown = cli("show", "one").out
    assert "assets" in shown
    assert "cover.png" in shown
    assert "notes/*" in shown
    assert "assets 📎 notes/*" in cli("show", "one", "tell").out


def test_a_plan_that_names_files_that_are_not_there_is_sent_back(cli, author: Author, cover: Path) -> None:
    ended = cli("run", "-t", "one", "--yes", "--json", "--asset", str(cover), TASK, author=author)
    assert ended.json["status"] == "failed"
    assert "reads the asset 'notes/*', which the project does not have" in json.dumps(ended.json)


def test_from_python(author: Author, cover: Path, notes: Path, tmp_path: Path) -> None:
    orchestrator = MatrioskaOrchestrator(author.model, base_path=tmp_path / "out", review_rounds=0)
    report = orchestrator.run(TASK, assets=[cover, notes])
    assert report.status == "complete"
    assert len(_call(author, "produce", "look").blocks) == 1
    with pytest.raises(AssetError, match="nowhere"):
        orchestrator.run(TASK, assets=[tmp_path / "nowhere"])
