"""Everything that can be asked of a thread, in every state that it can be in: the answer is one that is described."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.questions import open_questions
from matrioska.state.context import RunContext
from matrioska.store.lease import thread_lease
from matrioska.web.openapi import openapi
from matrioska.web.runs import drives
from tests.support import Author, chain
from tests.web.runs.test_api import _rests, _until, api_of

Made = Callable[[httpx.Client, str], None]
_PATHS = openapi(guarded=True, runs=True)["paths"]
_LOOKS = ("", "/history", "/modules/m0", "/modules/none", "/files/m0/m0.py", "/files/none", "/archive", "/journal")
_ACTS: dict[str, tuple[str, Any]] = {
    "answer": ("/answer", True),
    "answer another question": ("/answer?question=none", True),
    "resume": ("/resume", None),
    "stop": ("/stop", None),
    "redo": ("/redo", {"module": "m0"}),
    "redo none": ("/redo", {"module": "none"}),
    "fork": ("/fork", {"checkpoint": ""}),
    "fork none": ("/fork", {"checkpoint": "none"}),
}
#: The status of each act in the order above.
_STATUSES = {
    "nobody": (404, 404, 404, 404, 404, 404, 404, 404),
    "waits for a plan": (202, 409, 409, 409, 422, 422, 201, 422),
    "waits for failures": (202, 409, 409, 409, 202, 422, 201, 422),
    "waits for a budget": (202, 409, 409, 409, 422, 422, 201, 422),
    "works here": (409, 409, 409, 202, 409, 409, 201, 422),
    "works elsewhere": (409, 409, 409, 409, 409, 409, 201, 422),
    "stopped": (409, 409, 202, 409, 422, 422, 201, 422),
    "complete": (409, 409, 202, 409, 202, 422, 201, 422),
    "partial": (409, 409, 202, 409, 202, 422, 201, 422),
    "failed": (409, 409, 202, 409, 422, 422, 201, 422),
    "a question": (404, 404, 202, 409, 404, 404, 404, 404),
}


def _start(client: httpx.Client, thread: str, **fields: Any) -> None:
    asked = {"task": "Build it.", "thread": thread, "approval": "auto", **fields}
    assert client.post("/api/runs", json=asked).status_code == 201


def _ended(client: httpx.Client, thread: str) -> None:
    _start(client, thread)
    _rests(client, thread)


def _asks_for_a_plan(client: httpx.Client, thread: str) -> None:
    _start(client, thread, approval="ask")
    assert _rests(client, thread)["waiting"] == "approval"


def _asks_about_failures(client: httpx.Client, thread: str) -> None:
    _asks_for_a_plan(client, thread)
    client.post(f"/api/runs/{thread}/answer", json=True)
    assert _rests(client, thread)["waiting"] == "failures"


def _asks_for_a_budget(client: httpx.Client, thread: str) -> None:
    _start(client, thread, budget_tokens=1)
    assert _rests(client, thread)["waiting"] == "budget"


def _works(client: httpx.Client, thread: str) -> None:
    _start(client, thread)
    _until(client, thread, lambda view: any(module["state"] == "producing" for module in view["modules"]))


def _stops(client: httpx.Client, thread: str) -> None:
    _works(client, thread)
    assert client.post(f"/api/runs/{thread}/stop").status_code == 202
    assert _rests(client, thread)["status"] == "unfinished"


_BROKEN = {"produce m0": "No file.", "mend m0": "No file.", "agree m0": "No value."}
_SLOW: Callable[[str, str], float] = lambda stage, module: 60.0 if stage == "produce" else 0.0  # noqa: E731
_AUTHORS: dict[str, Callable[[], Author]] = {
    "works here": lambda: Author(chain(2), latency=_SLOW),
    "stopped": lambda: Author(chain(2), latency=_SLOW),
    "waits for failures": lambda: Author(chain(2), told=dict(_BROKEN)),
    "partial": lambda: Author(chain(2), told=dict(_BROKEN)),
    "failed": lambda: Author(chain(2), told={"plan": "No plan."}),
}
_MADE: dict[str, Made] = {
    "waits for a plan": _asks_for_a_plan,
    "waits for failures": _asks_about_failures,
    "waits for a budget": _asks_for_a_budget,
    "works here": _works,
    "stopped": _stops,
}


@contextmanager
def _in_state(state: str, base: Path) -> Iterator[tuple[httpx.Client, Callable[[str], None]]]:
    """Serve a base path, and yield what brings threads of given ids into a state."""
    if state == "a question":
        asyncio.run(_asked(base))
    author = _AUTHORS.get(state, lambda: Author(chain(2)))()
    with api_of(author, base) as client, ExitStack() as leases:

        def make(thread: str) -> None:
            if state not in ("nobody", "a question"):
                _MADE.get(state, _ended)(client, thread)
            if state == "works elsewhere":
                leases.enter_context(thread_lease(base / "matrioska_checkpoints" / "locks", thread))

        yield client, make


async def _asked(base: Path) -> None:
    context = RunContext(model=ScriptedChatModel(script=lambda stage, module, prompt: "Paris."))
    async with open_questions(base, context) as questions:
        for number in range(len(_ACTS)):
            await questions.ask("What is the capital of France?", "cascade", thread_id=f"t{number}")


@pytest.mark.parametrize("state", _STATUSES)
def test_every_act_in_every_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(drives, "GRACE", 0.2)
    monkeypatch.setattr(drives, "LAST_GRACE", 0.2)
    got: list[int] = []
    with _in_state(state, tmp_path) as (client, make):
        for path, body in _ACTS.values():
            # What was refused has changed nothing.
            if not got or got[-1] < 300:
                make(thread := f"t{len(got)}")
            run = f"/api/runs/{thread}"
            if body == {"checkpoint": ""}:
                found = client.get(f"{run}/history").json().get("checkpoints") or [{"id": "none"}]
                body = {"checkpoint": found[0]["id"]}
            got.append(_described(client, "POST", f"{run}{path}", body))
        for look in _LOOKS:
            _described(client, "GET", f"{run}{look}")
    assert tuple(got) == _STATUSES[state]


def _described(client: httpx.Client, method: str, path: str, body: Any = None) -> int:
    """Return the status of an answer, which must be described for its path."""
    response = client.request(method, path, json=body)
    parts = path.partition("?")[0].split("/")
    named = "/".join([*parts[:3], "{thread}", *parts[4:5]])
    named += {"modules": "/{module}", "files": "/{path}"}.get(parts[4] if len(parts) > 4 else "", "")
    assert str(response.status_code) in _PATHS[named][method.lower()]["responses"], response.text
    assert response.status_code < 500, response.text
    return response.status_code
