"""What an exporter is, and what it is given and hands back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import ArtifactRef
from matrioska.store.artifacts import ArtifactStore


@dataclass(frozen=True)
class ExportedModule:
    """A module of the plan, with what it handed over."""

    spec: ModuleSpec
    upstream: tuple[str, ...]
    """Ids of the modules that come directly before it."""
    status: str
    """``done``, ``failed`` or ``blocked``; '' for one without a result."""
    model: str
    """Name of the model that it was given to; without addresses and folders."""
    digest: str = ""
    """Digest of all that its files depend on."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Whiteboard values that it wrote."""
    findings: tuple[str, ...] = ()
    """Complaints that its mends did not settle."""
    files: tuple[ArtifactRef, ...] = ()
    """Its files, with paths below the deliverable's root."""

    @property
    def built(self) -> bool:
        """Whether it is part of the deliverable: it was done, or is being done again."""
        return self.status == "done" or bool(self.files)


@dataclass(frozen=True)
class Export:
    """A run as it is taken away. It holds no key, no address of a server and no folder of this machine."""

    thread_id: str
    checkpoint_id: str
    status: str
    """``complete`` or ``partial``, or where else a run with a deliverable may stand."""
    at: datetime
    """When the run's last checkpoint was made."""
    architecture: Mapping[str, Any]
    """The plan as JSON."""
    shared_state: Mapping[str, Any]
    """The whiteboard as JSON."""
    modules: Sequence[ExportedModule]
    """The modules, predecessors first."""
    files: Sequence[ArtifactRef]
    """Every file of the deliverable."""
    whole: Sequence[ArtifactRef]
    """Those of them that are no module's, the README for one."""
    entry_point: str
    """The file to open first; '' when there is none."""
    models: Mapping[str, str]
    """Name of the model by role, and under ``default`` for the others; as in ``ExportedModule.model``."""
    store: ArtifactStore
    """Where the content of the files is."""

    def read(self, ref: ArtifactRef) -> bytes:
        """Return the content of a file.

        Raises:
            StoreError: it is missing, or was changed on disk.
        """
        return self.store.get(ref)


@dataclass(frozen=True)
class Exported:
    """What came of an export."""

    path: Path
    """The file or folder that was written."""
    told: tuple[str, ...] = ()
    """What a person should know of it besides, a line each."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a program should know of it besides, as JSON."""


class Exporter(Protocol):
    """A way of taking a deliverable away."""

    def export(self, export: Export, target: Path) -> Exported:
        """Write the deliverable to ``target``, an absolute path, and nothing anywhere else.

        It is called outside the event loop and may block. Paths of files were checked: each stays below
        the folder that it is joined to.

        Raises:
            StoreError: it cannot be written.
            UsageError: there is something at ``target`` that must not be touched.
        """
        ...
