"""Context for prose: the goal, the style, what comes when, and what was written before."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.nodes.adapters.base import BaseAdapter, bullets
from matrioska.nodes.context.pieces import Material, Piece, Rank


class ProseAdapter(BaseAdapter):
    """Style guidelines and the timeline. Whom a text is for stands in the goal and the constraints."""

    has_style = True

    def project(self, material: Material) -> Iterator[Piece]:
        """Yield the style, the terms, and what comes when."""
        yield from super().project(material)
        if timeline := material.job.project.timeline:
            yield Piece("timeline", "timeline", bullets(timeline), Rank.HELPFUL)
