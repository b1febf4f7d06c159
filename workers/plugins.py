"""The workers and adapters there are: the built-in ones and those of installed plugins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, cast

import pluggy

from matrioska.workers.base import ChatWorker, Worker
from matrioska.workers.cascade.worker import CascadeWorker
from matrioska.workers.ensemble.worker import EnsembleWorker
from matrioska.workers.hooks import PROJECT, Hooks, hookimpl
from matrioska.workers.pipeline.worker import PipelineWorker

_log = logging.getLogger("matrioska.plugins")
_BUILT_IN = "built-in"


class _BuiltIn:
    """The workers that come with Matrioska."""

    @hookimpl
    def matrioska_workers(self) -> Mapping[str, Worker]:
        return {
            "chat": ChatWorker(),
            "cascade": CascadeWorker(),
            "ensemble": EnsembleWorker(),
            "pipeline": PipelineWorker(),
        }


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Return the manager with the built-ins and every plugin that could be loaded; the others are named in the log."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(_BuiltIn(), name=_BUILT_IN)
    for found in entry_points(group=PROJECT):
        try:
            manager.register(found.load(), name=found.name)
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything, and must not stop a run
            _leave_out(found.name, error)
    return manager


def _leave_out(plugin: str, error: Exception) -> None:
    _log.warning("The plugin %s is left out: %s: %s", plugin, type(error).__name__, error)


def workers() -> Mapping[str, Worker]:
    """Return the workers by name. A built-in name cannot be taken over."""
    return cast(Mapping[str, Worker], collected("matrioska_workers"))


def adapters() -> Mapping[str, Any]:
    """Return the plugins' adapters by kind of work. Those built in stand in `matrioska.nodes.adapters`."""
    return collected("matrioska_adapters")


@cache
def collected(hook: str) -> Mapping[str, Any]:
    """Return what all plugins give by a hook, by name. The built-ins have the last word, then who comes first."""
    found: dict[str, Any] = {}
    given = getattr(plugin_manager().hook, hook).get_hookimpls()
    # One by one and not by pluggy's own call, which a single plugin that raises would end for all. The
    # built-ins first: a plugin that asks to be called last stands before them in pluggy's list.
    for implementation in sorted(given, key=lambda one: one.plugin_name != _BUILT_IN):
        try:
            found = {**implementation.function(), **found}
        except Exception as error:  # noqa: BLE001 - see above
            _leave_out(implementation.plugin_name, error)
    return MappingProxyType(found)
