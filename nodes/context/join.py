"""Pieces become the sections of a package."""

from __future__ import annotations

from collections.abc import Sequence

from matrioska.nodes.context.pieces import Piece, Section
from matrioska.prompts.render import to_json

#: The section of the values is there even when there are none: prompts and models count on it.
_ALWAYS = "values"


def joined(pieces: Sequence[Piece]) -> list[Section]:
    """Return the sections, in the order in which their first pieces come."""
    by_section: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_section.setdefault(piece.section, []).append(piece)
    sections = [Section(name=name, text=_text(held)) for name, held in by_section.items()]
    if _ALWAYS not in by_section:
        after = sum(1 for section in sections if section.name in ("project", "module"))
        sections.insert(after, Section(name=_ALWAYS, text=to_json({})))
    return sections


def _text(pieces: Sequence[Piece]) -> str:
    if pieces[0].key:
        return to_json({piece.key: piece.value for piece in pieces})
    return "\n\n".join(piece.text for piece in pieces)
