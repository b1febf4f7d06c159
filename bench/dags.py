"""Task graphs with durations, and the shortest times in which any machine could do them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Traces hold tasks of zero length; a task that takes no time at all measures nothing.
_SHORTEST = 1e-6


@dataclass(frozen=True)
class Dag:
    """Tasks by index, predecessors before followers."""

    name: str
    deps: tuple[tuple[int, ...], ...]
    """Indexes of the direct predecessors of each task; all smaller than its own."""
    seconds: tuple[float, ...]
    """How long each task takes."""

    def __post_init__(self) -> None:
        if any(dep >= task for task, deps in enumerate(self.deps) for dep in deps):
            raise ValueError(f"{self.name}: a task stands before one that it depends on")

    @property
    def size(self) -> int:
        """Number of tasks."""
        return len(self.deps)

    @property
    def work(self) -> float:
        """Seconds of all tasks together."""
        return sum(self.seconds)

    @cached_property
    def heads(self) -> list[float]:
        """Longest path up to each task, the task itself not included."""
        heads: list[float] = []
        for deps in self.deps:
            heads.append(max((heads[dep] + self.seconds[dep] for dep in deps), default=0.0))
        return heads

    @cached_property
    def tails(self) -> list[float]:
        """Longest path from each task's end on."""
        tails = [0.0] * self.size
        for task in range(self.size - 1, -1, -1):
            for dep in self.deps[task]:
                tails[dep] = max(tails[dep], self.seconds[task] + tails[task])
        return tails

    @property
    def critical_path(self) -> float:
        """Seconds of the longest path."""
        return max(head + own for head, own in zip(self.heads, self.seconds, strict=True))

    def scaled(self, critical_path: float) -> Dag:
        """Return the same graph with durations scaled so that the longest path takes that long."""
        factor = critical_path / self.critical_path
        return Dag(self.name, self.deps, tuple(max(_SHORTEST, s * factor) for s in self.seconds))

    def simple_bound(self, slots: int | None) -> float:
        """Return max(critical path, work ÷ slots): no schedule is shorter."""
        return self.critical_path if slots is None else max(self.critical_path, self.work / slots)

    def tight_bound(self, slots: int | None) -> float:
        """Return a tighter lower bound, LB2.

        Tasks whose head is at least ``a`` cannot start before ``a``, and those whose tail is at
        least ``b`` must end ``b`` before the end: their work needs a + work ÷ slots + b. The
        largest such sum over all pairs (a, b) is the bound (Fernandez and Bussell, 1973).
        """
        best = self.simple_bound(slots)
        if slots is None:
            return best
        by_tail = sorted(range(self.size), key=lambda task: -self.tails[task])
        for start in sorted(set(self.heads)):
            work = 0.0
            for task in by_tail:
                if self.heads[task] >= start:
                    work += self.seconds[task]
                    best = max(best, start + work / slots + self.tails[task])
        return best


def module_ids(dag: Dag) -> list[str]:
    """Return the ids under which tasks become modules, in the order of the tasks."""
    width = len(str(dag.size))
    return [f"m{task:0{width}d}" for task in range(dag.size)]


def from_records(name: str, tasks: Sequence[dict[str, object]]) -> Dag:
    """Return the graph of ``{"id", "deps", "seconds"}`` records in any order.

    Raises:
        ValueError: a dependency is unknown, or there is a cycle.
    """
    by_id = {str(task["id"]): task for task in tasks}
    index: dict[str, int] = {}
    deps: list[tuple[int, ...]] = []
    seconds: list[float] = []
    waiting = list(by_id)
    while waiting:
        later = []
        for task_id in waiting:
            found = [str(dep) for dep in by_id[task_id]["deps"]]  # type: ignore[attr-defined]
            if any(dep not in index for dep in found):
                later.append(task_id)
                continue
            index[task_id] = len(index)
            deps.append(tuple(sorted({index[dep] for dep in found})))
            seconds.append(max(_SHORTEST, float(str(by_id[task_id]["seconds"]))))
        if len(later) == len(waiting):
            raise ValueError(f"{name}: unknown dependencies or a cycle among {later[:3]}")
        waiting = later
    return Dag(name, tuple(deps), tuple(seconds))


def load_dags(path: Path) -> list[Dag]:
    """Return the graphs of a JSON file: ``[{"name", "tasks": [{"id", "deps", "seconds"}]}]``."""
    return [from_records(entry["name"], entry["tasks"]) for entry in json.loads(path.read_text(encoding="utf-8"))]


def misjudged(dag: Dag, factor: float, seed: int = 0) -> list[float]:
    """Return size estimates that are wrong by up to ``factor`` either way, as a planner's would be."""
    dice = random.Random(seed)
    return [own * factor ** dice.uniform(-1, 1) for own in dag.seconds]
