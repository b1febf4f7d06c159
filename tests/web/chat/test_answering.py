"""The cascade and the ensemble behind the door, with a server of models that answers over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from matrioska.store.journal import open_journal
from matrioska.web.app import build_app
from matrioska.web.chat.answering import open_offers
from matrioska.web.chat.chats import Chats
from matrioska.workers.ensemble.topology import load_topology
from tests.protocols import ModelServer, openai_app, serving

QUESTION = "Why is the sky blue?"
ANSWER = "The sky is blue since the air scatters blue light more than red light."
TREE = """
[cascade]
[[cascade.minds]]
id = "atlas"
reflections = 0
critique = false
[[cascade.minds]]
id = "nova"
parent = "atlas"
speciality = "physics"
reflections = 0
critique = false
"""


@pytest.fixture
def models() -> Iterator[ModelServer]:
    """A server of models that answers every question in the same words."""
    with serving(openai_app, ModelServer(lambda stage, module, prompt: ANSWER)) as server:
        yield server


@asynccontextmanager
async def door(base: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Open everything that answers on a base path; yield a client of it, without a port."""
    async with open_offers(base) as offers:
        app = build_app(None, Chats(offers))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            yield client


def settings(base: Path, text: str) -> None:
    (base / "matrioska.toml").write_text(text)


def asked(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": QUESTION}], **more}


async def _models(client: httpx.AsyncClient) -> list[str]:
    return [model["id"] for model in (await client.get("/v1/models")).json()["data"]]


async def test_only_what_can_answer_is_offered(tmp_path: Path, models: ModelServer) -> None:
    async with door(tmp_path) as client:
        assert await _models(client) == ["matrioska"]
    settings(tmp_path, f'model = "openai:m@{models.url}/v1"\n')
    async with door(tmp_path) as client:
        assert await _models(client) == ["matrioska-cascade", "matrioska"]
    name = f"openai:m@{models.url}/v1"
    settings(tmp_path, f'[[ensemble.nodes]]\nid = "n1"\nmodel_a = "{name}"\nmodel_b = "{name}"\n')
    async with door(tmp_path) as client:
        assert await _models(client) == ["matrioska-ensemble", "matrioska"]


async def test_the_cascade_answers_and_leaves_its_conversation_in_the_journal(
    tmp_path: Path, models: ModelServer
) -> None:
    settings(tmp_path, f'model = "openai:m@{models.url}/v1"\n{TREE}')
    async with door(tmp_path) as client:
        response = await client.post("/v1/chat/completions", json=asked("matrioska-cascade"))
    answer = response.json()
    assert response.status_code == 200, answer
    assert ANSWER in answer["choices"][0]["message"]["content"]
    assert answer["matrioska"]["missing"] == []
    assert answer["usage"]["prompt_tokens"] == 11 * len(models.requests)
    assert answer["usage"]["completion_tokens"] == 7 * len(models.requests)
    said = open_journal(tmp_path).messages(answer["matrioska"]["thread_id"])
    assert QUESTION in said[0].content
    assert any(ANSWER in message.content for message in said)


async def test_a_streamed_cascade_tells_who_thinks(tmp_path: Path, models: ModelServer) -> None:
    settings(tmp_path, f'model = "openai:m@{models.url}/v1"\n{TREE}')
    async with door(tmp_path) as client:
        response = await client.post("/v1/chat/completions", json=asked("matrioska-cascade", stream=True))
    assert '"reasoning_content": "Nova ' in response.text
    assert response.text.endswith("data: [DONE]\n\n")


async def test_the_ensemble_answers_by_the_topology_that_was_given(tmp_path: Path, models: ModelServer) -> None:
    name = f"openai:m@{models.url}/v1"
    (tmp_path / "t.json").write_text(f'{{"nodes": [{{"id": "n1", "model_a": "{name}", "model_b": "{name}"}}]}}')
    async with open_offers(tmp_path, load_topology(tmp_path / "t.json")) as offers:
        transport = httpx.ASGITransport(build_app(None, Chats(offers)))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            response = await client.post("/v1/chat/completions", json=asked("matrioska-ensemble"))
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize("lives", [0, 1, 3])
async def test_a_server_that_dies_midway_is_told_and_the_door_stays_open(tmp_path: Path, lives: int) -> None:
    """The models' server goes away after some answers: whoever has answered is heard, or the reason comes."""

    def dying(stage: str, module: str, prompt: str) -> str:
        if len(server.requests) > lives:
            server.leave()
            # What is under way when it goes is refused; later calls find nobody.
            raise HTTPException(503)
        return ANSWER

    server = ModelServer(dying)
    with serving(openai_app, server):
        member = f'[members.m]\nmodel = "openai:m@{server.url}/v1"\nattempts = 1\n'
        settings(tmp_path, f'model = "m"\n{member}{TREE}')
        async with door(tmp_path) as client:
            response = await client.post("/v1/chat/completions", json=asked("matrioska-cascade"))
            health = await client.get("/health")
    told = response.json()
    if lives:
        assert response.status_code == 200, told
        assert told["matrioska"]["missing"]
    else:
        assert (response.status_code, told["error"]["type"]) == (503, "server_error")
    assert server.url not in response.text
    assert health.json()["chats"] == 0
