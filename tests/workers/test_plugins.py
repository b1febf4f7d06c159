"""Plugins: what an installed package adds, and what a broken one cannot do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from matrioska.models.gateway import Reply
from matrioska.state.results import Usage
from matrioska.workers import plugins
from matrioska.workers.base import ChatWorker, Job, Work
from matrioska.workers.hooks import hookimpl


class Echo:
    """A worker that says what it was asked."""

    reads_prompt = True

    async def answer(self, job: Job) -> Work:
        return Work(Reply(job.messages[-1].text, Usage()))


class Plugin:
    """A plugin with a worker of its own, and one under a name that is taken."""

    @hookimpl
    def matrioska_workers(self) -> Mapping[str, Any]:
        return {"echo": Echo(), "chat": Echo()}


class _Installed:
    """Entry points of packages that are not there."""

    def __init__(self, **plugins: Any) -> None:
        self._plugins = plugins

    def __call__(self, *, group: str) -> list[EntryPoint]:
        return [_Point(name, plugin, group) for name, plugin in self._plugins.items()]


class _Point(EntryPoint):
    def __init__(self, name: str, plugin: Any, group: str) -> None:
        super().__init__(name, f"{name}:plugin", group)
        vars(self)["_plugin"] = plugin

    def load(self) -> Any:
        plugin = vars(self)["_plugin"]
        if isinstance(plugin, Exception):
            raise plugin
        return plugin


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install plugins for one test."""

    def installed(**found: Any) -> None:
        monkeypatch.setattr(plugins, "entry_points", _Installed(**found))
        _forget()

    yield installed
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    plugins.plugin_manager.cache_clear()
    plugins.collected.cache_clear()


def test_a_plugin_adds_a_worker_and_cannot_take_a_name_over(install: Any) -> None:
    install(parrot=Plugin())
    assert isinstance(plugins.workers()["echo"], Echo)
    assert isinstance(plugins.workers()["chat"], ChatWorker)


@pytest.mark.parametrize("broken", [ImportError("no module named parrot"), ValueError("half installed")])
def test_a_broken_plugin_is_named_and_left_out(
    install: Any, broken: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    install(broken=broken, parrot=Plugin())
    with caplog.at_level(logging.WARNING, "matrioska.plugins"):
        assert "echo" in plugins.workers()
    assert [record.getMessage() for record in caplog.records] == [
        f"The plugin broken is left out: {type(broken).__name__}: {broken}"
    ]


class _Last:
    """A plugin that asks to be called last, which pluggy lists first."""

    @hookimpl(trylast=True)
    def matrioska_workers(self) -> Mapping[str, Any]:
        return {"chat": Echo()}


def test_no_order_of_calls_takes_a_name_over(install: Any) -> None:
    install(last=_Last(), parrot=Plugin())
    assert isinstance(plugins.workers()["chat"], ChatWorker)


class _Raises:
    @hookimpl
    def matrioska_adapters(self) -> Mapping[str, Any]:
        raise RuntimeError("not today")


def test_a_plugin_whose_hook_fails_takes_nothing_from_the_others(
    install: Any, caplog: pytest.LogCaptureFixture
) -> None:
    install(raises=_Raises(), parrot=Plugin())
    with caplog.at_level(logging.WARNING, "matrioska.plugins"):
        assert plugins.adapters() == {}
    assert "raises" in caplog.text
    assert "RuntimeError: not today" in caplog.text
    assert "echo" in plugins.workers()
