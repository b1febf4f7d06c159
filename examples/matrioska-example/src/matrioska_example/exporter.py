"""The exporter ``book``: every text of the deliverable in one Markdown file."""

from __future__ import annotations

from pathlib import Path

from matrioska.state.answers import fenced_file
from matrioska.store.exporters.base import Export, Exported


class BookExporter:
    """Writes one Markdown file, with a chapter for each text file; other files are counted."""

    def export(self, export: Export, target: Path) -> Exported:
        """See `matrioska.store.exporters.base.Exporter.export`."""
        chapters, left_out = [f"# {export.architecture['name']}"], 0
        for ref in export.files:
            try:
                chapters.append(f"## {ref.path}\n\n{fenced_file(ref.path, export.read(ref).decode())}")
            except UnicodeDecodeError:
                left_out += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n\n".join(chapters) + "\n", encoding="utf-8")
        told = (f"{left_out} files that are no text were left out.",) if left_out else ()
        return Exported(target, told, {"chapters": len(chapters) - 1, "left_out": left_out})
