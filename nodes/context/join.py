"""Pieces become the sections of a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matrioska.nodes.context.pieces import Block, Piece, Section
from matrioska.prompts.render import to_json

#: The section of the values is there even when there are none: prompts and models count on it.
_ALWAYS = "values"
_BETWEEN = "\n\n"


def joined(pieces: Sequence[Piece]) -> list[Section]:
    """Return the sections, in the order in which their first pieces come. Blocks stand outside of them."""
    by_section: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece.block is None:
            by_section.setdefault(piece.section, []).append(piece)
    sections = [Section(name=name, text=_text(held)) for name, held in by_section.items()]
    if _ALWAYS not in by_section:
        after = sum(1 for section in sections if section.name in ("project", "module"))
        sections.insert(after, Section(name=_ALWAYS, text=to_json({})))
    return sections


def blocks_of(pieces: Sequence[Piece]) -> list[Block]:
    """Return the pictures and sounds among the pieces."""
    return [piece.block for piece in pieces if piece.block is not None]


def entry_text(piece: Piece) -> str:
    """Return what a piece adds to its section, with what parts it from its neighbours: what its tokens are counted of.

    Sections of one piece are counted with it too, so that a package is never larger than the sum of its pieces.
    """
    return to_json({piece.key: piece.value}) if piece.key else piece.text + _BETWEEN


def condensed(piece: Piece, text: str) -> Piece:
    """Return a piece that says ``text`` instead, and that it is condensed."""
    if piece.key:
        return replace(piece, text=text, value={"condensed": text})
    name = piece.name.removeprefix(f"{piece.section}.")
    return replace(piece, text=f"{name} (condensed):\n{text}")


def _text(pieces: Sequence[Piece]) -> str:
    if pieces[0].key:
        return to_json({piece.key: piece.value for piece in pieces})
    return _BETWEEN.join(piece.text for piece in pieces)
