"""The service and the monitor behind one door."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from matrioska.web.guard import Door
from matrioska.web.outer import Outer

_TOKEN = "a-token-of-some-length"


def _says(name: str) -> Starlette:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{name} {request.url.path}")

    return Starlette(routes=[Route("/{path:path}", answer)])


@pytest.fixture
def client() -> TestClient:
    outer = Outer(_says("service"), _says("monitor"), Door(monitor_token=_TOKEN))
    return TestClient(outer, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {_TOKEN}"})


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/monitor", "monitor /monitor"),
        ("/monitor/run/x", "monitor /monitor/run/x"),
        ("/monitors", "service /monitors"),
        ("/api/monitor", "service /api/monitor"),
        ("/", "service /"),
    ],
)
def test_the_path_says_who_answers(client: TestClient, path: str, answered: str) -> None:
    assert client.get(path).text == answered


@pytest.mark.parametrize("path", ["/monitor", "/monitor/assets/monitor.css"])
def test_without_the_token_nothing_of_the_monitor_is_seen(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Authorization": ""}).status_code == 401
    assert client.get(path, headers={"Host": "evil.example"}).status_code == 421
