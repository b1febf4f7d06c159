"""Interim: part 1 replaces this file whole (keep the three names and their arguments)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime

from matrioska.state.context import RunContext, RunOptions
from matrioska.state.ids import slug
from matrioska.state.repository import Asset


@dataclass(frozen=True)
class _Empty:
    assets: Mapping[str, Asset] = field(default_factory=dict)

    async def snapshot(self, thread: str) -> _Empty:
        return self


def project_of(task: str, options: RunOptions) -> str:
    """Return the project's id: the same task is the same project."""
    return options.project or f"{slug(task, 40) or 'project'}-{hashlib.sha256(task.encode()).hexdigest()[:6]}"


async def repository_for(task: str, options: RunOptions, runtime: Runtime[RunContext]) -> Any:
    """Return the repository of the run's project."""
    return _Empty()


def project_memory(snapshot: Any) -> str:
    """Return what earlier runs left behind, for the architect."""
    return ""
