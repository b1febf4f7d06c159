"""Bad input: one clear message that names the next step, the right exit code, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from matrioska.store.layout import unwritable
from tests.support import Author, chain, plan, spec

TASK = "Compare SQLite and PostgreSQL for a small shop"
DATABASE = Path("matrioska_checkpoints/matrioska.sqlite")


def _refused(ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert ended.err.count("✗") == 1
    assert "→ " in ended.err, "it names the next step"
    for word in words:
        assert word in ended.err


@pytest.fixture
def author() -> Author:
    return Author(chain(2))


@pytest.mark.parametrize("task", ["", "   \n\t ", "\x00\x01\x02"])
def test_an_empty_task(cli, task: str, tmp_path: Path) -> None:
    _refused(cli("run", task), 2, "The task is empty")
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_is_far_too_long(cli, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a" * 200_000)
    _refused(cli("run", "@long"), 2, "200,000 characters", "100,000 are the most")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\x00\x00", b"caf\xe9", bytes(range(256))])
def test_a_task_of_bytes_that_are_no_text(cli, data: bytes, tmp_path: Path) -> None:
    _refused(cli("run", "-", stdin=data), 2, "The standard input is not text")
    (tmp_path / "binary").write_bytes(data)
    _refused(cli("run", "@binary"), 2, "The file binary is not text")


def test_a_task_of_control_characters(cli) -> None:
    _refused(cli("run", "-", stdin=b"ab\x01\x02\x03\x04\x05\x06\x07"), 2, "binary data")


def test_a_task_file_that_is_not_there(cli, tmp_path: Path) -> None:
    _refused(cli("run", "@nowhere.txt"), 2, "nowhere.txt", "No such file")
    _refused(cli("run", f"@{tmp_path}"), 2, "directory")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gpt-4o", ("There is no model 'gpt-4o'", "embedded, openai:…")),
        ("openai:", ("has no model", "openai:<model>")),
        ("nobody:x", ("There is no model",)),
    ],
)
def test_an_unknown_model(cli, model: str, words: tuple[str, ...]) -> None:
    _refused(cli("run", "-y", "-M", model, TASK), 2, *words)
    _refused(cli("run", "-y", "--role", f"worker={model}", TASK), 2, *words)


def test_a_key_that_is_missing_is_named_and_nothing_begins(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: object())
    _refused(cli("run", "-y", "-M", "openai:gpt-4o", TASK), 1, "OPENAI_API_KEY")
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--role", "architect"), ("names no model",)),
        (("--role", "arcitect=embedded"), ("did you mean 'architect'?",)),
        (("--lang", "klingon"), ("--lang cannot be 'klingon'", "en or pt")),
        (("--slots", "0"), ("--slots",)),
        (("--thread", "a b"), ("The thread id 'a b' is not allowed",)),
        (("--nonsense",), ("--nonsense", "matrioska run --help")),
    ],
)
def test_options_that_cannot_be(cli, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    _refused(cli("run", "-y", *arguments, TASK), 2, *words)


def test_unknown_commands_and_missing_arguments(cli) -> None:
    _refused(cli("rnu"), 2, "rnu", "matrioska --help")
    _refused(cli("run"), 2, "TASK")
    _refused(cli("fork", "x"), 2, "--at")


def test_errors_as_json_are_one_object_too(cli) -> None:
    for arguments in (("run", "--json", ""), ("show", "x", "--json"), ("run", "--json", "--nonsense", "x")):
        ended = cli(*arguments)
        assert ended.code == 2
        assert ended.json["status"] == "error"
        assert ended.json["error"]["next_step"]
        assert ended.err.startswith("✗ ")


def test_a_thread_id_that_is_taken(cli, author: Author) -> None:
    cli("run", "-t", "one", TASK, author=author)
    _refused(cli("run", "-t", "one", TASK), 2, "There is a run 'one' already", "matrioska resume one")


def test_a_base_path_that_cannot_be_written(cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below", "/proc/nowhere"):
        _refused(cli("run", "-y", "--base-path", place, TASK), 1, "Cannot write to", "--base-path")


def _broken(kind: str) -> Iterator[None]:
    DATABASE.parent.mkdir()
    if kind == "empty":
        DATABASE.touch()
    elif kind == "text":
        DATABASE.write_text("This is no database at all, and longer than a header.\n" * 100)
    elif kind == "foreign":
        with sqlite3.connect(DATABASE) as connection:
            connection.execute("PRAGMA application_id = 77")
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
    yield


@pytest.mark.parametrize(
    ("kind", "words"),
    [("empty", "is empty"), ("text", "not a SQLite file"), ("foreign", "belongs to another program")],
)
def test_a_database_that_is_not_ours(cli, kind: str, words: str) -> None:
    next(_broken(kind))
    before = DATABASE.read_bytes()
    for arguments in (("run", "-y", TASK), ("threads",), ("resume", "x"), ("history", "x")):
        _refused(cli(*arguments), 1, words)
    assert cli("doctor").code == 1
    assert DATABASE.read_bytes() == before, "it was left as it was"


def test_a_damaged_database(cli, author: Author) -> None:
    cli("run", "-y", "-t", "one", TASK, author=author)
    data = bytearray(DATABASE.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = os.urandom(200)
    for found in DATABASE.parent.glob("matrioska.sqlite-*"):
        found.unlink()
    DATABASE.write_bytes(data)
    for arguments in (("threads",), ("resume", "one"), ("show", "one")):
        _refused(cli(*arguments), 1, "damaged")


def test_a_locked_database(cli, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("run", "-t", "one", TASK, author=author)
    monkeypatch.setattr("matrioska.store.database.BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(DATABASE, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        ended = cli("resume", "one", "--approve")
        assert ended.code == 1
        assert "stayed locked by another process" in ended.err
        assert "matrioska resume one" in ended.err
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert cli("resume", "one", "--approve").code == 0


def test_a_run_of_a_newer_format(cli, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("run", "-t", "old", TASK, author=author)
    with monkeypatch.context() as future:
        future.setattr("matrioska.nodes.architect.STATE_FORMAT", 999)
        cli("run", "-t", "new", TASK)
    for arguments in (("resume", "new", "--approve"), ("show", "new"), ("history", "new")):
        _refused(cli(*arguments), 1, "format 999", "Upgrade Matrioska")
    rows = {row["thread_id"]: row["status"] for row in cli("threads", "--json").json}
    assert rows == {"old": "waiting", "new": "unreadable"}, "one such run hides no other"


def test_an_edited_plan_with_a_cycle_is_refused_and_the_run_still_waits(cli, author: Author, tmp_path: Path) -> None:
    cli("run", "-t", "one", TASK, author=author)
    (tmp_path / "plan.json").write_text(json.dumps(plan(spec("a", "b"), spec("b", "a"))))
    _refused(cli("resume", "one", "--edit", "plan.json"), 2, "cycle", "a")
    assert cli("show", "one", "--json").json["status"] == "waiting"
    assert cli("resume", "one", "--approve").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "neither JSON nor YAML: line 1"),
        ("a: b: c", "line 1, column 5"),
        ("- a\n- b\n", "holds a list"),
        ("", "is empty"),
        ("name: x\n", "'modules' is missing"),
        ("modules: [{id: A B}]", "malformed"),
        ("modules: [{id: a}, {id: a}]", "unique"),
    ],
)
def test_an_edit_that_is_no_plan(cli, author: Author, tmp_path: Path, text: str, words: str) -> None:
    cli("run", "-t", "one", TASK, author=author)
    (tmp_path / "plan.yaml").write_text(text)
    _refused(cli("resume", "one", "--edit", "plan.yaml"), 2, words)


def test_files_that_are_not_there(cli, author: Author, tmp_path: Path) -> None:
    cli("run", "-y", "-t", "one", TASK, author=author)
    _refused(cli("resume", "one", "--edit", "nowhere.json"), 2, "Cannot read the plan from nowhere.json")
    _refused(cli("redo", "one", "m0", "--spec", "nowhere.json"), 2, "Cannot read the spec from nowhere.json")
    (tmp_path / "latin").write_bytes(b"description: caf\xe9")
    _refused(cli("redo", "one", "m0", "--spec", "latin"), 2, "not UTF-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("descripton: x", ("'descripton'", "did you mean 'description'?")),
        ("size: big", ("'size'", "must be a number")),
        ("dependencies: [m1]", ("cycle",)),
        ("id: other", ("cannot rename",)),
        ("{}", ("changes nothing",)),
    ],
)
def test_a_spec_that_cannot_be(cli, author: Author, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    cli("run", "-y", "-t", "one", TASK, author=author)
    before = cli("show", "one", "--json").out
    (tmp_path / "spec.yaml").write_text(text)
    _refused(cli("redo", "one", "m0", "--spec", "spec.yaml"), 2, *words)
    assert cli("show", "one", "--json").out == before


def test_answers_that_exclude_each_other_or_say_nothing(cli, author: Author) -> None:
    cli("run", "-t", "one", TASK, author=author)
    _refused(cli("resume", "one", "--approve", "--reject"), 2, "--approve and --reject exclude each other")
    _refused(cli("resume", "one", "--respond", "  "), 2, "--respond says nothing")
    cli("resume", "one", "--approve")
    _refused(cli("resume", "one", "--approve"), 2, "is not waiting for an answer")


def test_unknown_names_come_with_the_nearest_known_one(cli, author: Author) -> None:
    cli("run", "-y", "-t", "library", TASK, author=author)
    for command in (("show", "libary"), ("resume", "libary"), ("history", "libary"), ("redo", "libary", "m0")):
        _refused(cli(*command), 2, "'libary'", "Did you mean 'library'?")
    _refused(cli("export", "libary", "--zip", "x.zip"), 2, "Did you mean 'library'?")
    _refused(cli("fork", "libary", "--at", "1"), 2, "Did you mean 'library'?")
    _refused(cli("show", "library", "m7"), 2, "no module 'm7'", "m0, m1")
    _refused(cli("redo", "library", "m7"), 2, "no module 'm7'", "m0, m1")
    real = cli("history", "library", "--json").json[0]["checkpoint_id"]
    wrong = ("0" if real[0] != "0" else "1") + real[1:13]
    _refused(cli("fork", "library", "--at", wrong), 2, f"did you mean '{real[:13]}'?", "matrioska history library")
    _refused(cli("fork", "library", "--at", ""), 2, "No checkpoint")


def test_faulty_settings_are_named(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("slots = \n")
    _refused(cli("run", "-y", TASK), 2, "matrioska.toml is not valid TOML")
    (tmp_path / "matrioska.toml").write_text("slots = -1\n")
    _refused(cli("run", "-y", TASK), 2, "slots")


def test_an_unexpected_fault_is_one_line_that_asks_for_a_report(
    cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(task: object) -> str:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("matrioska.cli.run.check_task", broken)
    _refused(cli("run", TASK), 1, "ZeroDivisionError: of all things", "report")
    monkeypatch.setenv("MATRIOSKA_DEBUG", "1")
    with pytest.raises(AssertionError, match="Traceback"):
        cli("run", TASK)


def test_a_full_disk_stops_the_run_and_says_how_to_go_on(cli, author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:

        def put(store: object, *given: object) -> None:
            raise unwritable(Path("objects"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

        full.setattr("matrioska.store.artifacts.ArtifactStore.put_text", put)
        ended = cli("run", "-y", "-t", "one", "--base-path", "here", TASK, author=author)
    _refused(ended, 1, "No space left on device", "Free some space", "matrioska resume one --base-path here")
    author.calls()
    assert cli("resume", "one", "--base-path", "here").code == 0
    assert "plan" not in author.calls(), "what was saved before is not done again"
