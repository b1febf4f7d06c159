"""What checkpoints hold: plain JSON, a format, digests instead of files, and no secrets."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from matrioska.graph import open_graph
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.graph_state import STATE_FORMAT
from matrioska.store.checkpointer import Checkpointer
from tests.graph.conftest import Start
from tests.graph.killable import PLAN, TOLD
from tests.support import Author, Driven, chain, file_block, plan, spec

SECRET = "sk-very-secret-0123456789"


def assert_plain(value: Any, place: str) -> None:
    """Fail unless a value is made of JSON's own types, exactly."""
    assert type(value) in (dict, list, str, int, float, bool, type(None)), f"{place} is a {type(value)}"
    if isinstance(value, dict):
        for key, item in value.items():
            assert type(key) is str, f"{place} has the key {key!r}"
            assert_plain(item, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            assert_plain(item, f"{place}[{number}]")


def test_every_stored_value_is_plain_json(start: Start) -> None:
    driven = start(Author(PLAN, {**TOLD, "produce docs": ZeroDivisionError("oops")}))
    assert driven.run("Do it.")["status"] == "partial"
    saver: Any = driven.graph.checkpointer
    seen = 0
    for found in saver.list({"configurable": {"thread_id": "one"}}):
        namespace = found.config["configurable"]["checkpoint_ns"]
        for channel, value in found.checkpoint["channel_values"].items():
            if not channel.startswith("__"):
                assert_plain(value, f"{namespace} {channel}")
                seen += 1
        for _, channel, value in found.pending_writes:
            if not channel.startswith("__") or channel == "__return__":
                assert_plain(value, f"{namespace} {channel}")
                seen += 1
    assert seen > 100
    values = driven.state().values
    assert values["format"] == STATE_FORMAT
    assert json.loads(json.dumps(values)) == values


class WithKey(ScriptedChatModel):
    """A model that holds a key and whose errors tell it, as some clients' do."""

    api_key: SecretStr = SecretStr(SECRET)


@pytest.mark.parametrize("told", ["answers", "fails"])
def test_no_secret_is_saved_logged_or_delivered(
    mode: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET + "-env")
    failure = RuntimeError(f"401 for key {SECRET}, header Bearer {SECRET}-env")
    author = Author(chain(2), {"produce m0": failure} if told == "fails" else {})
    model = WithKey(script=author._answer)
    with open_graph(tmp_path / "runs.sqlite") as graph:
        driven = Driven(graph, mode, tmp_path, model)
        result = driven.run("Do it.")
        assert result["status"] == ("partial" if told == "fails" else "complete")
        assert SECRET not in json.dumps(driven.state().values)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in caplog.text


def test_files_are_no_part_of_the_state(tmp_path: Path) -> None:
    text = "A line that is easy to find.\n" * 5_000
    author = Author(plan(spec("a"), spec("b", artifact_reads=["a"])), {"produce a": file_block("a.txt", text)})
    with open_graph(tmp_path / "runs.sqlite") as graph:
        assert Driven(graph, "async", tmp_path, author.model).run("Do it.")["status"] == "complete"
        saver = graph.checkpointer
        assert isinstance(saver, Checkpointer)
        saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"easy to find" not in (tmp_path / "runs.sqlite").read_bytes()
    assert (tmp_path / "runs.sqlite").stat().st_size < len(text)


def test_strings_that_databases_refuse_never_arrive(start: Start) -> None:
    nasty = "nul \\u0000 escape \\u001b[31m surrogate \\ud800 end"
    answer = f'```json contract\n{{"a.api": {{"functions": ["f"], "text": "{nasty}"}}}}\n```\n' + file_block(
        "a.txt", "f"
    )
    author = Author(
        plan(
            spec("a", shared_state_writes=["a.api"], contract_first=False), spec("b", "a", shared_state_reads=["a.api"])
        ),
        {"produce a": answer},
    )
    driven = start(author)
    assert driven.run("Do it \ud800\0 please, and do it well.")["status"] == "complete"
    values = driven.state().values
    assert values["task"] == "Do it  please, and do it well."
    assert values["shared_state"]["a.api"]["text"] == "nul  escape [31m surrogate  end"


def test_the_database_grows_with_the_modules_not_their_square(tmp_path: Path) -> None:
    sizes = {}
    for count in (10, 40):
        base = tmp_path / str(count)
        base.mkdir()
        author = Author(plan(*(spec(f"m{n}") for n in range(count))))
        with open_graph(base / "runs.sqlite") as graph:
            Driven(graph, "async", base, author.model).run("Do it.")
        with closing(sqlite3.connect(base / "runs.sqlite")) as conn:
            pages = conn.execute("PRAGMA page_count").fetchone()[0]
            sizes[count] = pages * conn.execute("PRAGMA page_size").fetchone()[0]
    assert sizes[40] / 40 < 20 * 1024
    assert (sizes[40] - sizes[10]) / 30 < 20 * 1024
