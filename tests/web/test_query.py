"""``POST /query`` over real HTTP: eight clients at once, a server that dies, askers who leave, and a quiet end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from matrioska.client import EnsembleClient, ServiceError
from matrioska.state.ensemble import EnsembleAnswer, NodeSpec, Topology
from matrioska.state.errors import ModelError
from matrioska.state.members import Member
from matrioska.store.journal import open_journal
from matrioska.web.app import build_app
from matrioska.web.chat.chats import Chats
from matrioska.web.queries import Queries
from matrioska.workers.ensemble.run import Ensemble
from tests.protocols import ModelServer, openai_app
from tests.protocols import serving as serving_model
from tests.voters import CHAINED, THREE, Voters, knows
from tests.web.conftest import on_a_port, serving

DOWN = ModelError("Nothing listens there.")
CLIENTS = 8


def _until(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.005)


class _Busy:
    """Answers, and remembers how many answers were under way at once."""

    def __init__(self) -> None:
        self.answered = threading.Semaphore(0)

    def says(self, stage: str, module: str, prompt: str) -> str:
        time.sleep(0.02)
        self.answered.release()
        return knows(prompt)


def test_eight_clients_at_once_while_a_models_server_dies() -> None:
    """Three nodes, each with a server of its own; that of the second dies in the midst of it."""
    busy = [_Busy() for _ in range(3)]
    with ExitStack() as stack:
        servers = [stack.enter_context(serving_model(openai_app, ModelServer(one.says))) for one in busy]
        names = [f"openai:m@{server.url}/v1" for server in servers]
        specs = tuple(NodeSpec(id=f"n{n}", model_a=name, model_b=name) for n, name in enumerate(names, 1))
        ensemble = Ensemble(Topology(nodes=specs), find=lambda name: Member(model=name, attempts=1, slots=4))
        url, _ = stack.enter_context(serving(ensemble))
        with ThreadPoolExecutor(CLIENTS) as pool:
            asked = [pool.submit(EnsembleClient(url).query, THREE) for _ in range(CLIENTS)]
            for _ in range(4):
                assert busy[1].answered.acquire(timeout=20)
            servers[1].leave()
            answers = [one.result(60) for one in asked]
        late = EnsembleClient(url).query("What is the capital of France?")
        health = httpx.get(f"{url}/health").json()
    for answer in answers:
        told = {found.chunk.number: found.answer for found in answer.chunks if found.answer}
        assert told.items() <= {1: "Paris", 2: "Lima", 3: "Nairobi"}.items()
        assert [found.chunk.number for found in answer.chunks if not found.answer] == answer.missing
        assert answer.answer.strip()
    assert late.chunks[0].answer == "Paris"
    down = [vote for answer in [*answers, late] for vote in answer.votes if vote.how == "failed"]
    assert down, "the server died while queries were under way"
    assert {vote.node for vote in down} == {"n2"}
    assert health == {"status": "ok", "nodes": 3, "queries": 0, "models": [], "chats": 0}


def test_all_down_is_503_with_the_reason_and_the_service_goes_on(served: Any) -> None:
    up: list[bool] = []
    says = {f"n{number}": lambda prompt: knows(prompt) if up else DOWN for number in range(1, 4)}
    url, _ = served(Voters(says=says))
    response = httpx.post(f"{url}/query", json={"query": CHAINED})
    assert response.status_code == 503
    error = response.json()["error"]
    assert error["code"] == "ensemble"
    assert "Nothing listens there" in error["message"]
    assert error["next_step"]
    with pytest.raises(ServiceError) as caught:
        EnsembleClient(url).query(CHAINED)
    assert (caught.value.status, caught.value.code) == (503, "ensemble")
    up.append(True)
    assert EnsembleClient(url).query(CHAINED).chunks[0].answer == "Paris"


def test_too_slow_is_504() -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0, "n2": 60.0})
    ensemble = Ensemble(voters.topology(node_timeout=0.2), find=voters.find)
    with serving(ensemble) as (url, _):
        response = httpx.post(f"{url}/query", json={"query": "What is the capital of France?"}, timeout=20)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "ensemble_timeout"


@pytest.mark.parametrize("stream", [False, True])
def test_an_asker_who_leaves_cancels_the_query(served: Any, stream: bool) -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0, "n2": 60.0})
    url, queries = served(voters)
    body = {"query": "What is the capital of France?", "stream": stream}
    with (
        httpx.Client(base_url=url) as client,
        pytest.raises(httpx.ReadTimeout),
        client.stream("POST", "/query", json=body, timeout=1.5) as response,
    ):
        response.read()
    _until(lambda: len(queries) == 0)
    assert sorted(voters.cancelled) == ["n1a", "n1b", "n2a", "n2b"]


def test_events_come_as_they_happen_and_end_with_the_answer(served: Any) -> None:
    url, _ = served(Voters(nodes=2))
    client = EnsembleClient(url)
    events = list(client.stream(CHAINED))
    kinds = [event["type"] for event in events]
    assert kinds == ["chunk", "chunk", "asked", "vote", "decided", "asked", "vote", "decided", "synthesis", "done"]
    answer = EnsembleAnswer.model_validate(events[-1]["answer"])
    assert [found.answer for found in answer.chunks] == ["Paris", "2 million"]
    asked_for = httpx.post(f"{url}/query", json={"query": CHAINED}, headers={"Accept": "text/event-stream"})
    assert asked_for.headers["content-type"].startswith("text/event-stream")
    assert asked_for.text.count("event: done\n") == 1


def test_what_is_said_to_answer_a_query_is_in_the_journal(tmp_path: Path) -> None:
    voters = Voters(nodes=2)
    ensemble = Ensemble(voters.topology(), find=voters.find)
    queries = Queries(ensemble, tmp_path)
    with on_a_port(build_app(queries, Chats([])), queries) as url:
        EnsembleClient(url).query(CHAINED)
    journal = open_journal(tmp_path)
    (conversation,) = journal.conversations()
    assert (conversation.graph, conversation.status, conversation.title) == ("ensemble", "done", CHAINED)
    messages = journal.messages(conversation.id)
    calls = sum(len(model.calls) for model in voters.models.values())
    assert calls == sum(len(message.metrics) for message in messages) > 0
    assert {message.type for message in messages} >= {"query", "delegation", "response"}
    assert "open" not in {message.status for message in messages}
    journal.close()


def test_a_query_that_fails_says_so_in_the_journal(tmp_path: Path) -> None:
    voters = Voters(nodes=1, says={"n1": lambda prompt: DOWN})
    queries = Queries(Ensemble(voters.topology(), find=voters.find), tmp_path)
    with on_a_port(build_app(queries, Chats([])), queries) as url:
        assert httpx.post(f"{url}/query", json={"query": "What?"}).status_code >= 500
    journal = open_journal(tmp_path)
    (conversation,) = journal.conversations()
    assert conversation.status == "failed"
    assert "error" in {message.type for message in journal.messages(conversation.id)}
    journal.close()


async def test_the_client_in_async_code(served: Any) -> None:
    url, _ = served(Voters(nodes=2))
    client = EnsembleClient(url)
    assert (await client.aquery(CHAINED)).chunks[0].answer == "Paris"
    assert [event["type"] async for event in client.astream(CHAINED)][-1] == "done"


async def test_a_stream_that_fails_ends_with_its_reason(served: Any) -> None:
    url, _ = served(Voters(nodes=1, says={"n1": lambda prompt: DOWN}))
    with pytest.raises(ServiceError, match="Nothing listens there"):
        list(EnsembleClient(url).stream(CHAINED))
    with pytest.raises(ServiceError, match="Nothing listens there"):
        [event async for event in EnsembleClient(url).astream(CHAINED)]


def test_the_end_of_the_service_tells_who_waits() -> None:
    voters = Voters(nodes=2, latency={"n1": 60.0, "n2": 60.0})
    ensemble = Ensemble(voters.topology(), find=voters.find)
    with ThreadPoolExecutor(1) as pool:
        with serving(ensemble) as (url, _):
            asked = pool.submit(httpx.post, f"{url}/query", json={"query": "What is it?"}, timeout=30)
            _until(lambda: len(voters.begun) == 4)
        response = asked.result(20)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "stopping"
    assert sorted(voters.cancelled) == ["n1a", "n1b", "n2a", "n2b"]


def test_a_service_that_is_not_there_is_said(tmp_path: Any) -> None:
    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        EnsembleClient("http://127.0.0.1:9").query("Anybody?")
    assert "matrioska serve" in caught.value.next_step


@pytest.mark.parametrize(("token", "query"), [("tökenfröhlich", "Anybody?"), (None, "Half a \ud83d?")])
async def test_what_cannot_be_sent_is_said(token: str | None, query: str) -> None:
    client = EnsembleClient("http://127.0.0.1:9", token)
    with pytest.raises(ServiceError, match="cannot be written in"):
        client.query(query)
    with pytest.raises(ServiceError, match="cannot be written in"):
        [event async for event in client.astream(query)]


@pytest.mark.parametrize("answer", [RedirectResponse("/elsewhere", 302), PlainTextResponse("[" * 100_000, 500)])
async def test_an_answer_without_a_reason_is_said(answer: Response) -> None:
    other = Starlette(routes=[Route("/query", lambda request: answer, methods=["POST"])])
    with serving_model(lambda server: other, ModelServer(lambda stage, module, prompt: "")) as server:
        client = EnsembleClient(server.url)
        for ask in (client.query, lambda text: list(client.stream(text))):
            with pytest.raises(ServiceError, match="and no reason") as caught:
                ask(CHAINED)
            assert caught.value.status == answer.status_code
        with pytest.raises(ServiceError, match="and no reason"):
            [event async for event in client.astream(CHAINED)]


@pytest.mark.parametrize("told", ["data: hello", "data: [1]", "event: error\ndata: 3", f"data: {'[' * 100_000}"])
async def test_a_stream_of_something_else_is_said(told: str) -> None:
    other = Starlette(routes=[Route("/query", lambda request: PlainTextResponse(f"{told}\n\n"), methods=["POST"])])
    with serving_model(lambda server: other, ModelServer(lambda stage, module, prompt: "")) as server:
        with pytest.raises(ServiceError, match="in another form"):
            list(EnsembleClient(server.url).stream(CHAINED))
        with pytest.raises(ServiceError, match="in another form"):
            [event async for event in EnsembleClient(server.url).astream(CHAINED)]
