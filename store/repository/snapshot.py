"""What a project's repository held at one moment, as one run may see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from matrioska.state.repository import Asset, DecisionRecord, Entry, ProjectRecord, Term


class Ranking(Protocol):
    """A way of telling which texts fit a query."""

    @property
    def name(self) -> str:
        """How it ranks, in words: ``by words``."""

    async def scores(self, query: str) -> list[float]:
        """Return a score for each text, in their order; 0 and less for one that does not fit."""


@dataclass(frozen=True)
class Snapshot:
    """See the module's text. Made by `Repository.snapshot`."""

    project: str
    record: ProjectRecord | None = None
    """None while no other run has ended."""
    entries: tuple[Entry, ...] = ()
    """The newest first."""
    terms: tuple[Term, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    """The newest first."""
    assets: Mapping[str, Asset] = field(default_factory=dict)
    """By name, in the order of the names."""
    ranking: str = "by words"
    """Which ranking is in use: ``by words``, or ``by meaning (huggingface:…)``."""
    warnings: tuple[str, ...] = ()
    """What the person should know: an embedder that changed, records that cannot be read."""
    ranker: Ranking | None = None
    """Ranks the texts of ``entries``; None without any."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all."""
        return not (self.record or self.entries or self.terms or self.decisions or self.assets)

    async def related(self, query: str, *, limit: int, exclude: Collection[str] = ()) -> list[Entry]:
        """Return the entries that fit a query, the best first; see `scored`."""
        if self.ranker is None:
            return []
        return [entry for entry, _ in await self.scored(query, limit=limit, exclude=exclude)]

    async def scored(self, query: str, *, limit: int, exclude: Collection[str] = ()) -> list[tuple[Entry, float]]:
        """Return the entries that fit a query with their scores, the best first.

        Args:
            query: what is looked for, in words.
            limit: entries at the most.
            exclude: sections whose entries are left out.

        Raises:
            ModelError: the embedder cannot be used.
        """
        if self.ranker is None or not query.strip():
            return []
        scores = await self.ranker.scores(query)
        fitting = [
            (entry, score)
            for entry, score in zip(self.entries, scores, strict=True)
            if score > 0 and entry.section not in exclude
        ]
        # By id where scores are equal: the order must not hang on who wrote first.
        return sorted(fitting, key=lambda found: (-found[1], found[0].id))[:limit]


def text_of(entry: Entry) -> str:
    """Return what an entry is ranked by."""
    return f"{entry.title}\n{entry.text}"
