"""What is saved goes bad while the service runs: it says so, tells no folder, and goes on with what can be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support import Author, chain
from tests.web.runs.test_api import _rests, api_of

PATHS = ("", "/one", "/one/history", "/one/modules/m0", "/one/archive", "/one/files/m0/m0.py", "/one/journal")


def _garbage(place: Path) -> None:
    for file in place.parent.glob(f"{place.name}*"):
        file.write_bytes(b"\x17garbage" * (file.stat().st_size // 8 + 1))


def _dropped(place: Path) -> None:
    with sqlite3.connect(place) as other:
        other.execute("DROP TABLE checkpoints")
    other.close()


def _foreign(place: Path) -> None:
    with sqlite3.connect(place) as other:
        other.execute("UPDATE checkpoints SET checkpoint = X'00112233', type = 'pickle'")
    other.close()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("matrioska.sqlite", _garbage),
        ("matrioska.sqlite", _dropped),
        ("matrioska.sqlite", _foreign),
        ("journal.sqlite", _garbage),
    ],
)
def test_damage_is_told_as_what_it_is(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    with api_of(Author(chain(1)), tmp_path) as client:
        client.post("/api/runs", json={"task": "Build it.", "thread": "one", "approval": "auto"})
        _rests(client, "one")
        damage(tmp_path / "matrioska_checkpoints" / name)
        for path in PATHS:
            _is_told(client.get(f"/api/runs{path}"), tmp_path)
        for path, body in (("resume", {}), ("redo", {"module": "m0"}), ("answer", True)):
            _is_told(client.post(f"/api/runs/one/{path}", json=body), tmp_path)
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("kind", "content"),
    [("pickle", b"\x80\x04."), ("msgpack", b"\xc1"), ("msgpack", b"\x01"), ("msgpack", b"\x80"), ("json", b"[1")],
)
def test_one_run_that_cannot_be_read_hides_no_other(tmp_path: Path, kind: str, content: bytes) -> None:
    with api_of(Author(chain(1)), tmp_path) as client:
        for thread in ("one", "two"):
            client.post("/api/runs", json={"task": "Build it.", "thread": thread, "approval": "auto"})
            _rests(client, thread)
        with sqlite3.connect(tmp_path / "matrioska_checkpoints" / "matrioska.sqlite") as other:
            other.execute("UPDATE checkpoints SET type = ?, checkpoint = ? WHERE thread_id = 'one'", (kind, content))
        other.close()
    # What was read is kept for as long as it is the same: another service reads it anew.
    with api_of(Author(chain(1)), tmp_path) as client:
        shown = {line["thread"]: line for line in client.get("/api/runs").json()["runs"]}
        assert shown["two"]["status"] == "complete"
        assert shown["one"]["status"] == "unreadable"
        assert str(tmp_path) not in shown["one"]["title"]
        _is_told(client.get("/api/runs/one"), tmp_path)


def _is_told(response: httpx.Response, base: Path) -> None:
    if response.is_error:
        error = response.json()["error"]
        assert error["code"] != "unexpected", error
        assert str(base) not in response.text
    else:
        assert response.status_code in (200, 202)
