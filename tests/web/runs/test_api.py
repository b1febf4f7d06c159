"""The API over HTTP: a run from start to archive, its events, and what strangers and broken requests get."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from matrioska.web.app import build_app
from matrioska.web.chat.chats import Chats
from matrioska.web.guard import Door
from matrioska.web.server import address_of, listen, serve
from tests.support import Author, chain, file_block, plan, spec
from tests.web.runs.desks import PATIENCE, desk_of

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-some-length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOSTILE = '<script>alert("x")</script>'


@contextmanager
def api_of(author: Author, base: Path, **options: Any) -> Iterator[httpx.Client]:
    """Serve the desk of an author in a thread; yield a client that has the token."""
    listener, ready, tasks = listen("127.0.0.1", 0), threading.Event(), list[asyncio.Task[None]]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        async with AsyncExitStack() as stack:
            desk = await stack.enter_async_context(desk_of(author, base, **options))
            app = build_app(None, Chats([]), door=Door(monitor_token=TOKEN), desk=desk)
            loops.append(asyncio.get_running_loop())
            tasks.append(asyncio.create_task(serve(app, listener, desk.drives)))
            ready.set()
            await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        with httpx.Client(base_url=address_of(listener), headers=BEARER, timeout=PATIENCE) as client:
            yield client
    finally:
        loops[0].call_soon_threadsafe(tasks[0].cancel)
        thread.join(PATIENCE)
        listener.close()
        assert not thread.is_alive()


def _until(client: httpx.Client, thread: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = client.get(f"/api/runs/{thread}")
        if found.status_code == 200 and holds(found.json()):
            return found.json()
        time.sleep(0.05)
    raise TimeoutError(found.text)


def _rests(client: httpx.Client, thread: str) -> dict[str, Any]:
    return _until(client, thread, lambda view: view["status"] != "working")


def _events(lines: Iterator[str], count: int) -> list[tuple[int, str, dict[str, Any]]]:
    """Return so many events of a stream."""
    found: list[tuple[int, str, dict[str, Any]]] = []
    fields: dict[str, str] = {}
    for line in lines:
        if not line and "id" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
            if len(found) == count:
                break
        name, colon, value = line.partition(": ")
        if colon and name:
            fields[name] = value
    return found


def test_a_run_over_http_from_start_to_archive(tmp_path: Path) -> None:
    with api_of(Author(chain(2)), tmp_path) as client:
        started = client.post("/api/runs", json={"task": "Build it."})
        assert started.status_code == 201
        thread = started.json()["thread"]
        run = f"/api/runs/{thread}"
        assert started.headers["location"] == run
        view = _rests(client, thread)
        assert view["waiting"] == "approval"
        assert client.post("/api/plan/check", json=view["plan"]).json() == {"complaints": []}
        assert client.post(f"{run}/answer", json=True).status_code == 202
        assert _rests(client, thread)["status"] == "complete"
        assert client.post(f"{run}/answer", json=True).status_code == 409
        assert client.get("/api/runs").json()["runs"][0]["thread"] == thread
        assert client.get(f"{run}/modules/m1").json()["attempts"]
        file = client.get(f"{run}/files/m1/m1.py")
        assert file.headers["content-type"] == "text/plain; charset=utf-8"
        archive = client.get(f"{run}/archive")
        assert archive.headers["content-type"] == "application/zip"
        assert f'filename="{thread}.zip"' in archive.headers["content-disposition"]
        assert "m1/m1.py" in "".join(zipfile.ZipFile(io.BytesIO(archive.content)).namelist())
        first = client.get(f"{run}/journal", params={"limit": 3}).json()
        rest = client.get(f"{run}/journal", params={"after": first["last"]}).json()["messages"]
        whole = client.get(f"{run}/journal").json()["messages"]
        assert [*first["messages"], *rest] == whole
        before = next(found for found in client.get(f"{run}/history").json()["checkpoints"] if found["next"])
        forked = client.post(f"{run}/fork", json={"checkpoint": before["id"]})
        assert forked.status_code == 201
        assert client.post(f"/api/runs/{forked.json()['thread']}/resume").status_code == 202
        assert _rests(client, forked.json()["thread"])["status"] == "complete"
        assert client.post(f"{run}/redo", json={"module": "m1"}).status_code == 202
        assert _rests(client, thread)["status"] == "complete"


def test_last_event_id_replays_exactly_what_was_missed(tmp_path: Path) -> None:
    with api_of(Author(chain(2), latency=0.05), tmp_path) as client:
        thread = client.post("/api/runs", json={"task": "Build it."}).json()["thread"]
        run = f"/api/runs/{thread}"
        known = _rests(client, thread)["events"]
        with client.stream("GET", f"{run}/events", params={"after": known}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            client.post(f"{run}/answer", json=True)
            seen = _events(response.iter_lines(), 12)
        _rests(client, thread)
        with client.stream("GET", f"{run}/events", headers={"Last-Event-ID": str(seen[4][0])}) as response:
            again = _events(response.iter_lines(), 7)
        assert again == seen[5:]
        assert [event[0] for event in seen] == list(range(known + 1, known + 13))
        with client.stream("GET", f"{run}/events", headers={"Last-Event-ID": "17"}) as response:
            assert _events(response.iter_lines(), 1)[0][1] == "reset"


def test_readers_that_never_read_hold_up_nobody(tmp_path: Path) -> None:
    with api_of(Author(chain(2), latency=0.05), tmp_path) as client, ExitStack() as readers:
        thread = client.post("/api/runs", json={"task": "Build it."}).json()["thread"]
        known = _rests(client, thread)["events"]
        asks = f"GET /api/runs/{thread}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        for _ in range(100):
            reader = readers.enter_context(socket.create_connection((client.base_url.host, client.base_url.port)))
            reader.sendall(asks.encode())
        client.post(f"/api/runs/{thread}/answer", json=True)
        assert _rests(client, thread)["status"] == "complete"
        with client.stream("GET", f"/api/runs/{thread}/events", params={"after": known}) as response:
            assert [event[0] for event in _events(response.iter_lines(), 12)] == list(range(known + 1, known + 13))


def test_a_run_of_the_command_line_is_seen_live(tmp_path: Path) -> None:
    with api_of(Author(chain(1)), tmp_path) as client:
        command = [sys.executable, "-m", "matrioska", "run", "A page about owls", "-y", "--thread", "owls"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [*command, "--base-path", str(tmp_path)], cwd=tmp_path, env=environment, stdout=-3, stderr=-3
        ) as process:
            _until(client, "owls", lambda view: True)
            with client.stream("GET", "/api/runs/owls/events") as response:
                (first,) = _events(response.iter_lines(), 1)
            assert process.poll() is None or first[1] in ("message", "module", "state")
            assert process.wait(60) == 0
        view = _rests(client, "owls")
        assert view["status"] in ("complete", "partial")
        assert {module["state"] for module in view["modules"]} == {"done"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/runs/none", None, 404),
        ("GET", "/api/runs/none/events", None, 404),
        ("GET", "/api/runs/%2e%2e%2fx", None, 404),
        ("GET", f"/api/runs/{'a' * 70}", None, 404),
        ("GET", "/api/runs/done/files/..%2f..%2fmatrioska.sqlite", None, 404),
        ("GET", "/api/runs/done/files//etc/passwd", None, 404),
        ("GET", "/api/runs/done/modules/%2e%2e", None, 404),
        ("GET", "/api/runs/done/modules/%00", None, 404),
        ("GET", "/api/runs/done/events?after=x", None, 422),
        ("GET", "/api/runs/done/journal?after=-1", None, 422),
        ("GET", "/api/runs?limit=0", None, 422),
        ("GET", "/api/runs?limit=99999", None, 422),
        ("POST", "/api/runs", {"task": ""}, 422),
        ("POST", "/api/runs", {"task": "x", "thread": "a/b"}, 422),
        ("POST", "/api/runs", {"task": "x", "thread": "done"}, 409),
        ("POST", "/api/runs", {"task": "x", "approval": "never"}, 422),
        ("POST", "/api/runs", {"task": "x", "base_path": "/"}, 422),
        ("POST", "/api/runs", {"task": "x", "model": "nobody:x"}, 422),
        ("POST", "/api/runs", {"task": "x" * 2_000_000}, 422),
        ("POST", "/api/runs/done/fork", {"checkpoint": "x" * 2_000_000}, 413),
        ("POST", "/api/runs/done/answer", {"type": "approve"}, 409),
        ("POST", "/api/runs/done/stop", None, 409),
        ("POST", "/api/runs/done/fork", {"checkpoint": "none"}, 422),
        ("POST", "/api/runs/done/fork", {}, 422),
        ("POST", "/api/runs/done/redo", {"module": "none"}, 422),
        ("POST", "/api/runs/done/redo", {"module": "m0", "spec": {"dependencies": ["none"]}}, 422),
        ("POST", "/api/runs/done/redo", {"module": "m0", "spec": {"id": "other"}}, 422),
        ("PUT", "/api/runs", {}, 405),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_form(
    done: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    response = done.request(method, path, json=body) if body is not None else done.request(method, path)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"]
    assert error["message"]


def test_nothing_is_told_without_the_token(done: httpx.Client) -> None:
    for path in ("/api/runs", "/api/runs/done", "/api/runs/done/events", "/api/runs/done/files/m0/m0.html"):
        assert done.get(path, headers={"Authorization": ""}).status_code == 401
    assert done.get("/api/runs", headers={"Origin": "https://evil.example"}).status_code == 403
    assert done.get("/api/runs", headers={"Host": "evil.example"}).status_code == 421


def test_no_file_comes_as_anything_that_a_browser_runs(done: httpx.Client) -> None:
    for path in ("m0/m0.html", "m0/m0.svg"):
        response = done.get(f"/api/runs/done/files/{path}")
        assert response.text.strip() == HOSTILE
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a run that has ended, with hostile files."""
    files = "\n\n".join(file_block(f"m0.{kind}", HOSTILE) for kind in ("html", "svg"))
    author = Author(plan(spec("m0")), told={"produce m0": files, "mend m0": files})
    with api_of(author, tmp_path_factory.mktemp("done")) as client:
        started = client.post("/api/runs", json={"task": "Build it.", "thread": "done", "approval": "auto"})
        assert started.status_code == 201
        _rests(client, "done")
        yield client
