"""A real `langgraph dev` server on the shipped `langgraph.json`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.protocols import ModelServer, openai_app, serving
from tests.trees import mind_named, mind_says
from tests.voters import knows

ROOT = Path(__file__).parent.parent.parent
_STARTUP_SECONDS = 90


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    base: Path
    """Its base path."""
    log: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio")
    base, log, port = folder / "base", folder / "server.log", _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MATRIOSKA_")},
        "MATRIOSKA_BASE_PATH": str(base),
        "MATRIOSKA_EMBEDDED_SECONDS_PER_CALL": "0.3",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--config", str(ROOT / "langgraph.json")]
    command += ["--port", str(port), "--no-browser", "--no-reload", "--n-jobs-per-worker", "4"]
    with serving(openai_app, ModelServer(_says)) as models:
        _configure(folder, models.url)
        yield from _served(command, environment, folder, Server(f"http://127.0.0.1:{port}", base, log))


def _says(stage: str, module: str, prompt: str) -> str:
    """Answer as a mind, or what capital is asked for."""
    return mind_says(stage, module, prompt) if mind_named(prompt) else knows(prompt)


def _configure(folder: Path, url: str) -> None:
    """Describe an ensemble of two nodes and a cascade of two minds to the server."""
    nodes = [f'[[ensemble.nodes]]\nid = "n{n}"\nmodel_a = "small"\nmodel_b = "small"\n' for n in (1, 2)]
    member = f'[members.small]\nmodel = "openai:m@{url}/v1"\n'
    minds = [
        '[[cascade.minds]]\nid = "top"\nmodel = "small"\n',
        '[[cascade.minds]]\nid = "leaf"\nparent = "top"\nmodel = "small"\n',
    ]
    (folder / "matrioska.toml").write_text("\n".join([member, *nodes, *minds]))


def _served(command: list[str], environment: dict[str, str], folder: Path, server: Server) -> Iterator[Server]:
    with server.log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield _wait(server, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=server.url, api_key=None) as opened:
        yield opened


def _wait(server: Server, process: subprocess.Popen[bytes]) -> Server:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server ended:\n" + server.log.read_text()[-4000:])
        try:
            if httpx.get(server.url + "/ok", timeout=2).is_success:
                return server
        except httpx.TransportError:
            time.sleep(0.3)
    raise RuntimeError("the server did not start:\n" + server.log.read_text()[-4000:])
