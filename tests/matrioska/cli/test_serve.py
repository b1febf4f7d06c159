"""``serve``: a real process, asked over HTTP, ended by a signal."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from matrioska.client import EnsembleClient, ServiceError
from tests.protocols import ModelServer, openai_app, serving
from tests.voters import CHAINED, knows

TOKEN = "a-token-of-some-length"


def _topology(folder: Path, url: str) -> str:
    name = f"openai:m@{url}/v1"
    path = folder / "topology.json"
    path.write_text(json.dumps({"nodes": [{"id": f"n{n}", "model_a": name, "model_b": name} for n in (1, 2)]}))
    return str(path)


def _address(process) -> str:
    said = process.wait_for("/openapi.json")
    return re.search(r"http://\S+", said)[0]  # type: ignore[index]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_quietly(spawn, tmp_path: Path, number: signal.Signals) -> None:
    with serving(openai_app, ModelServer(lambda stage, module, prompt: knows(prompt))) as models:
        process = spawn("serve", "--port", "0", "--topology", _topology(tmp_path, models.url))
        url = _address(process)
        assert url.startswith("http://127.0.0.1:")
        answer = EnsembleClient(url).query(CHAINED)
        assert [found.answer for found in answer.chunks] == ["Paris", "2 million"]
        process.popen.send_signal(number)
        ended = process.end()
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.rstrip().endswith("Stopped.")


def test_a_signal_ends_it_while_a_query_is_under_way(spawn, tmp_path: Path) -> None:
    def slow(stage: str, module: str, prompt: str) -> str:
        time.sleep(3)
        return knows(prompt)

    with serving(openai_app, ModelServer(slow)) as models:
        process = spawn("serve", "--port", "0", "--topology", _topology(tmp_path, models.url))
        url = _address(process)
        with httpx.stream("POST", f"{url}/query", json={"query": CHAINED, "stream": True}, timeout=20) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: chunk"
            process.popen.send_signal(signal.SIGINT)
            rest = list(lines)
        ended = process.end()
    assert ended.code == 130
    assert "event: error" in rest
    assert '"stopping"' in "".join(rest)


def test_a_token_from_the_environment_keeps_strangers_out(spawn, tmp_path: Path) -> None:
    with serving(openai_app, ModelServer(lambda stage, module, prompt: knows(prompt))) as models:
        arguments = ("serve", "--port", "0", "--host", "0.0.0.0", "--topology", _topology(tmp_path, models.url))
        process = spawn(*arguments, MATRIOSKA_SERVE_TOKEN=TOKEN)
        url = _address(process).replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(ServiceError) as caught:
            EnsembleClient(url).query(CHAINED)
        assert caught.value.status == 401
        assert EnsembleClient(url, TOKEN).query(CHAINED).chunks[0].answer == "Paris"
        process.popen.send_signal(signal.SIGINT)
        ended = process.end()
    assert TOKEN not in ended.err + ended.out


def test_a_chat_client_talks_to_it_and_what_is_cut_off_can_be_gone_on_with(spawn, cli, tmp_path: Path) -> None:
    """No ensemble, one model: a question is answered, a second one is cut off by Ctrl-C and answered by ``resume``."""
    slow: list[str] = []

    def says(stage: str, module: str, prompt: str) -> str:
        if "Peru" in prompt and not slow:
            slow.append(prompt)
            time.sleep(3)
        return "The capital is a fine city, and the question is a good one."

    with serving(openai_app, ModelServer(says)) as models:
        process = spawn("serve", "--port", "0", "--model", f"openai:m@{models.url}/v1")
        url = _address(process)
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["matrioska-cascade", "matrioska"]
            answer = client.chat.completions.create(model="matrioska-cascade", messages=_asking("Kenya"))
            assert "a fine city" in answer.choices[0].message.content
            stream = client.chat.completions.create(model="matrioska-cascade", messages=_asking("Peru"), stream=True)
            _until(lambda: bool(slow))
            process.popen.send_signal(signal.SIGINT)
            with pytest.raises(openai.APIError, match="The service ends"):
                list(stream)
        ended = process.end()
        assert ended.code == 130
        command = re.search(r"matrioska resume (\S+)", ended.err)
        assert "1 answer cut off" in ended.err
        assert command
        resumed = cli("resume", command[1])
    assert (resumed.code, "a fine city" in resumed.out) == (0, True)


def _asking(land: str) -> list[Any]:
    return [{"role": "user", "content": f"What is the capital of {land}?"}]


def _until(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_without_any_model_it_builds_and_says_what_questions_need(spawn) -> None:
    process = spawn("serve", "--port", "0")
    url = _address(process)
    assert httpx.get(f"{url}/health").json()["models"] == ["matrioska"]
    refused = httpx.post(f"{url}/query", json={"query": "What?"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_ensemble")
    process.popen.send_signal(signal.SIGINT)
    ended = process.end()
    assert ended.code == 130
    assert "base URL http://127.0.0.1:" in ended.err
    assert "API key   any text will do" in ended.err
    assert "Questions need a model that answers: --model lmstudio:NAME" in ended.err
    assert "cut off" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "there is no token"),
        (("--model", "nobody:m"), "nobody"),
        (("--port", "70000"), "--port"),
        (("--topology", "nowhere.json"), "nowhere.json"),
    ],
)
def test_wrong_use_is_said(cli, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    path = _topology(tmp_path, "http://127.0.0.1:9")
    ended = cli("serve", *(() if "--topology" in arguments else ("--topology", path)), *arguments)
    assert ended.code == 2
    assert says in ended.err
