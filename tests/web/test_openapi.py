"""The description is true: real answers and real errors are what it says, and nothing else is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from starlette.testclient import TestClient

from matrioska.state.errors import CascadeError, ModelError, ModelTimeoutError
from matrioska.web.openapi import openapi
from tests.voters import CHAINED, THREE, Voters, asked, knows
from tests.web.offered import Scripted

Client = Callable[..., TestClient]
DOWN = ModelError("Nothing listens there.")


def _schema(described: dict[str, Any], path: str, method: str, status: int) -> dict[str, Any]:
    """Return the schema that a response must fit; fails when the description knows no such response."""
    response = described["paths"][path][method]["responses"][str(status)]
    return {**response["content"]["application/json"]["schema"], "components": described["components"]}


def _fits(described: dict[str, Any], response: Any, path: str, method: str) -> None:
    schema = _schema(described, path, method, response.status_code)
    jsonschema_rs.validator_for(_closed(schema)).validate(response.json())


def _closed(schema: Any) -> Any:
    """Return a schema that allows no fields but those that it names."""
    if isinstance(schema, dict):
        closed = {key: _closed(value) for key, value in schema.items()}
        return {**closed, "additionalProperties": False} if schema.get("type") == "object" else closed
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema


def _sometimes(prompt: str) -> Any:
    return DOWN if "Peru" in asked(prompt) else knows(prompt)


@pytest.mark.parametrize(
    ("voters", "query"),
    [
        (Voters(nodes=3), CHAINED),
        (Voters(nodes=4, latency={"n4": 60.0}), "What is the capital of France?"),
        (Voters(nodes=3, says={f"n{n}": _sometimes for n in range(1, 4)}), THREE),
        (Voters(nodes=2, says={"n1": lambda prompt: DOWN}), "What is the capital of France?"),
        (Voters(nodes=1, says={"n1a": "red", "n1b": "blue"}), "Which colour?"),
    ],
    ids=["whole", "early", "missing", "one down", "apart"],
)
def test_real_answers_fit(client: Client, voters: Voters, query: str) -> None:
    opened = client(voters)
    described = opened.get("/openapi.json").json()
    response = opened.post("/query", json={"query": query})
    assert response.status_code == 200
    _fits(described, response, "/query", "post")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{", 400),
        ({"authorization": "Bearer wrong"}, b"{}", 401),
        ({"origin": "https://evil.example"}, b"{}", 403),
        ({}, b'{"query": "' + b"x" * 200_000 + b'"}', 413),
        ({"content-type": "text/plain"}, b"{}", 415),
        ({"host": "evil.example"}, b"{}", 421),
        ({}, b'{"query": "a", "b": 1}', 422),
        ({}, b'{"query": "What is it?"}', 503),
    ],
)
def test_real_errors_fit(client: Client, headers: dict[str, str], body: bytes, status: int) -> None:
    token = "a-token-of-some-length"
    opened = client(Voters(nodes=1, says={"n1": lambda prompt: DOWN}), token=token)
    right = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    response = opened.post("/query", content=body, headers={**right, **headers})
    assert response.status_code == status
    _fits(opened.get("/openapi.json", headers=right).json(), response, "/query", "post")


def test_what_is_asked_with_get_fits(client: Client) -> None:
    opened = client(Voters())
    described = opened.get("/openapi.json").json()
    for path in ("/health", "/topology"):
        _fits(described, opened.get(path), path, "get")


CHAT: dict[str, Any] = {"model": "matrioska-cascade", "messages": [{"role": "user", "content": "Why?"}]}
COMPLETIONS = "/v1/chat/completions"


def test_chats_and_models_fit(client: Client) -> None:
    opened = client(None, Scripted(missing=("Nova",)))
    described = opened.get("/openapi.json").json()
    _fits(described, opened.post(COMPLETIONS, json=CHAT), COMPLETIONS, "post")
    _fits(described, opened.get("/v1/models"), "/v1/models", "get")
    _fits(described, opened.get("/v1/models/matrioska-cascade"), "/v1/models/{model}", "get")
    _fits(described, opened.get("/v1/models/gpt-5"), "/v1/models/{model}", "get")
    _fits(described, opened.get("/topology"), "/topology", "get")
    _fits(described, opened.post("/query", json={"query": "What?"}), "/query", "post")


def test_every_event_of_a_streamed_chat_fits(client: Client) -> None:
    opened = client(None, Scripted())
    described = opened.get("/openapi.json").json()
    chunk = {"$ref": "#/components/schemas/ChatChunk", "components": described["components"]}
    fits = jsonschema_rs.validator_for(_closed(chunk))
    asked_for = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    events = opened.post(COMPLETIONS, json=asked_for).text.strip().split("\n\n")
    assert events.pop() == "data: [DONE]"
    assert len(events) == 9
    for event in events:
        fits.validate(json.loads(event.removeprefix("data: ")))


@pytest.mark.parametrize(
    ("headers", "body", "says", "status"),
    [
        ({}, b"{", "", 400),
        ({"authorization": "Bearer wrong"}, b"{}", "", 401),
        ({"origin": "https://evil.example"}, b"{}", "", 403),
        ({}, {**CHAT, "model": "gpt-5"}, "", 404),
        ({}, b" " * 4_000_001, "", 413),
        ({"content-type": "text/plain"}, b"{}", "", 415),
        ({"host": "evil.example"}, b"{}", "", 421),
        ({}, CHAT, ValueError("a fault"), 500),
        ({}, CHAT, DOWN, 502),
        ({}, CHAT, CascadeError("Nobody."), 503),
        ({}, CHAT, ModelTimeoutError("Too slow.", seconds=1), 504),
    ],
)
def test_real_errors_of_chats_fit(client: Client, headers: dict[str, str], body: Any, says: Any, status: int) -> None:
    token = "a-token-of-some-length"
    opened = client(None, Scripted(says=says), token=token)
    right = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = opened.post(COMPLETIONS, content=content, headers={**right, **headers})
    assert response.status_code == status
    _fits(opened.get("/openapi.json", headers=right).json(), response, COMPLETIONS, "post")


def test_a_busy_door_fits(client: Client) -> None:
    opened = client(None, Scripted())
    described = opened.get("/openapi.json").json()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matrioska.web.chat.chats.MOST_CHATS", 0)
        busy = client(None, Scripted()).post(COMPLETIONS, json=CHAT)
    assert busy.status_code == 429
    _fits(described, busy, COMPLETIONS, "post")


def test_every_path_and_method_is_described_and_every_reference_leads_somewhere(client: Client) -> None:
    app: Any = client(Voters()).app
    described = openapi(guarded=True)
    served = {(route.path, method.lower()) for route in app.routes for method in route.methods - {"HEAD"}}
    assert served == {(path, method) for path, methods in described["paths"].items() for method in methods}
    references = {text for text in str(described).split("'") if text.startswith("#/components/schemas/")}
    assert {name.rpartition("/")[2] for name in references} == set(described["components"]["schemas"])


def test_the_request_of_the_description_is_the_one_that_is_taken() -> None:
    described = openapi(guarded=False)
    schema = {"$ref": "#/components/schemas/QueryRequest", "components": described["components"]}
    valid = jsonschema_rs.validator_for(schema).is_valid
    assert valid({"query": "a"})
    assert valid({"query": "a", "stream": True})
    for wrong in ({}, {"query": ""}, {"query": 1}, {"query": "a", "b": 1}, {"query": "x" * 100_001}):
        assert not valid(wrong)


def test_the_chat_of_the_description_is_the_one_that_is_taken() -> None:
    described = openapi(guarded=False)
    schema = {"$ref": "#/components/schemas/ChatRequest", "components": described["components"]}
    valid = jsonschema_rs.validator_for(schema).is_valid
    assert valid(CHAT)
    assert valid({**CHAT, "stream": True, "temperature": 1, "of_tomorrow": {}})
    for wrong in ({}, {**CHAT, "messages": []}, {**CHAT, "n": 2}, {**CHAT, "messages": [{"role": "wizard"}]}):
        assert not valid(wrong)


def test_without_a_token_none_is_described() -> None:
    described = openapi(guarded=False)
    assert "security" not in described
    assert "401" not in described["paths"]["/query"]["post"]["responses"]
    assert openapi(guarded=True)["security"] == [{"token": []}]
