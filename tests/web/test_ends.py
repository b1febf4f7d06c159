"""The service ends while a chat is answered and a run is driven: both are named, and nothing is lost."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx

from tests.protocols import ModelServer, openai_app, serving
from tests.web.whole import whole_service


def test_what_is_cut_off_is_named_whoever_began_it(tmp_path: Path) -> None:
    over, asked = threading.Event(), list[str]()

    def says(stage: str, module: str, prompt: str) -> str:
        asked.append("chat" if "Peru" in prompt else "run")
        over.wait(60)
        return "The capital is a fine city."

    with serving(openai_app, ModelServer(says)) as models:
        with whole_service(tmp_path, "--model", f"openai:m@{models.url}/v1") as service:
            started = httpx.post(
                f"{service.url}/api/runs",
                headers=service.bearer,
                json={"task": "Build a page about owls.", "thread": "owls", "approval": "auto"},
                timeout=60,
            )
            assert started.status_code == 201
            chat = {
                "model": "matrioska-cascade",
                "messages": [{"role": "user", "content": "What is the capital of Peru?"}],
                "stream": True,
            }
            with httpx.stream("POST", f"{service.url}/v1/chat/completions", json=chat, timeout=60) as stream:
                thread = stream.headers["X-Matrioska-Thread"]
                until = time.monotonic() + 60
                while len(set(asked)) < 2 and time.monotonic() < until:
                    time.sleep(0.02)
                service.process.send_signal(signal.SIGINT)
                told = stream.read().decode()
            assert service.process.wait(60) == 130
        over.set()
    assert "The service ends" in told
    said = service.said.read_text(encoding="utf-8")
    for name in ("owls", thread):
        assert f"resume {name}" in said
    assert "Traceback" not in said
    # The token was told once, in the address.
    assert said.count(service.token) == 1
    assert not [
        place
        for place in tmp_path.rglob("*")
        if place.is_file() and place != service.said and service.token.encode() in place.read_bytes()
    ]
