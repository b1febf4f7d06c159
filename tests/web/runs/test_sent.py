"""What a start over HTTP may bring along: files, limits, and what else the run chooses."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from matrioska.web.runs import uploads
from matrioska.web.runs.schemas import SentFile
from tests.support import Author, plan, spec
from tests.web.runs.test_api import _rests, api_of


def _file(name: str, content: bytes = b"owl,3\n") -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(content).decode()}


@pytest.fixture(scope="module")
def author() -> Author:
    return Author(plan(spec("m0")))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, author: Author) -> Iterator[httpx.Client]:
    with api_of(author, tmp_path_factory.mktemp("sent")) as opened:
        yield opened


def test_files_become_the_projects(client: httpx.Client, author: Author) -> None:
    files = [_file("prices.csv"), _file("prices.csv", b"cat,4\n")]
    sent = client.post("/api/runs", json={"task": "Build it.", "thread": "files", "assets": files})
    assert sent.status_code == 201
    _rests(client, "files")
    prompt = author.prompts("plan")[-1]
    assert "prices.csv" in prompt
    assert "prices-2.csv" in prompt


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (_file("../x.csv"), "refused"),
        (_file("/etc/passwd"), "refused"),
        (_file("a/b.csv"), "refused"),
        (_file("a\\b.csv"), "refused"),
        (_file(".bashrc"), "refused"),
        (_file("con"), "refused"),
        (_file("a\x00.csv"), "refused"),
        ({"name": "a.csv", "content": "no base64!"}, "not base64"),
        (_file("a.csv", b"x" * 2_000), "bytes together"),
    ],
)
def test_files_that_cannot_be_are_refused_and_nothing_is_started(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, file: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 1_000)
    sent = client.post("/api/runs", json={"task": "Build it.", "thread": "refused", "assets": [file]})
    assert sent.status_code == 422
    assert says in sent.json()["error"]["message"]
    assert client.get("/api/runs/refused").status_code == 404


def test_limits_and_choices_hold(client: httpx.Client) -> None:
    chosen: dict[str, Any] = {"budget_tokens": 500, "budget_cost": 2, "timeout": 90.5, "slots": 1, "project": "owls"}
    sent = client.post("/api/runs", json={"task": "Build it.", "thread": "limits", "approval": "auto", **chosen})
    assert sent.status_code == 201
    view = _rests(client, "limits")
    assert view["waiting"] == "budget"
    assert view["budget"] == {"budget_tokens": 500, "budget_cost": 2, "timeout": 90.5}
    stale = client.post("/api/runs/limits/answer", params={"question": "another"}, json=True)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "other_question")
    asked = {"question": view["question"]["id"]}
    raised = client.post("/api/runs/limits/answer", params=asked, json={"budget_tokens": 1_000_000})
    assert raised.status_code == 202
    assert _rests(client, "limits")["status"] == "complete"
    direct = client.post("/api/runs", json={"task": "Build it.", "thread": "direct", "direct": True})
    assert direct.status_code == 201
    assert len(_rests(client, "direct")["modules"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget_tokens": 0},
        {"budget_cost": -1},
        {"budget_cost": "1"},
        {"timeout": 0},
        {"slots": 0},
        {"review_rounds": 11},
        {"language": "english"},
        {"project": "../x"},
        {"roles": {"king": "embedded"}},
        {"roles": {"boss": "nobody:x"}},
        {"assets": [{"name": "", "content": ""}]},
        {"assets": [{"name": "x", "path": "/etc/passwd"}]},
        {"assets": "/etc/passwd"},
        {"base_path": "/"},
    ],
)
def test_choices_that_cannot_be_are_refused(client: httpx.Client, wrong: dict[str, Any]) -> None:
    assert client.post("/api/runs", json={"task": "Build it.", **wrong}).status_code == 422


async def test_files_are_written_outside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(content: str, validate: bool) -> bytes:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return content.encode()

    monkeypatch.setattr(uploads.base64, "b64decode", decoded)
    sent = [SentFile(name="prices.csv", content="owl"), SentFile(name="prices.csv", content="cat")]
    async with uploads.as_files(sent) as places:
        assert [(place.name, place.read_text()) for place in places] == [("prices.csv", "owl"), ("prices.csv", "cat")]
    assert not any(place.exists() for place in places)
