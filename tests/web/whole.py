"""The whole service as a person starts it: a process of `matrioska serve`, with its monitor and its previews."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ENTRANCE = re.compile(r"(http://\S+)/monitor\?token=(\S+)")
_PATIENCE = 300


@dataclass
class Whole:
    """A service that runs.

    Attributes:
        url: its address.
        token: what opens its monitor.
        said: the file with what it says.
    """

    url: str
    token: str
    said: Path
    process: subprocess.Popen[bytes]

    @property
    def entrance(self) -> str:
        """The address that a person opens."""
        return f"{self.url}/monitor?token={self.token}"

    @property
    def bearer(self) -> dict[str, str]:
        """The header by which programs are let in."""
        return {"Authorization": f"Bearer {self.token}"}


@contextmanager
def whole_service(base: Path, *arguments: str, **environment: str) -> Iterator[Whole]:
    """Run `matrioska serve` on a base path, and end it as Ctrl-C does."""
    said = base / "serve.txt"
    with said.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "matrioska", "serve", "--port", "0", *arguments],
            cwd=base,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        url, token = _entrance(process, said)
        yield Whole(url, environment.get("MATRIOSKA_SERVE_TOKEN", token), said, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        finally:
            process.kill()


def _entrance(process: subprocess.Popen[bytes], said: Path) -> tuple[str, str]:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if found := _ENTRANCE.search(said.read_text(encoding="utf-8")):
            return found[1], found[2]
        time.sleep(0.05)
    raise AssertionError(f"no service: {said.read_text(encoding='utf-8')}")
