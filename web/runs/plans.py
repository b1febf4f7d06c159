"""A plan as it is drawn: who waits for whom, in which layer, and which chain is the longest. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matrioska.graph.schedule import Links
from matrioska.state.architecture import Architecture, ModuleSpec


@dataclass(frozen=True)
class Plan:
    """A plan of a run.

    Attributes:
        raw: as it is saved.
        specs: its modules by id.
        upstream: ids of the modules that come directly before each.
        order: ids, predecessors first.
        layers: by module, the number of modules on the longest way to it.
    """

    raw: dict[str, Any]
    specs: Mapping[str, ModuleSpec]
    upstream: Mapping[str, tuple[str, ...]]
    order: list[str]
    layers: dict[str, int]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Plan:
        """Return the plan of a run's saved state, which was checked when it was saved."""
        # Validated once more, 1,000 modules would take a tenth of a second.
        modules = [ModuleSpec.model_construct(None, **module) for module in raw["modules"]]
        links = Links(Architecture.model_construct(None, **{**raw, "modules": modules}))
        order, layers = links.topological(), dict[str, int]()
        for module in order:
            layers[module] = max((layers[before] + 1 for before in links.upstream[module]), default=0)
        return cls(raw, links.specs, links.upstream, order, layers)

    def critical(self, seconds: Mapping[str, float]) -> tuple[float, set[str]]:
        """Return the length of the longest chain, and the modules on it.

        Args:
            seconds: what each module took so far; where that is nothing for all of them, the plan's estimates
                of effort choose the chain, and its length is 0.
        """
        measured = any(seconds.values())
        taken = {
            module: seconds.get(module, 0.0) if measured else float(spec.size) for module, spec in self.specs.items()
        }
        longest: dict[str, float] = {}
        before: dict[str, str] = {}
        for module in self.order:
            last = max(self.upstream[module], key=longest.__getitem__, default="")
            before[module], longest[module] = last, taken[module] + (longest[last] if last else 0.0)
        at = max(longest, key=longest.__getitem__, default="")
        length, chain = (longest[at] if measured and at else 0.0), set[str]()
        while at:
            chain.add(at)
            at = before[at]
        return length, chain
