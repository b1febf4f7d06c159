"""Bad input, strangers and limits: each refused with a status and a reason."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from matrioska.state.ensemble import MAX_QUERY
from matrioska.state.errors import ConfigError, ModelError, UsageError
from matrioska.web import queries, stream
from matrioska.web.guard import LOOPBACK_HOSTS
from matrioska.web.server import check_door, listen
from matrioska.web.shown import shown_event, shown_reason
from tests.voters import Voters

Client = Callable[..., TestClient]
TOKEN = "a-token-of-some-length"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"query": ""}', JSON, 422, "bad_request"),
        (b'{"query": "  \\n "}', JSON, 422, "bad_task"),
        (b'{"query": "\\u0000\\u0001\\u0002 a"}', JSON, 422, "bad_task"),
        (b"{}", JSON, 422, "bad_request"),
        (b"[]", JSON, 422, "bad_request"),
        (b"null", JSON, 422, "bad_request"),
        (b'{"query": 7}', JSON, 422, "bad_request"),
        (b'{"query": ["a"]}', JSON, 422, "bad_request"),
        (b'{"query": "a", "stream": "yes"}', JSON, 422, "bad_request"),
        (b'{"query": "a", "model": "gpt"}', JSON, 422, "bad_request"),
        (b"", JSON, 400, "bad_json"),
        (b"query=a", JSON, 400, "bad_json"),
        (b'{"query": "a"', JSON, 400, "bad_json"),
        (b"\xff\xfe\x00", JSON, 400, "bad_json"),
        (b"[" * 100_000, JSON, 400, "bad_json"),
        (json.dumps({"query": "x" * 1_000_000}).encode(), JSON, 413, "too_large"),
        (json.dumps({"query": "x" * (MAX_QUERY + 1)}).encode(), JSON, 413, "too_large"),
        (b" " * (queries.MAX_BODY + 1), JSON, 413, "too_large"),
        (b'{"query": "a"}', {"content-type": "text/plain"}, 415, "media_type"),
        (b"query=a", {"content-type": "application/x-www-form-urlencoded"}, 415, "media_type"),
        (b'{"query": "a"}', {"content-type": ""}, 415, "media_type"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_bad_body_is_refused_with_a_reason(
    client: Client, body: bytes, headers: dict[str, str], status: int, code: str, accept: str
) -> None:
    voters = Voters()
    response = client(voters).post("/query", content=body, headers={"accept": accept, **headers})
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["next_step"]
    assert not voters.begun


def test_the_longest_query_is_taken_even_if_every_character_is_escaped(client: Client) -> None:
    response = client(Voters(nodes=1, says={"n1": "Yes."})).post("/query", json={"query": "\U0001f600" * MAX_QUERY})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/query", 405),
        ("DELETE", "/query", 405),
        ("POST", "/health", 405),
        ("GET", "/", 404),
        ("POST", "/x", 404),
    ],
)
def test_other_methods_and_paths(client: Client, method: str, path: str, status: int) -> None:
    response = client(Voters()).request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["next_step"]
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8000", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8000", False),
        ("localhost.evil.example", False),
        ("[::1].evil.example", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_answered(client: Client, host: str, taken: bool) -> None:
    response = client(Voters()).get("/health", headers={"host": host})
    assert response.status_code == (200 if taken else 421)


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_of_other_sites_are_refused(client: Client, origin: str, taken: bool) -> None:
    voters = Voters(nodes=1)
    response = client(voters).post("/query", json={"query": "What is it?"}, headers={"origin": origin})
    assert response.status_code == (200 if taken else 403)
    assert bool(voters.begun) == taken


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN}", True),
        (f"Bearer {TOKEN}x", False),
        ("Bearer ", False),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        ("Bearer ção", False),
        (None, False),
    ],
)
def test_with_a_token_nothing_goes_without_it(client: Client, header: str | None, taken: bool) -> None:
    opened = client(Voters(nodes=1), token=TOKEN)
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    for path in ("/health", "/topology", "/openapi.json", "/nowhere"):
        response = opened.get(path, headers=headers)  # type: ignore[arg-type]
        assert (response.status_code != 401) == taken
        assert TOKEN not in response.text
    assert taken or response.headers["www-authenticate"] == "Bearer"


def test_who_may_listen_where() -> None:
    assert check_door("127.0.0.1", None) == LOOPBACK_HOSTS
    assert check_door("localhost", None) == LOOPBACK_HOSTS
    assert check_door("127.0.0.2", None) == LOOPBACK_HOSTS | {"127.0.0.2"}
    assert check_door("192.168.1.5", TOKEN) == LOOPBACK_HOSTS | {"192.168.1.5"}
    assert check_door("0.0.0.0", TOKEN) is None
    assert check_door("::", TOKEN) is None
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):
        with pytest.raises(ConfigError, match="there is no token"):
            check_door(host, None)
    with pytest.raises(ConfigError, match="5 characters"):
        check_door("127.0.0.1", "short")
    for token in (f"{TOKEN}\n", f" {TOKEN}", "a token in several words", "símbolo-de-acesso-longo"):
        with pytest.raises(ConfigError, match="a header cannot bear"):
            check_door("0.0.0.0", token)


def test_a_port_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Cannot listen on 127.0.0.1:{port}"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError, match="Cannot listen"):
        listen("no such host", 0)


def test_too_many_queries_wait_outside(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_QUERIES", 0)
    opened = client(Voters())
    for body in ({"query": "What is it?"}, {"query": "What is it?", "stream": True}):
        response = opened.post("/query", json=body)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "busy"
        assert response.headers["retry-after"] == "1"


def test_a_long_silence_in_a_stream_is_filled(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    opened = client(Voters(nodes=1, latency={"n1": 0.3}))
    response = opened.post("/query", json={"query": "What is it?", "stream": True})
    assert ": still at work\n\n" in response.text
    assert response.text.rstrip().splitlines()[-2] == "event: done"


def test_answers_and_topology_show_no_place_of_this_machine(client: Client) -> None:
    voters = Voters(nodes=2)

    def find(name: str) -> Any:
        found = voters.find(name)
        found.member = found.member.model_copy(update={"model": f"gguf:/secret/place/{name}.gguf"})
        return found

    from matrioska.web.app import build_app
    from matrioska.web.chat.chats import Chats
    from matrioska.web.queries import Queries
    from matrioska.workers.ensemble.run import Ensemble

    topology = voters.topology(synthesizer="gguf:/secret/place/big.gguf")
    app = build_app(Queries(Ensemble(topology, find=find)), Chats([]))
    with TestClient(app, base_url="http://localhost") as opened:
        answer = opened.post("/query", json={"query": "What is the capital of France?"})
        shown = opened.get("/topology")
    assert answer.status_code == shown.status_code == 200
    assert "secret" not in answer.text + shown.text
    assert shown.json()["synthesizer"] == "gguf:big.gguf"
    assert [node["id"] for node in shown.json()["nodes"]] == ["n1", "n2"]


REASON = (
    "gguf:/secret/John Smith/x.gguf: llama.cpp cannot load /secret/John Smith/x.gguf: it is damaged. "
    "vllm:m@http://user:secret@10.0.0.5:1/v1: Nothing answers at http://10.0.0.5:1/v1, or C:\\secret\\m\\ is gone."
)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("answered", [False, True])
def test_reasons_show_no_address_and_no_place_of_this_machine(client: Client, streamed: bool, answered: bool) -> None:
    def says(prompt: str) -> Any:
        return "Paris" if answered and "France" in prompt else ModelError(REASON)

    text = "What is the capital of France? What is the capital of Peru?"
    response = client(Voters(nodes=2, says={"n1": says, "n2": says})).post(
        "/query", json={"query": text, "stream": streamed}
    )
    assert response.status_code == (200 if answered or streamed else 503)
    assert "x.gguf: llama.cpp cannot load x.gguf: it is damaged" in response.text
    assert "Smith" not in response.text
    assert "secret" not in response.text
    assert "10.0.0.5" not in response.text


def test_events_show_no_place_of_the_synthesizer() -> None:
    shown = shown_event({"type": "synthesis", "by": "gguf:/secret/place/big.gguf"})
    assert shown == {"type": "synthesis", "by": "gguf:big.gguf"}


@pytest.mark.parametrize(
    "reason",
    ["It gave no answer within 5 s.", "org/model: it is and/or was down, see 3/4 of it.", "n1: nothing; n2: x."],
)
def test_reasons_without_places_stay_as_they_are(reason: str) -> None:
    assert shown_reason(reason) == reason


def test_a_body_that_does_not_arrive_is_given_up(
    served: Callable[..., tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matrioska.web.body.BODY_TIME", 0.05)
    told = _told(served, b"POST /query HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n%s\r\n{")
    assert b" 408 " in told.partition(b"\r\n")[0]
    assert b'"too_slow"' in told


def test_headers_without_end_are_refused(served: Callable[..., tuple[str, Any]]) -> None:
    told = _told(served, b"GET /health HTTP/1.1\r\n%sX: " + b"a" * 100_000)
    assert b" 400 " in told.partition(b"\r\n")[0]


def _told(served: Callable[..., tuple[str, Any]], request: bytes) -> bytes:
    """Return what the service says to bytes, with its host where ``%s`` stands, before it closes the connection."""
    place = served(Voters())[0].removeprefix("http://")
    name, _, port = place.rpartition(":")
    told = b""
    with socket.create_connection((name, int(port)), timeout=20) as opened:
        opened.sendall(request % f"Host: {place}\r\n".encode())
        while part := opened.recv(65_536):
            told += part
    return told
