"""What is known of a project before it is planned: the person's files, and what earlier runs left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langgraph.runtime import Runtime

from matrioska.nodes.context.memory import project_memory, repository_for, thread_of_run
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.repository import Asset

#: Assets that the plan's prompt lists; of more it is told how many there are.
_MOST_LISTED = 200


@dataclass(frozen=True)
class Known:
    """See the module's text."""

    task: str
    assets: Mapping[str, Asset] = field(default_factory=dict)
    """The project's assets by name."""
    memory: str = ""
    """What earlier runs left behind, in words; '' for nothing."""
    warnings: Sequence[str] = ()
    """What the person should know about the repository."""

    def inventory(self) -> str:
        """Return the list of assets that the prompt shows; '' for none."""
        lines = [f"- {name}: {asset.description}" for name, asset in list(self.assets.items())[:_MOST_LISTED]]
        if (more := len(self.assets) - len(lines)) > 0:
            lines.append(f"- and {more} more")
        return "\n".join(lines)


async def known_project(task: str, options: RunOptions, runtime: Runtime[RunContext]) -> Known:
    """Return what the repository holds of the run's project.

    Raises:
        StoreError: the repository cannot be read.
        ModelError, ConfigError: its embedder cannot be used.
    """
    snapshot = await (await repository_for(options, runtime)).snapshot(thread_of_run())
    return Known(task, snapshot.assets, project_memory(snapshot), snapshot.warnings)
