"""The hooks by which plugins add to Matrioska. What is built in comes in through the same ones.

A plugin is a package with an entry point in the group ``matrioska`` that names a module, or an
object, with functions marked by `hookimpl`. docs/plugins.md tells authors about each hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pluggy

#: Name of the project for pluggy, and the group of entry points.
PROJECT = "matrioska"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """What a plugin may implement. Each hook is called once, when its kind of thing is first asked for."""

    @hookspec
    def matrioska_workers(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return workers by the name that a plan gives them; see `matrioska.workers.base.Worker`."""

    @hookspec
    def matrioska_models(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return providers of models by the name before the colon; see `matrioska.models.providers.Provider`."""

    @hookspec
    def matrioska_adapters(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return adapters by the kind of work (a module's modality); see `matrioska.nodes.adapters.base.Adapter`."""

    @hookspec
    def matrioska_checks(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return checks of a module's files by name; see `matrioska.nodes.checks.registry.Check`."""

    @hookspec
    def matrioska_exporters(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return exporters by the name for ``export --to``; see `matrioska.store.exporters.base.Exporter`."""

    @hookspec
    def matrioska_prompts(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return templates by name: their text, or where it stands; see `matrioska.prompts.render`."""
