"""An example of a plugin for Matrioska: a worker with its prompt, a check and an exporter."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from matrioska.hooks import hookimpl
from matrioska_example.check import no_filler
from matrioska_example.exporter import BookExporter
from matrioska_example.worker import SecondLookWorker


@hookimpl
def matrioska_workers() -> Mapping[str, Any]:
    """Bring the worker."""
    return {"second-look": SecondLookWorker()}


@hookimpl
def matrioska_prompts() -> Mapping[str, Any]:
    """Bring the worker's template."""
    return {"second_look": files("matrioska_example") / "second_look.md"}


@hookimpl
def matrioska_checks() -> Mapping[str, Any]:
    """Bring the check."""
    return {"no-filler": no_filler}


@hookimpl
def matrioska_exporters() -> Mapping[str, Any]:
    """Bring the exporter."""
    return {"book": BookExporter()}
