"""What becomes of a request: one question with its material, or a refusal with the field at fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from matrioska.state.cascade import MAX_QUESTION
from matrioska.web.chat import asked
from matrioska.workers.ensemble.decompose import decompose
from tests.web.offered import Scripted

Client = Callable[..., TestClient]
JSON = {"content-type": "application/json"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def user(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "matrioska-cascade", "messages": list(messages), **more}


@pytest.fixture
def understood(client: Client) -> Callable[..., str]:
    """Return what the cascade is asked for a request."""

    def ask(*messages: Any, **more: Any) -> str:
        offer = Scripted()
        response = client(None, offer).post("/v1/chat/completions", json=body(*messages, **more))
        assert response.status_code == 200, response.text
        return offer.asked[0]

    return ask


def test_a_single_message_is_the_question(understood: Any) -> None:
    assert understood(user("  Why?\r\n ")) == "Why?"


def test_parts_of_text_are_joined(understood: Any) -> None:
    assert understood(user([{"type": "text", "text": "One"}, {"type": "text", "text": "two?"}])) == "One\ntwo?"


def test_what_was_said_before_goes_along_below_the_question(understood: Any) -> None:
    said = understood(
        user("Answer in French.", "system"),
        user("What is the capital of Peru?"),
        user("```\nLima\n```", "assistant"),
        user("[weather: 20 degrees]", "tool"),
        user(None, "assistant"),
        user("And of Kenya?"),
    )
    assert said == (
        "And of Kenya?\n\nEarlier in this conversation, as material:\n\n```\n"
        "[instructions] Answer in French.\n\n[user] What is the capital of Peru?\n\n[assistant] ~~~\nLima\n~~~\n```"
    )
    assert [chunk.text for chunk in decompose(said)] == [said]


def test_what_comes_after_the_last_question_is_material_too(understood: Any) -> None:
    said = understood(user("Go on?"), user("I begin:", "assistant"))
    assert said.startswith("Go on?\n\nEarlier")
    assert "[assistant] I begin:" in said


def test_a_long_conversation_keeps_the_instructions_and_the_latest_turns(understood: Any) -> None:
    turns = [user(f"Turn {number}. " + "x" * 4_000, "user" if number % 2 else "assistant") for number in range(40)]
    said = understood(user("Be brief.", "developer"), *turns, user("Now?"))
    assert said.startswith("Now?")
    assert "[instructions] Be brief." in said
    assert "Turn 39." in said
    assert "Turn 5." not in said
    kept = said.count("Turn ")
    assert f"({40 - kept} earlier messages are left out.)" in said
    assert len(said) < asked.MAX_MATERIAL + 1_000


def test_one_huge_turn_is_cut_and_the_question_kept_whole(understood: Any) -> None:
    said = understood(user("y" * 90_000, "assistant"), user("q" * 60_000))
    assert said.startswith("q" * 60_000 + "\n\nEarlier")
    assert " […]" in said
    assert len(said) <= MAX_QUESTION
    assert understood(user("before"), user("q" * 99_490)) == "q" * 99_490


@pytest.mark.parametrize(
    ("sent", "status", "code", "param"),
    [
        (b"", 400, "bad_json", None),
        (b"{", 400, "bad_json", None),
        (b"[" * 100_000, 400, "bad_json", None),
        (b"\xff\xfe", 400, "bad_json", None),
        (b"[]", 400, "invalid_value", None),
        (b"7", 400, "invalid_value", None),
        (b"{}", 400, "missing_required_parameter", "model"),
        (body(), 400, "invalid_value", "messages"),
        ({"model": "matrioska-cascade"}, 400, "missing_required_parameter", "messages"),
        ({"model": 7, "messages": [user("a")]}, 400, "invalid_value", "model"),
        ({"model": "gpt-5", "messages": [user("a")]}, 404, "model_not_found", "model"),
        (body("a"), 400, "invalid_value", "messages.0"),
        (body({"content": "a"}), 400, "missing_required_parameter", "messages.0.role"),
        (body(user("a", "wizard")), 400, "invalid_value", "messages.0.role"),
        (body(user("a"), stream="yes"), 400, "invalid_value", "stream"),
        (body(user("a", "system")), 400, "invalid_value", "messages"),
        (body(user("")), 400, "invalid_value", "messages.0.content"),
        (body(user("a"), user(None)), 400, "invalid_value", "messages.1.content"),
        (body(user(" \n ")), 400, "invalid_value", "messages.0.content"),
        (body(user("\x00\x01\x02 a")), 400, "invalid_value", "messages.0.content"),
        (body(user("x" * MAX_QUESTION)), 400, "context_length_exceeded", "messages.0.content"),
        (
            body(user([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PNG}}])),
            400,
            "invalid_value",
            "messages.0.content.1",
        ),
        (body(user([{"type": "text"}])), 400, "invalid_value", "messages.0.content.0"),
        (body(user([{"type": ["text"]}])), 400, "invalid_value", "messages.0.content.0"),
        (body(user("a"), n=2), 400, "unsupported_parameter", "n"),
        (body(user("a"), n="1"), 400, "unsupported_parameter", "n"),
        (body(user("a"), functions=[{"name": "f"}]), 400, "unsupported_parameter", "functions"),
        (body(user("a"), modalities=["text", "audio"]), 400, "unsupported_parameter", "modalities"),
        (body(user("a"), response_format="json"), 400, "unsupported_parameter", "response_format"),
        (body(*[user("a")] * 2_001), 400, "invalid_value", "messages"),
        (b" " * (asked.MAX_BODY + 1), 413, "too_large", None),
    ],
)
def test_a_bad_request_is_refused_in_openais_form(
    client: Client, sent: Any, status: int, code: str, param: str | None
) -> None:
    offer = Scripted()
    content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    response = client(None, offer).post("/v1/chat/completions", content=content, headers=JSON)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 1_000
    assert response.headers["x-should-retry"] == "false"
    assert not offer.asked


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_type_of_body_is_refused(client: Client, kind: str) -> None:
    response = client(None).post("/v1/chat/completions", content=b"{}", headers={"content-type": kind})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "media_type")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/v1/chat/completions", {}, 405, "method_not_allowed"),
        ("POST", "/v1/models", {}, 405, "method_not_allowed"),
        ("POST", "/v1/embeddings", {}, 404, "not_found"),
        ("GET", "/v1", {}, 404, "not_found"),
        ("GET", "/v1/models/gpt-5", {}, 404, "model_not_found"),
        ("GET", "/v1/models", {"origin": "https://evil.example"}, 403, "origin"),
        ("GET", "/v1/models", {"host": "evil.example"}, 421, "host"),
    ],
)
def test_all_that_is_refused_below_v1_has_openais_form(
    client: Client, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    response = client(None).request(method, path, headers=headers)
    assert response.status_code == status
    assert (response.json()["error"]["code"], set(response.json()["error"])) == (
        code,
        {"message", "type", "param", "code"},
    )


def test_no_page_of_another_site_is_let_in(client: Client) -> None:
    """The preflight of a browser is refused, and no header says otherwise."""
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    response = client(None).options("/v1/chat/completions", headers=headers)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_without_an_ensemble_the_rest_still_answers(client: Client) -> None:
    opened = client(None)
    asked_for = opened.post("/query", json={"query": "a?"})
    assert (asked_for.status_code, asked_for.json()["error"]["code"]) == (503, "no_ensemble")
    assert "[ensemble]" in asked_for.json()["error"]["next_step"]
    assert opened.get("/topology").status_code == 404
    health = opened.get("/health").json()
    assert health == {"status": "ok", "nodes": 0, "queries": 0, "models": ["matrioska-cascade"], "chats": 0}
