"""GGUF files in this process: loaded once, shared by threads and loops, and refused in words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import xllamacpp
from langchain_core.messages import HumanMessage

from matrioska.models import gguf
from matrioska.models.gateway import client_for
from matrioska.models.gguf import ChatGGUF, close_models
from matrioska.models.registry import check_member, make_model
from matrioska.state.ensemble import Chunk, NodeSpec
from matrioska.state.errors import ContextWindowError, ModelError, ModelLoadError, QueueFullError
from matrioska.state.forms import AnswerForm
from matrioska.state.members import Member
from matrioska.workers.ensemble.node import make_node
from tests.tiny_gguf import write_tiny_gguf

HELLO = [HumanMessage("Hello.")]
ANSWER = "````text path=notes.md\nA note, short and plain.\n````\n````markdown path=README.md\nA page, short and plain.\n````"

#: Holds the model to a quarter of a million nulls.
ENDLESS = {
    "type": "json_schema",
    "json_schema": {
        "schema": {
            "type": "array",
            "minItems": 500,
            "items": {"type": "array", "minItems": 500, "items": {"type": "null"}},
        }
    },
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[xllamacpp.Server]]:
    """Every model that is loaded."""
    close_models()
    made: list[xllamacpp.Server] = []
    server = xllamacpp.Server

    def load(params: xllamacpp.CommonParams) -> xllamacpp.Server:
        made.append(server(params))
        return made[-1]

    monkeypatch.setattr(xllamacpp, "Server", load)
    yield made
    close_models()


def _chat(file: Path, **fields: object) -> ChatGGUF:
    return ChatGGUF(model=str(file), temperature=0.0, **fields)  # type: ignore[arg-type]


def test_it_answers_and_counts_its_tokens(file: Path) -> None:
    answer = _chat(file).invoke(HELLO)
    assert answer.content == ANSWER
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata and answer.usage_metadata["output_tokens"] == 7


async def test_it_answers_alike_without_blocking_and_in_pieces(file: Path) -> None:
    model = _chat(file)
    assert (await model.ainvoke(HELLO)).content == ANSWER
    pieces = [piece.content async for piece in model.astream(HELLO)]
    assert "".join(map(str, pieces)) == ANSWER
    assert len([piece for piece in pieces if piece]) == 6


def test_one_file_is_loaded_once_for_all_members_threads_and_loops(
    file: Path, tmp_path: Path, servers: list[xllamacpp.Server]
) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(file)
    models = [_chat(file), _chat(link, seed=7), _chat(file, max_tokens=50)]

    def from_a_loop(number: int) -> str:
        return str(asyncio.run(models[number % 3].ainvoke(HELLO)).content)

    def from_a_thread(number: int) -> str:
        return str(models[number % 3].invoke(HELLO).content)

    with ThreadPoolExecutor(12) as pool:
        found = [*pool.map(from_a_loop, range(12)), *pool.map(from_a_thread, range(12))]
    assert found == [ANSWER] * 24
    assert len(servers) == 1


async def test_two_nodes_on_one_file_load_it_once(file: Path, servers: list[xllamacpp.Server]) -> None:
    nodes = [make_node(NodeSpec(id=name, model_a=f"gguf:{file}", model_b=f"gguf:{file}"), _member) for name in "ab"]
    votes = await asyncio.gather(
        *(node.vote(Chunk(number=1, lead="", text="Hello?"), "", "facts", 0.5) for node in nodes)
    )
    assert [(vote.answer, vote.how, vote.calls) for vote in votes] == [(ANSWER, "agreed", 2)] * 2
    assert len(servers) == 1


def _member(name: str) -> Member:
    return Member(model=name, temperature=0.0)


async def test_a_schema_binds_it_through_the_gateway(file: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string", "maxLength": 5}},
        "required": ["word"],
        "additionalProperties": False,
    }
    client = client_for(Member(model=f"gguf:{file}", temperature=0.0, max_tokens=100, context_window=4_096))
    reply = await client.ask(HELLO, AnswerForm("json", "word", schema))
    assert set(json.loads(reply.text)) == {"word"}
    assert (reply.fault, reply.model) == ("", f"gguf:{file}")
    assert reply.usage.output_tokens > 0


async def test_an_answer_that_is_cut_off_says_so(file: Path) -> None:
    reply = await client_for(Member(model=f"gguf:{file}", temperature=0.0, max_tokens=2)).ask(HELLO)
    assert "cut off" in reply.fault


async def test_a_reader_that_leaves_stops_the_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, ended, server = list[object](), threading.Event(), xllamacpp.Server

    class Watched:
        def __init__(self, params: xllamacpp.CommonParams) -> None:
            self._server = server(params)

        def handle_chat_completions(self, request: dict[str, Any], take: Callable[[Any], bool]) -> None:
            def counted(piece: object) -> bool:
                pieces.append(piece)
                return take(piece)

            self._server.handle_chat_completions(request, counted)
            ended.set()

    close_models()
    monkeypatch.setattr(xllamacpp, "Server", Watched)
    async with contextlib.aclosing(
        _chat(file, max_tokens=30_000, context_window=32_000)._astream(HELLO, response_format=ENDLESS)
    ) as stream:
        await anext(stream)
    assert await asyncio.to_thread(ended.wait, 60)
    assert len(pieces) < 15_000
    close_models()


def test_the_port_that_it_opens_is_of_no_use_to_others(file: Path, servers: list[xllamacpp.Server]) -> None:
    _chat(file).invoke(HELLO)
    address = servers[0].listening_address
    assert address.startswith("http://127.0.0.1:")
    for path in ("/v1/models", "/props", "/slots", "/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}{path}")
        refused.value.close()
        assert refused.value.code in (401, 404)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), (b"", "no GGUF file"), (b"PK\x03\x04", "no GGUF file"), (b"GGUF" + b"\0" * 99, "damaged")],
)
async def test_a_wrong_file_is_refused_in_words(tmp_path: Path, content: bytes | None, says: str) -> None:
    place = tmp_path / "wrong.gguf"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(ModelLoadError) as refused:
        await client_for(Member(model=f"gguf:{place}")).ask(HELLO)
    assert says in refused.value.message
    assert refused.value.next_step


def test_a_file_that_is_cut_short_is_refused(file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(file.read_bytes()[:500_000])
    with pytest.raises(ModelLoadError, match="damaged"):
        _chat(short).invoke(HELLO)


def test_a_prompt_that_is_too_long_is_told_with_its_size(file: Path) -> None:
    with pytest.raises(ContextWindowError) as refused:
        _chat(file, context_window=512).invoke([HumanMessage("word " * 3_000)])
    assert refused.value.tokens > refused.value.window > 0


def test_more_calls_than_the_queue_takes_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "MOST_CALLS", 0)
    with pytest.raises(QueueFullError):
        _chat(file).invoke(HELLO)


def test_arguments_and_messages_that_it_does_not_know_are_refused(file: Path) -> None:
    with pytest.raises(ModelError, match="tools"):
        _chat(file).invoke(HELLO, tools=[])
    image = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}}
    with pytest.raises(ModelError, match="text only"):
        _chat(file).invoke([HumanMessage([image])])
    with pytest.raises(ModelError, match="failed"):
        _chat(file).invoke(HELLO, response_format={"type": "json_schema", "json_schema": {"schema": {"type": "odd"}}})


def test_without_its_package_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "xllamacpp" else object())
    for check in (check_member, make_model):
        with pytest.raises(ModelError) as missing:
            check(Member(model=f"gguf:{file}"))
        assert "pip install 'matrioska[gguf]'" in missing.value.next_step


def test_the_process_ends_at_once_while_it_is_answering(file: Path) -> None:
    script = """
import json, sys
from langchain_core.messages import HumanMessage
from matrioska.models.gguf import ChatGGUF
model = ChatGGUF(model=sys.argv[1], max_tokens=100_000, context_window=32_000)
stream = model.stream([HumanMessage("Hello.")], response_format=json.loads(sys.argv[2]))
next(stream)
kept = [stream]
print("answering", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(file), json.dumps(ENDLESS)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "answering\n", "")
