"""``matrioska`` as a model: a real run of the embedded model, and what is told of runs that go otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from matrioska.reports import RunReport
from matrioska.runs import open_runs
from matrioska.state.context import RunContext
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from matrioska.web.app import build_app
from matrioska.web.chat.answering import RunOffer
from matrioska.web.chat.built import MAX_SHOWN_FILE, told_of
from matrioska.web.chat.chats import Chats
from matrioska.web.errors import RequestError
from tests.support import Author, chain, plan, spec

PLAN = plan(spec("shop"), name="Shop", goal="Sell toys.")


def report(layout: Layout, *files: tuple[str, bytes], status: str = "complete", **values: Any) -> RunReport:
    """Return the report of a run that delivered these files."""
    store = ArtifactStore(layout.objects)
    refs = [store.put(path, content).model_dump(mode="json") for path, content in files]
    delivered = (
        {"deliverable": {"files": refs, "folder": str(layout.delivery("t1")), "entry_point": ""}} if refs else {}
    )
    return RunReport("t1", status, {"architecture": PLAN, **delivered, **values})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.at(tmp_path / "secret place").prepare()


def _asked(**more: Any) -> dict[str, Any]:
    words = "A web page with a form for toys with name and price"
    return {"model": "matrioska", "messages": [{"role": "user", "content": words}], **more}


async def test_what_was_built_comes_with_its_files(tmp_path: Path) -> None:
    """A run of the embedded model: its progress, its files and where they lie."""
    async with open_runs(tmp_path, RunContext(approval="auto", model="embedded")) as runs:
        app = build_app(None, Chats([RunOffer(runs)]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            response = await client.post("/v1/chat/completions", json=_asked(stream=True), timeout=60)
    chunks = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    text = "".join(delta.get("content", "") for delta in deltas)
    thoughts = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    thread = chunks[-1]["matrioska"]["thread_id"]
    assert "Planning …\n\n" in thoughts
    assert any(": done" in thought for thought in thoughts)
    assert f"matrioska_artifacts/{thread}/" in text
    assert "```html path=" in text
    assert str(tmp_path) not in text
    assert (tmp_path / "matrioska_artifacts" / thread).is_dir()


def test_small_texts_are_shown_and_the_rest_is_listed(layout: Layout) -> None:
    told = told_of(
        report(
            layout,
            ("app.py", b"print('```')\n"),
            ("big.txt", b"x" * (MAX_SHOWN_FILE + 1)),
            ("logo.png", b"\x89PNG\0\0"),
        ),
        layout,
    )
    assert "**Shop**: Sell toys." in told
    assert "- `big.txt` (20,001 bytes)" in told
    assert "- `logo.png`" in told
    assert "````py path=app.py\nprint('```')\n````" in told
    assert "xxx" not in told
    assert "PNG\0" not in told
    assert "secret" not in told


def test_all_shown_texts_together_are_bounded(layout: Layout) -> None:
    files = [(f"f{number}.txt", bytes([97 + number]) * MAX_SHOWN_FILE) for number in range(10)]
    told = told_of(report(layout, *files), layout)
    assert told.count(" path=") == 4
    assert "- `f9.txt`" in told


def test_what_is_wrong_is_told_without_places_of_this_machine(layout: Layout) -> None:
    told = told_of(
        report(
            layout,
            ("a.txt", b"a"),
            status="partial",
            results={
                "shop": {"status": "failed", "error": {"message": "http://10.0.0.5:1/v1 is down."}},
                "till": {"status": "blocked", "blocked_by": ["shop"]},
            },
            findings=[
                {"module": "shop", "path": "", "message": "no link", "severity": "warning"},
                {"module": "", "path": "a.txt", "message": "it is\nempty", "severity": "error"},
            ],
        ),
        layout,
    )
    assert "- shop: [address] is down.\n- till: it needs shop\n- a.txt: it is empty\n- shop: no link" in told
    assert "`matrioska resume t1`" in told
    assert "10.0.0.5" not in told


def test_a_run_that_waits_says_so(layout: Layout) -> None:
    waiting = RunReport("t1", "waiting", {"architecture": PLAN}, waiting=[{"id": "1", "kind": "budget"}])
    told = told_of(waiting, layout)
    assert "It waits for a person." in told
    assert "it waits for an answer about its budget" in told
    assert "`matrioska resume t1`" in told


def test_a_run_that_built_nothing_is_an_error(layout: Layout) -> None:
    error = {"code": "model", "message": "http://10.0.0.5 is down.", "next_step": "Start it.", "retryable": True}
    with pytest.raises(RequestError, match="Nothing was built") as caught:
        told_of(report(layout, status="failed", architecture=None, error=error), layout)
    assert (caught.value.status, caught.value.code) == (503, "model")
    assert "Start it." in caught.value.next_step
    assert "resume t1" in caught.value.next_step
    assert "10.0.0.5" not in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
async def test_modules_that_failed_are_named_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    author = Author(chain(3), told={"produce m1": "No file at all."})
    async with open_runs(tmp_path, RunContext(approval="auto", model=author.model, review_rounds=0)) as runs:
        app = build_app(None, Chats([RunOffer(runs)]))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            response = await client.post("/v1/chat/completions", json=_asked(stream=stream), timeout=60)
    assert response.status_code == 200
    assert '"missing":' in response.text
    assert "m1" in response.text
