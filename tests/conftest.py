"""Ground rules of every test: no network but loopback, no real model, no settings of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("matrioska", deadline=None)
hypothesis.settings.load_profile("matrioska")

_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "HF_TOKEN")
_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections that leave this machine, from this process."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
            raise PermissionError(f"tests may not connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep this machine's settings and keys out of tests, and what tests write out of the tree."""
    for name in list(os.environ):
        if name.startswith(("MATRIOSKA_", "LC_")) or name in {*_KEYS, "LANG", "LANGUAGE"}:
            monkeypatch.delenv(name)
    # A pytest that a test starts has options of its own.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # Where tests run side by side, a width is handed down that no screen has.
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    yield


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped: a skipped test is a check that nobody made."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI: skipped tests count as failures", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
