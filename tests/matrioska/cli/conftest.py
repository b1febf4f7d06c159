"""The command line, driven in three ways: in this process, in one of its own, and on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from matrioska.cli.main import main
from matrioska.models.gateway import client_of
from tests.support import Author

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("child.py")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>()][0-9A-B]?")


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout; fails when there is more."""
        return json.loads(self.out)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call the command line in this process, without a terminal."""

    def call(*arguments: str, stdin: bytes = b"", author: Author | None = None) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        if author is not None:
            monkeypatch.setattr("matrioska.nodes.common.client_for", lambda *_: client_of(author.model))
        capsys.readouterr()
        code = main(list(arguments))
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err + shown.out
        return Ended(code, shown.out, shown.err)

    return call


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that runs from the source tree."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **more}


@dataclass
class Process:
    """The command line in a process of its own, without a terminal."""

    popen: subprocess.Popen[str]
    seen: str = ""

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        """Read stderr until a text comes."""
        stream = self.popen.stderr
        assert stream is not None
        until = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < until, f"{text!r} did not come; there was:\n{self.seen}"
            ready, _, _ = select.select([stream], [], [], 0.2)
            if ready:
                part = os.read(stream.fileno(), 65536).decode()
                assert part, f"it ended without {text!r}:\n{self.seen}"
                self.seen += part
        return self.seen

    def end(self, seconds: float = 30.0) -> Ended:
        """Wait for its end."""
        try:
            out, err = self.popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise
        self.seen += err
        assert "Traceback" not in self.seen + out
        return Ended(self.popen.returncode, out, self.seen)


@pytest.fixture
def spawn() -> Iterator[Callable[..., Process]]:
    """Start the command line in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, child: bool = False, stdin: int = subprocess.DEVNULL, **more: str) -> Process:
        program = [str(CHILD)] if child else ["-m", "matrioska"]
        popen = subprocess.Popen(
            [sys.executable, *program, *arguments],
            env=environment(**more),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        started.append(popen)
        return Process(popen)

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
            popen.communicate()
        for stream in (popen.stdout, popen.stderr):
            if stream is not None:
                stream.close()


@dataclass
class Terminal:
    """The command line on a terminal of its own, with keys to type and a screen to read."""

    popen: subprocess.Popen[bytes]
    master: int
    raw: str = ""
    _read: int = field(default=0)

    @property
    def screen(self) -> str:
        """Everything shown so far, without colours and cursor movements."""
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        """Wait until a text appears that was not waited for before."""
        until = time.monotonic() + seconds
        while (place := self.screen.find(text, self._read)) < 0:
            assert time.monotonic() < until, f"{text!r} did not appear; there was:\n{self.screen[self._read :]}"
            assert self._pull(0.2), f"it ended without {text!r}:\n{self.screen[self._read :]}"
        self._read = place + len(text)

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self.master, keys.encode())

    def end(self, seconds: float = 30.0) -> int:
        """Wait for its end and return the exit code."""
        until = time.monotonic() + seconds
        while self._pull(0.2):
            assert time.monotonic() < until, f"it does not end:\n{self.screen}"
        code = self.popen.wait(timeout=10)
        assert "Traceback" not in self.screen
        return code

    def _pull(self, seconds: float) -> bool:
        """Read what there is; False once the other side is closed."""
        if not select.select([self.master], [], [], seconds)[0]:
            return self.popen.poll() is None
        try:
            part = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += part.decode("utf-8", "replace")
        return bool(part)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the command line on a terminal of its own."""
    opened: list[Terminal] = []

    def start(*arguments: str, columns: int = 100, lines: int = 40, **more: str) -> Terminal:
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        popen = subprocess.Popen(
            [sys.executable, str(CHILD), *arguments],
            env={**environment(TERM="xterm-256color", CHILD_TERMINAL="1"), **more},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        opened.append(Terminal(popen, master))
        return opened[-1]

    yield start
    for found in opened:
        if found.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(found.popen.pid, signal.SIGKILL)
        found.popen.wait(timeout=10)
        os.close(found.master)
