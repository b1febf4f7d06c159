"""The workers and adapters there are: the built-in ones and those of installed plugins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, cast

import pluggy

from matrioska.workers.base import ChatWorker, Worker
from matrioska.workers.hooks import PROJECT, Hooks, hookimpl

_log = logging.getLogger("matrioska.plugins")


class _BuiltIn:
    """The workers that come with Matrioska."""

    @hookimpl
    def matrioska_workers(self) -> Mapping[str, Worker]:
        return {"chat": ChatWorker()}


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Return the manager with the built-ins and every plugin that could be loaded; the others are named in the log."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(_BuiltIn(), name="built-in")
    for found in entry_points(group=PROJECT):
        _register(manager, found)
    return manager


def _register(manager: pluggy.PluginManager, found: EntryPoint) -> None:
    try:
        manager.register(found.load(), name=found.name)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything, and must not stop a run
        _log.warning("The plugin %s is left out: %s: %s", found.name, type(error).__name__, error)


def workers() -> Mapping[str, Worker]:
    """Return the workers by name. A built-in name cannot be taken over."""
    return cast(Mapping[str, Worker], _collected("matrioska_workers"))


def adapters() -> Mapping[str, Any]:
    """Return the plugins' adapters by kind of work. Those built in stand in `matrioska.nodes.adapters`."""
    return _collected("matrioska_adapters")


@cache
def _collected(hook: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    # pluggy calls the plugin registered last first: what was registered first has the last word.
    for named in getattr(plugin_manager().hook, hook)():
        found |= named
    return MappingProxyType(found)
