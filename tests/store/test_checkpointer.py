"""The database: opened strictly, typed errors, nothing half written, nothing restored but plain data."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG, JsonPlusSerializer

from matrioska.graph import open_graph
from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import CorruptStoreError, LockedStoreError, NewerFormatError, StoreError
from matrioska.store import database
from matrioska.store.checkpointer import Checkpointer, open_checkpointer, strict_serializer
from tests.support import MODES, Author, Driven, plan, spec

ROOT = Path(__file__).parent.parent.parent
CONFIG: Any = {"configurable": {"thread_id": "one", "checkpoint_ns": ""}}


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[Checkpointer]:
    opened = open_checkpointer(tmp_path / "db.sqlite")
    yield opened
    opened.conn.close()


def _put(saver: Checkpointer, values: dict[str, Any] | None = None, thread: str = "one") -> Any:
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = values or {}
    config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    return saver.put(config, checkpoint, {}, {})


# -- opening -------------------------------------------------------------------------------


def test_a_new_database_is_for_the_owner_only(saver: Checkpointer) -> None:
    _put(saver)
    for path in saver.path.parent.glob("db.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name for path in saver.path.parent.iterdir() if path.name.startswith(".")] == []


def test_missing_folders_are_made(tmp_path: Path) -> None:
    open_checkpointer(tmp_path / "a" / "b" / "db.sqlite").conn.close()
    open_checkpointer(tmp_path / "a" / "b" / "db.sqlite").conn.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"not a database, but long enough to be taken for one", "not a SQLite file"),
        (b"SQLite format 3\x00" + os.urandom(4096), "damaged|cannot be used"),
    ],
    ids=["empty", "garbage", "header only"],
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "db.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=says) as caught:
        open_checkpointer(path)
    assert caught.value.next_step
    assert caught.value.path == str(path)
    assert path.read_bytes() == content


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptStoreError, match="is a folder"):
        open_checkpointer(tmp_path)


@pytest.mark.parametrize("application_id", [0, 1234])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, application_id: int) -> None:
    path = tmp_path / "db.sqlite"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA application_id = {application_id}")
        conn.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(CorruptStoreError, match="another program"):
        open_checkpointer(path)
    assert path.read_bytes() == before


def test_a_truncated_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    saver = open_checkpointer(path)
    for _ in range(50):
        _put(saver, {"x": "y" * 2000})
    saver.conn.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptStoreError, match="damaged") as caught, closing(_Reads(path)) as reads:
        reads.everything()
    assert "backup" in caught.value.next_step


class _Reads:
    def __init__(self, path: Path) -> None:
        self.saver = open_checkpointer(path)

    def everything(self) -> None:
        list(self.saver.list(CONFIG))

    def close(self) -> None:
        self.saver.conn.close()


@pytest.mark.parametrize("where", ["file/db.sqlite", "/proc/nowhere/db.sqlite"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot open the database") as caught:
        open_checkpointer(tmp_path / where)
    assert "--base-path" in caught.value.next_step


def test_many_processes_can_create_it_at_once(tmp_path: Path) -> None:
    code = "import sys; from matrioska.store.checkpointer import open_checkpointer as o; o(sys.argv[1]).conn.close()"
    command = [sys.executable, "-c", code, str(tmp_path / "db.sqlite")]
    started = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]


# -- writing -------------------------------------------------------------------------------


def test_a_locked_database_is_named_after_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    saver = open_checkpointer(tmp_path / "db.sqlite")
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedStoreError, match="stayed locked") as caught:
            _put(saver)
        assert "resume" in caught.value.next_step
    saver.conn.close()


def test_after_a_failed_write_all_are_refused_until_the_next_drive(saver: Checkpointer) -> None:
    saver.conn.execute("PRAGMA max_page_count = 12")
    with pytest.raises(StoreError, match="full"):
        for _ in range(50):
            _put(saver, {"x": "y" * 4000})
    saver.conn.execute("PRAGMA max_page_count = 100000")
    with pytest.raises(StoreError, match="full"):
        _put(saver)
    with saver.lease("one"):
        _put(saver)


def test_a_write_that_fails_midway_leaves_nothing(saver: Checkpointer) -> None:
    config = _put(saver)
    saver.conn.execute("CREATE TRIGGER t BEFORE INSERT ON writes WHEN NEW.idx = 2 BEGIN SELECT RAISE(FAIL, 'no'); END")
    with pytest.raises(StoreError):
        saver.put_writes(config, [(f"channel{n}", n) for n in range(4)], "task")
    assert saver.conn.execute("SELECT COUNT(*) FROM writes").fetchone() == (0,)


def test_the_list_does_not_hold_the_lock(saver: Checkpointer) -> None:
    for _ in range(3):
        _put(saver)
    seen = 0
    for _ in saver.list(CONFIG):
        seen += 1
        _put(saver)
    assert seen == 3


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    saver = open_checkpointer(tmp_path / "db.sqlite")
    saver.conn.close()
    with pytest.raises(StoreError, match="closed"):
        saver.get_tuple(CONFIG)


def test_threads_are_listed_the_last_written_first(saver: Checkpointer) -> None:
    for thread in ("a", "b", "a"):
        _put(saver, thread=thread)
    assert list(saver.thread_ids()) == ["a", "b"]


def test_a_runs_checkpoints_can_be_rolled_back(saver: Checkpointer) -> None:
    checkpoint = empty_checkpoint()
    config = saver.put(CONFIG, checkpoint, {"run_id": "r"}, {})  # type: ignore[typeddict-unknown-key]
    saver.put_writes(config, [("x", 1)], "task")
    _put(saver, thread="two")
    saver.delete_for_runs(["r"])
    assert list(saver.thread_ids()) == ["two"]
    assert saver.conn.execute("SELECT COUNT(*) FROM writes").fetchone() == (0,)


# -- newer formats -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_newer_format_is_refused_and_nothing_changes(tmp_path: Path, mode: str) -> None:
    author = Author(plan(spec("a")))
    with open_graph(tmp_path / "db.sqlite") as graph:
        driven = Driven(graph, mode, tmp_path, author.model)
        driven.run("Do it.")
        driven.update({"format": 99}, as_node="approval")
        author.calls()
        saver = graph.checkpointer
        assert isinstance(saver, Checkpointer)
        before = list(saver.conn.iterdump())
        for act in (driven.run, driven.state, lambda: driven.update({}, as_node="approval")):
            with pytest.raises(NewerFormatError, match=r"format 99.*Upgrade"):
                act()
        with pytest.raises(NewerFormatError):
            list(graph.get_state_history(driven.config))
        assert list(saver.conn.iterdump()) == before
    assert author.calls() == []


# -- hostile content -----------------------------------------------------------------------


class _Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_crafted_checkpoints_run_nothing(saver: Checkpointer, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    call = ormsgpack.packb(("os", "mkdir", str(touched)))
    crafted = [
        ("pickle", pickle.dumps(_Touches(touched))),
        ("msgpack", ormsgpack.packb({"x": ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, call)})),
        ("json", b'{"lc": 2, "type": "constructor", "id": ["os", "mkdir"], "args": ["%s"]}' % str(touched).encode()),
    ]
    _put(saver)
    for kind, payload in crafted:
        saver.conn.execute("UPDATE checkpoints SET type = ?, checkpoint = ?", (kind, payload))
        try:
            saver.get_tuple(CONFIG)
        except Exception as error:
            print(f"{kind}: {type(error).__name__}")
        assert not touched.exists(), f"{kind} was executed"
    # The payload itself works: with a serializer that trusts its data it does harm.
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(crafted[1])
    assert touched.exists()


def test_only_plain_data_comes_back() -> None:
    serializer = strict_serializer()
    plain = {"text": "ü\n", "number": 1.5, "list": [1, None, True], "nested": {"a": {}}}
    assert serializer.loads_typed(serializer.dumps_typed(plain)) == plain
    restored = serializer.loads_typed(serializer.dumps_typed(ModuleSpec(id="a")))
    assert not isinstance(restored, ModuleSpec)


# -- a real full disk ----------------------------------------------------------------------

_FILLS = """
import resource, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from matrioska.graph import open_graph
from matrioska.state.errors import StoreError
from tests.support import Author, Driven, plan, spec

base, mode = Path(sys.argv[1]), sys.argv[2]
author = Author(plan(*(spec(f"m{{n:03}}") for n in range(100))), latency=0.001)
with open_graph(base / "runs.sqlite") as graph:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    driven = Driven(graph, mode, base, author.model, options={{"slots": 4}})
    try:
        driven.run("Do it.")
    except StoreError as error:
        print(error.next_step)
    else:
        sys.exit("the limit was not met")
    failed_after = len(author.calls())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert driven.run(None)["status"] == "complete"
    print(failed_after, author.model.count())
"""


@pytest.mark.parametrize("mode", MODES)
def test_files_that_may_not_grow_stop_the_run_early_and_a_resume_completes_it(tmp_path: Path, mode: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _FILLS.format(root=str(ROOT)), str(tmp_path), mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    advice, counts = ended.stdout.splitlines()
    assert "resume" in advice
    before, after = map(int, counts.split())
    # Not after all work was done, and what was saved is not done again: at most the four under way are.
    assert before < 70
    assert before + after <= 102 + 2 * 4
