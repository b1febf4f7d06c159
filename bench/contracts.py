"""Contract first: makespan over the critical path of whole modules."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.dags import Dag
from bench.engine import run_engine
from bench.report import Section, Verdict
from bench.shapes import layered, skewed
from bench.workload import AGREE_SECONDS, plan_of, scripted_model

_CHAINS = (3, 4, 5, 8, 12)
_BOUND, _BOUND_FROM = 0.5, 4


def chain(length: int) -> Dag:
    """Return a chain of equal tasks."""
    return Dag(f"chain-{length}", tuple((task - 1,) if task else () for task in range(length)), (1.0,) * length)


def stage_bound(dag: Dag, agree: float) -> float:
    """Return the critical path of the stages: contracts follow each other, files only their own contract."""
    followed = {dep for deps in dag.deps for dep in deps}
    agreed: list[float] = []
    for task, deps in enumerate(dag.deps):
        start = max((agreed[dep] for dep in deps), default=0.0)
        agreed.append(start + (agree * dag.seconds[task] if task in followed else 0.0))
    return max(ends + own for ends, own in zip(agreed, dag.seconds, strict=True))


def graphs() -> list[Dag]:
    """Return the chains, and random graphs whose modules read what their predecessors write."""
    shapes = [(4, 5, 10), (6, 8, 11), (8, 6, 12), (10, 5, 13)]
    rest = [layered(layers, width, seed, spread=0.5) for layers, width, seed in shapes]
    return [*(chain(length) for length in _CHAINS), *rest, skewed(40, 14)]


def measure(critical_path: float, repeat: int, say: Callable[[str], None]) -> Section:
    """Measure every graph with contracts first, and with whole modules one after another.

    The module-level critical path counts a module's files only, as if its values cost nothing:
    a module-at-a-time engine could not be faster.
    """
    section = Section(
        f"Contract first ÷ module-level critical path ({critical_path:g} s; {AGREE_SECONDS:g} to agree, 1 to produce)",
        ["graph", "modules", "contract first", "possible", "module at a time"],
    )
    figures = []
    for dag in graphs():
        say(f"contract first: {dag.name}")
        scaled = dag.scaled(critical_path)
        first = _ratio(scaled, True, repeat)
        whole = _ratio(scaled, False, repeat)
        possible = stage_bound(scaled, AGREE_SECONDS) / critical_path
        figures.append({"dag": dag.name, "modules": dag.size, "first": first, "possible": possible, "whole": whole})
        section.rows.append([dag.name, dag.size, first, possible, whole])
    section.data = {"critical_path": critical_path, "graphs": figures}
    long = [length for length in _CHAINS if length >= _BOUND_FROM]
    section.verdicts = [
        Verdict(f"chain of {length}", float(str(found["first"])), _BOUND)
        for length in long
        for found in figures
        if found["dag"] == f"chain-{length}"
    ]
    section.notes.append("possible: the longest path of the stages, with no overhead at all.")
    return section


def _ratio(dag: Dag, contract_first: bool, repeat: int) -> float:
    plan = plan_of(dag, contracts=True, contract_first=contract_first)
    model = scripted_model(dag, plan, latency=True)
    walls = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            walls.append(run_engine(model, Path(folder), slots=None).execute.wall)
    return statistics.median(walls) / dag.critical_path
