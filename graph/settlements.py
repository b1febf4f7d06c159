"""Settlements as they bear on the modules of a plan: which values and files are no longer a module's own to choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from matrioska.graph.schedule import Links
from matrioska.nodes.claims import clash
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.claims import Claim, Settlement
from matrioska.state.results import ModuleResult


class Settlements:
    """The settlements that stand.

    One is forgotten when a module concerned has no result any more (it is made anew, or went from the
    plan) or the plan gives its subject to another owner: its reasons are gone.

    Args:
        recorded: all settlements of the thread, as JSON.
        links: the plan.
        results: what the modules handed over.
    """

    def __init__(
        self, recorded: Mapping[str, dict[str, Any]], links: Links, results: Mapping[str, ModuleResult]
    ) -> None:
        every = {key: Settlement.model_validate(raw) for key, raw in recorded.items()}
        self._standing = {key: found for key, found in every.items() if _stands(found, links, results)}
        self.forgotten = sorted(every.keys() - self._standing.keys())

    @property
    def all(self) -> list[Settlement]:
        """Every settlement that stands."""
        return list(self._standing.values())

    def add(self, settlements: Iterable[Settlement]) -> None:
        """Take in new settlements."""
        self._standing |= {new.key: new for new in settlements}

    def cover(self, claim: Claim) -> bool:
        """Whether what is claimed was settled before."""
        return claim.key in self._standing

    def values(self, module: str) -> dict[str, Any]:
        """Return the values of a module's own keys that another one's word holds for."""
        return {
            found.subject: found.value
            for found in self.all
            if found.kind == "value" and found.owner == module != found.winner
        }

    def files(self, module: str, refs: Iterable[ArtifactRef], put_back: Iterable[Settlement] = ()) -> list[ArtifactRef]:
        """Return a module's files without its copies of files that were settled.

        Args:
            module: whose files.
            refs: its files, with paths below its own folder.
            put_back: settlements of its own files by which another's version takes the place of its own, and of
                those that it cannot stand beside.
        """
        copied = {found.subject for found in self.all if found.kind == "file" and found.owner != module}
        kept = {ref.path: ref for ref in refs if ref.path not in copied}
        for found in put_back:
            if found.kind == "file" and found.owner == module != found.winner and found.ref is not None:
                path = found.subject.removeprefix(f"{module}/")
                kept = {other: ref for other, ref in kept.items() if not clash(path, other)}
                kept[path] = found.ref.model_copy(update={"path": path})
        return [kept[path] for path in sorted(kept)]


def owns(found: Claim | Settlement, links: Links) -> bool:
    """Whether the plan gives a subject to the owner that a claim or a settlement names."""
    if found.kind == "value":
        return links.writer.get(found.subject) == found.owner
    return found.owner in links.specs and found.subject.split("/")[0] == found.owner


def _stands(found: Settlement, links: Links, results: Mapping[str, ModuleResult]) -> bool:
    return owns(found, links) and all(module in results for module in (found.owner, found.winner, *found.losers))
