"""The exporter ``zip``: the deliverable in one file, with the plan and the whiteboard beside it."""

from __future__ import annotations

from pathlib import Path

from matrioska.store.delivery import write_archive
from matrioska.store.exporters.base import Export, Exported


class ZipExporter:
    """Writes the archive that a run delivers."""

    def export(self, export: Export, target: Path) -> Exported:
        """See `Exporter.export`. A file at ``target`` is replaced."""
        write_archive(
            target,
            export.files,
            export.store,
            architecture=dict(export.architecture),
            shared_state=dict(export.shared_state),
        )
        return Exported(target, details={"bytes": target.stat().st_size})
