"""Which stages a plan has, what each waits for, and in which order they are called. Pure.

The order is a list schedule by longest remaining path (Graham 1969; Kohler 1975 measures the
rule), made topological, with ties broken by id: it must come out the same on every resume,
because LangGraph matches the results of tasks by the order of their calls.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.jobs import StageKind

#: Effort of agreeing on a contract compared to the module's whole work.
AGREE_SHARE = 0.15
_SMALLEST = 1e-3


@dataclass(frozen=True)
class Stage:
    """One task: a stage of a module."""

    module: str
    kind: StageKind
    needs: tuple[str, ...]
    """Ids of the stages that must end first."""
    rank: float
    """Longest remaining path, this stage included, in the plan's unit of effort."""

    @property
    def id(self) -> str:
        """Name of the task: ``<module>.<kind>``; ids of modules hold no dot."""
        return f"{self.module}.{self.kind}"


class Links:
    """Who depends on whom in a plan.

    Args:
        architecture: a plan that passed the plan checks.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.specs: dict[str, ModuleSpec] = {spec.id: spec for spec in architecture.modules}
        self.writer = {key: spec.id for spec in architecture.modules for key in spec.shared_state_writes}
        self._read = {key for spec in architecture.modules for key in spec.shared_state_reads}
        self.upstream = {spec.id: self._upstream(spec) for spec in architecture.modules}

    def _upstream(self, spec: ModuleSpec) -> tuple[str, ...]:
        """Direct predecessors: declared, and the writers of what it reads."""
        writers = (self.writer[key] for key in spec.shared_state_reads if key in self.writer)
        found = {*spec.dependencies, *spec.artifact_reads, *writers} - {spec.id}
        return tuple(sorted(module for module in found if module in self.specs))

    def agrees(self, module: str) -> bool:
        """Whether a module promises its values first: somebody waits for them, and it can."""
        spec = self.specs[module]
        return spec.contract_first and any(key in self._read for key in spec.shared_state_writes)

    def affected(self, changed: Collection[str]) -> set[str]:
        """Return ``changed`` and everything downstream of it."""
        downstream: dict[str, list[str]] = {module: [] for module in self.specs}
        for module, predecessors in self.upstream.items():
            for predecessor in predecessors:
                downstream[predecessor].append(module)
        found, stack = set(), list(changed)
        while stack:
            module = stack.pop()
            if module not in found:
                found.add(module)
                stack.extend(downstream[module])
        return found

    def topological(self) -> list[str]:
        """Return the modules, predecessors first; ties by id."""
        return _topological(self.upstream, key=lambda module: (module,))


def _topological(upstream: Mapping[str, Collection[str]], key: Callable[[str], tuple[Any, ...]]) -> list[str]:
    """Return the nodes, predecessors first, the smallest ``key`` first among those that are free."""
    waiting = {node: len(set(predecessors)) for node, predecessors in upstream.items()}
    downstream: dict[str, list[str]] = {node: [] for node in upstream}
    for node, predecessors in upstream.items():
        for predecessor in set(predecessors):
            downstream[predecessor].append(node)
    free = [(key(node), node) for node, count in waiting.items() if count == 0]
    heapq.heapify(free)
    order = []
    while free:
        _, node = heapq.heappop(free)
        order.append(node)
        for follower in downstream[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(free, (key(follower), follower))
    return order


def plan_stages(links: Links, to_run: Collection[str], to_mend: Collection[str] = ()) -> list[Stage]:
    """Return the stages to call, in calling order.

    Args:
        links: the plan.
        to_run: modules without a valid result, and all that is downstream of them.
        to_mend: modules among ``to_run`` whose files stay and only get their faults mended.
    """
    kinds: dict[str, list[StageKind]] = {}
    for module in to_run:
        if module in to_mend:
            kinds[module] = ["mend"]
        else:
            kinds[module] = ["agree", "produce"] if links.agrees(module) else ["produce"]
    needs = {f"{module}.{kind}": _needs(links, module, kind, kinds) for module in kinds for kind in kinds[module]}
    ranks = _ranks(links, needs)
    order = _topological(needs, key=lambda stage: (-ranks[stage], stage))
    stages = []
    for stage in order:
        module, _, kind = stage.rpartition(".")
        stages.append(Stage(module, cast(StageKind, kind), needs[stage], ranks[stage]))
    return stages


def _needs(links: Links, module: str, kind: StageKind, kinds: Mapping[str, list[StageKind]]) -> tuple[str, ...]:
    """Return the stages that one stage waits for.

    Values are there once their writer agreed; files only once their module is done. A module
    that promises nothing is waited for to its end, since there is nothing else to wait for.
    """
    spec = links.specs[module]
    values_from = {links.writer[key] for key in spec.shared_state_reads if key in links.writer}
    found = [f"{module}.agree"] if kind == "produce" and "agree" in kinds[module] else []
    for predecessor in links.upstream[module]:
        if predecessor not in kinds:
            continue
        files = predecessor in spec.artifact_reads
        if files and kind == "agree" and predecessor not in values_from and predecessor not in spec.dependencies:
            continue
        early = kinds[predecessor][0] == "agree" and not (files and kind != "agree")
        ends = kinds[predecessor][:1] if early else kinds[predecessor]
        found += [f"{predecessor}.{end}" for end in ends]
    return tuple(sorted(found))


def _ranks(links: Links, needs: Mapping[str, Collection[str]]) -> dict[str, float]:
    followers: dict[str, list[str]] = {stage: [] for stage in needs}
    for stage, predecessors in needs.items():
        for predecessor in predecessors:
            followers[predecessor].append(stage)
    ranks: dict[str, float] = {}
    for stage in reversed(_topological(needs, key=lambda node: (node,))):
        module, _, kind = stage.rpartition(".")
        size = max(links.specs[module].size, _SMALLEST)
        effort = size * AGREE_SHARE if kind == "agree" else size
        ranks[stage] = effort + max((ranks[follower] for follower in followers[stage]), default=0.0)
    return ranks
