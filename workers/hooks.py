"""The hooks by which plugins add to Matrioska. Built-ins come in through the same ones.

A plugin is a package with an entry point in the group ``matrioska`` that names a module or an
object with functions marked by `hookimpl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pluggy

PROJECT = "matrioska"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """What a plugin may implement."""

    @hookspec
    def matrioska_workers(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return workers by the name that a plan gives them; see `matrioska.workers.base.Worker`."""

    @hookspec
    def matrioska_adapters(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return adapters by the kind of work (a module's modality); see `matrioska.nodes.adapters.base.Adapter`."""
