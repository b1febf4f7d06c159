"""Readers of events who come again: after another drive of the run, at places of their own, after a restart."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support import Author, chain
from tests.web.runs.test_api import _events, _rests, api_of

Events = list[tuple[int, str, dict[str, object]]]


def _read(client: httpx.Client, last: int, count: int) -> Events:
    """Return so many events behind the last one known, as a browser asks for them."""
    with client.stream("GET", "/api/runs/one/events", headers={"Last-Event-ID": str(last)}) as response:
        return _events(response.iter_lines(), count)


def _drives(client: httpx.Client, path: str, body: object) -> int:
    """Have the run driven to where it rests; return the id of the last event."""
    assert client.post(f"/api/runs/one/{path}", json=body).is_success
    return int(_rests(client, "one")["events"])


def test_ids_grow_over_all_drives_and_an_old_one_of_a_service_before_is_reset(tmp_path: Path) -> None:
    author = Author(chain(2))
    with api_of(author, tmp_path) as client:
        client.post("/api/runs", json={"task": "Build it.", "thread": "one"})
        places = [int(_rests(client, "one")["events"])]
        for path, body in (("answer", True), ("redo", {"module": "m1"}), ("resume", {}), ("redo", {"module": "m0"})):
            places.append(_drives(client, path, body))
        whole = _read(client, places[0], places[-1] - places[0])
        assert [id for id, *_ in whole] == list(range(places[0] + 1, places[-1] + 1))
        assert [kind for _, kind, _ in whole].count("status") >= 3
        for place in places[1:-1]:
            assert _read(client, place, places[-1] - place) == whole[place - places[0] :]
    with api_of(author, tmp_path) as client:
        now = int(_rests(client, "one")["events"])
        assert now > places[-1]
        for old in (places[0], places[-1], now + 9):
            assert _read(client, old, 1) == [(now, "reset", {})]
        _drives(client, "redo", {"module": "m1"})
        (first,) = _read(client, now, 1)
        assert first[0] == now + 1
