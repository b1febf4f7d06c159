"""Makespan over the shortest time that any machine could need, on many graphs and beside other ways."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.dags import Dag, misjudged
from bench.engine import run_engine
from bench.others import bare_asyncio, run_graph, waves_graph
from bench.report import Section, Verdict
from bench.workload import plan_of, scripted_model

#: Bounds of the design: median and worst ratio, by number of slots (None: unlimited).
BOUNDS: dict[int | None, tuple[float, float]] = {None: (1.03, 1.2), 8: (1.02, 1.35)}
# Two timings of the same thing differ by about this much on a machine that does other work too.
_NOISE = 0.01
ENGINE, WAVES = "engine", "waves"


@dataclass(frozen=True)
class Choice:
    """What to measure."""

    critical_path: float = 2.0
    """Seconds to which every graph is scaled."""
    slots: tuple[int | None, ...] = (None, 8)
    sync: bool = False
    """Whether the engine is measured in sync mode as well."""
    repeat: int = 1
    """Runs of each, of which the median counts."""
    estimate_error: float = 1.0
    """Factor by which the sizes in the plan may be wrong."""


def measure_dag(dag: Dag, slots: int | None, choice: Choice) -> dict[str, float]:
    """Return the seconds that each way takes for a graph, and the two lower bounds."""
    plan = plan_of(dag, sizes=misjudged(dag, choice.estimate_error) if choice.estimate_error > 1 else None)
    model = scripted_model(dag, plan, latency=True)

    def engine(base: Path, *, sync: bool = False) -> float:
        return run_engine(model, base, slots=slots, sync=sync).execute.wall

    ways: dict[str, Callable[[Path], float]] = {
        ENGINE: engine,
        WAVES: lambda base: run_graph(waves_graph(dag, model, slots, "digest"), base, dag.size).wall,
        "first come": lambda _: asyncio.run(bare_asyncio(dag, slots, ranked=False)),
        "ranked": lambda _: asyncio.run(bare_asyncio(dag, slots, ranked=True)),
    }
    if choice.sync:
        ways["engine sync"] = lambda base: engine(base, sync=True)
    found = {name: statistics.median(_repeated(way, choice.repeat)) for name, way in ways.items()}
    return {**found, "bound": dag.simple_bound(slots), "LB2": dag.tight_bound(slots)}


def _repeated(way: Callable[[Path], float], times: int) -> Iterator[float]:
    for _ in range(times):
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            yield way(Path(folder))


def measure(dags: Sequence[Dag], choice: Choice, say: Callable[[str], None]) -> Iterator[Section]:
    """Yield a section for each number of slots."""
    scaled = [dag.scaled(choice.critical_path) for dag in dags]
    for slots in choice.slots:
        found = []
        for number, dag in enumerate(scaled, 1):
            say(f"{slots or 'unlimited'} slots, graph {number} of {len(scaled)}: {dag.name}")
            found.append({"dag": dag.name, "tasks": dag.size, "seconds": measure_dag(dag, slots, choice)})
        yield _section(found, slots, choice)


def _section(found: list[dict[str, Any]], slots: int | None, choice: Choice) -> Section:
    ways = [name for name in found[0]["seconds"] if name not in ("bound", "LB2")]
    ratios = {way: [entry["seconds"][way] / entry["seconds"]["bound"] for entry in found] for way in ways}
    tight = {way: [entry["seconds"][way] / entry["seconds"]["LB2"] for entry in found] for way in ways}
    limited = slots is not None
    bound_name = "max(critical path, work ÷ slots)" if limited else "critical path"
    section = Section(
        f"Makespan ÷ {bound_name}, {slots or 'unlimited'} slots, critical path {choice.critical_path:g} s",
        ["graph", "tasks", *ways, *(["bound ÷ LB2"] if limited else [])],
        data={"slots": slots, "graphs": found, "over_bound": ratios, "over_LB2": tight},
    )
    for number, entry in enumerate(found):
        slack = [entry["seconds"]["bound"] / entry["seconds"]["LB2"]] if limited else []
        section.rows.append([entry["dag"], entry["tasks"], *(ratios[way][number] for way in ways), *slack])
    summaries: list[tuple[str, Callable[[list[float]], float], dict[str, list[float]]]] = [
        ("median", statistics.median, ratios),
        ("worst", max, ratios),
    ]
    if limited:
        summaries += [("median over LB2", statistics.median, tight), ("worst over LB2", max, tight)]
    for name, pick, values in summaries:
        section.rows.append([name, "", *(pick(values[way]) for way in ways), *([None] if limited else [])])
    section.verdicts = _verdicts(ratios, slots)
    if limited:
        section.notes.append("LB2 is a tighter lower bound: on some graphs no schedule reaches the simple one.")
    return section


def _verdicts(ratios: dict[str, list[float]], slots: int | None) -> list[Verdict]:
    verdicts = []
    if slots in BOUNDS:
        median, worst = BOUNDS[slots]
        for way in (w for w in ratios if w.startswith(ENGINE)):
            verdicts += [
                Verdict(f"{way}, median", statistics.median(ratios[way]), median),
                Verdict(f"{way}, worst", max(ratios[way]), worst),
            ]
    behind = sum(own > waves + _NOISE for own, waves in zip(ratios[ENGINE], ratios[WAVES], strict=True))
    verdicts.append(Verdict(f"graphs on which Send waves are faster by more than {_NOISE:g}", float(behind), 0.0))
    return verdicts
