"""A package in the making: its pieces, what each may take, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from matrioska.nodes.context.condense import Condensed, Condenser, settled
from matrioska.nodes.context.extract import headline
from matrioska.nodes.context.fit import shares
from matrioska.nodes.context.join import blocks_of, condensed, entry_text, joined
from matrioska.nodes.context.names import contract_names, identifiers_of
from matrioska.nodes.context.pieces import ContextPackage, Piece
from matrioska.state.jobs import Job


@dataclass
class Draft:
    """See the module's text. Made by `drafted`."""

    pieces: list[Piece]
    whole: list[int]
    """Tokens of each piece as it is."""
    shares: list[int]
    """Tokens that each may take."""
    names: Mapping[int, frozenset[str]]
    """Names that must survive in a piece, by its index; of those that may have to be condensed."""
    budget: int
    count: Callable[[Piece], int]
    condensed: dict[int, Condensed] = field(default_factory=dict)

    @property
    def too_large(self) -> list[int]:
        """Indexes of the pieces that are larger than their share."""
        return [at for at, share in enumerate(self.shares) if 0 < share < self.whole[at]]

    async def condense(self, condenser: Condenser) -> None:
        """Condense what is too large, side by side. See `Condenser.condense` for what it raises."""
        chosen = self.too_large
        texts = [condenser.condense(self.pieces[at], self.names[at], self.shares[at]) for at in chosen]
        self.condensed = dict(zip(chosen, await settled(texts), strict=True))

    def finished(self) -> tuple[ContextPackage, dict[str, Any]]:
        """Return the package, and the record of what became of each piece."""
        kept: list[Piece] = []
        included: dict[str, int] = {}
        compressed: dict[str, dict[str, Any]] = {}
        left_out: dict[str, int] = {}
        for at, piece in enumerate(self.pieces):
            if self.shares[at] == 0 < self.whole[at]:
                left_out[piece.name] = left_out.get(piece.name, 0) + self.whole[at]
                continue
            size = self.whole[at]
            if (found := self.condensed.get(at)) is not None:
                piece = condensed(piece, found.text)
                size = self.count(piece)
                told = {"by": found.by, "why": found.why, "reused": found.reused}
                compressed[piece.name] = {"from": self.whole[at], "to": size, **told}
            kept.append(piece)
            # An asset and a module's file may have one name: "hero/logo.png".
            included[piece.name] = included.get(piece.name, 0) + size
        package = ContextPackage(sections=joined(kept), blocks=blocks_of(kept))
        record = {"budget": self.budget, "included": included, "compressed": compressed, "left_out": left_out}
        return package, record


def drafted(job: Job, pieces: list[Piece], budget: int, count_text: Callable[[str], int]) -> Draft:
    """Return the draft of a package within ``budget`` tokens, as ``count_text`` counts them.

    Raises:
        ConfigError: what may not be left out exceeds the budget; names the largest.
    """

    def count(piece: Piece) -> int:
        return piece.block.tokens if piece.block else count_text(entry_text(piece))

    @cache
    def listed() -> frozenset[str]:
        return contract_names(job)

    def least(index: int) -> int:
        names[index] = identifiers_of(pieces[index], listed())
        return count(condensed(pieces[index], headline(names[index])))

    names: dict[int, frozenset[str]] = {}
    whole = [count(piece) for piece in pieces]
    return Draft(pieces, whole, shares(job.spec.id, pieces, whole, least, budget), names, budget, count)
