"""Context for code: what can be called comes before how it is written, and where everything stands."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.nodes.adapters.base import BaseAdapter
from matrioska.nodes.context.pieces import Material, Piece, Rank
from matrioska.nodes.outline import outline

#: Characters of a file that speaks for itself. A longer one may be condensed: its outline goes before.
_SHORT = 4_000


class CodeAdapter(BaseAdapter):
    """Specifications of interfaces and the folders of the project.

    Constraints on speed and technique are part of the project and the module's rules, which go to
    every kind of work word for word.
    """

    def helpful(self, material: Material) -> Iterator[Piece]:
        """Yield the outlines of long files, then where each file stands, then the files."""
        for module, files in sorted(material.files.items()):
            for file in files:
                if len(file.text) > _SHORT:
                    path = f"{module}/{file.path}"
                    text = outline(file.model_copy(update={"path": f"../{path}"}))
                    yield Piece("interfaces", f"interfaces.{path}", text, Rank.HELPFUL)
        refs = [(module, ref) for module, refs in sorted(material.job.readable.items()) for ref in refs]
        if len(refs) > 1:
            lines = [f"../{module}/{ref.path} ({ref.size:,} bytes)" for module, ref in refs]
            yield Piece("structure", "structure", "\n".join(lines), Rank.HELPFUL)
        yield from super().helpful(material)
