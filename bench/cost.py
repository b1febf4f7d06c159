"""What a module costs besides its model: milliseconds of CPU and kilobytes of database."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.dags import Dag
from bench.engine import Measured, run_engine
from bench.others import Keep, prompt, run_graph, tasks_graph, waves_graph
from bench.report import Section, Verdict
from bench.shapes import width_ten
from bench.workload import plan_of, scripted_model
from matrioska.models.testing import ScriptedChatModel

_CPU_BOUND, _DATABASE_BOUND = 5.0, 20.0
# Flat: the dearest size may cost this much more a module than the cheapest.
_FLAT = 1.5
_BASELINE_CALLS = 300
Figures = dict[str, Any]
_COLUMNS = {
    "way": "way",
    "modules": "modules",
    "stages": "stages",
    "ms": "cpu",
    "ms less model": "cpu_less_model",
    "ms a stage": "cpu_stage",
    "ms whole run": "cpu_whole",
    "KB": "kb",
    "KB whole run": "kb_whole",
    "KB objects": "kb_objects",
}


def baseline(model: ScriptedChatModel) -> float:
    """Return the CPU milliseconds of one call of the model with nothing around it."""

    async def calls() -> float:
        started = time.process_time()
        for _ in range(_BASELINE_CALLS):
            await model.ainvoke(prompt("m0"))
        return (time.process_time() - started) * 1000 / _BASELINE_CALLS

    asyncio.run(calls())
    return asyncio.run(calls())


def measure(sizes: Sequence[int], repeat: int, say: Callable[[str], None], *, file_size: int = 2_000) -> Section:
    """Measure the engine in both modes and with both kinds of plan, and the references, at every size."""
    section = Section(
        f"CPU and database per module (answers at once, files of {file_size} bytes, SQLite)",
        list(_COLUMNS),
    )
    figures: list[Figures] = []
    for size in sizes:
        dag = width_ten(size)
        for contracts in (False, True):
            for sync in (False, True):
                say(f"cost: {size} modules, {_way(contracts, sync)}")
                figures.append(_engine(dag, contracts, sync, repeat, file_size))
        for name, graph, keep in _REFERENCES:
            say(f"cost: {size} modules, {name}")
            figures.append(_reference(dag, name, graph, keep, repeat, file_size))
    section.rows = [[found.get(column) for column in _COLUMNS.values()] for found in figures]
    section.data = figures
    section.verdicts = _verdicts(figures, max(sizes))
    section.notes = [
        "ms and KB are of the step execute, from the approved plan to the committed results, for each module; the "
        "whole run adds plan, assembly and delivery. KB objects: files, jobs and packages in the artifact store.",
        "Contract first runs two stages for each module that others read. References make, check and keep no files.",
    ]
    return section


_REFERENCES: list[tuple[str, Callable[..., Any], Keep]] = [
    ("Send waves, digests in state", waves_graph, "digest"),
    ("Send waves, files in state", waves_graph, "text"),
    ("bare @task, digests", tasks_graph, "digest"),
]


def _way(contracts: bool, sync: bool) -> str:
    return f"{'contract first' if contracts else 'module at a time'}, {'sync' if sync else 'async'}"


def _engine(dag: Dag, contracts: bool, sync: bool, repeat: int, file_size: int) -> Figures:
    plan = plan_of(dag, contracts=contracts)
    found: list[tuple[Measured, int]] = []
    call = 0.0
    for _ in range(repeat):
        model = scripted_model(dag, plan, latency=False, size=file_size)
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            runs = run_engine(model, Path(folder), slots=8, sync=sync, finish=True)
        found.append((runs, model.count("agree") + model.count("produce")))
        call = baseline(model)
    cpu = statistics.median(run.execute.cpu for run, _ in found) * 1000 / dag.size
    legs = [[leg for leg in (run.plan, run.execute, run.finish) if leg is not None] for run, _ in found]
    last, calls = found[-1]
    return {
        "way": _way(contracts, sync),
        "modules": dag.size,
        "stages": calls,
        "cpu": cpu,
        "cpu_less_model": cpu - call * calls / dag.size,
        "cpu_stage": cpu * dag.size / calls - call,
        "cpu_whole": statistics.median(sum(leg.cpu for leg in run) for run in legs) * 1000 / dag.size,
        "kb": last.execute.database / dag.size / 1024,
        "kb_whole": sum(leg.database for leg in legs[-1]) / dag.size / 1024,
        "kb_objects": last.objects / dag.size / 1024,
    }


def _reference(dag: Dag, name: str, graph: Callable[..., Any], keep: Keep, repeat: int, file_size: int) -> Figures:
    model = scripted_model(dag, plan_of(dag), latency=False, size=file_size)
    legs = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
            legs.append(run_graph(graph(dag, model, None, keep), Path(folder), dag.size))
    cpu = statistics.median(leg.cpu for leg in legs) * 1000 / dag.size
    return {
        "way": name,
        "modules": dag.size,
        "stages": dag.size,
        "cpu": cpu,
        "cpu_less_model": cpu - baseline(model),
        "kb": legs[-1].database / dag.size / 1024,
    }


def _verdicts(figures: list[Figures], largest: int) -> list[Verdict]:
    verdicts = []
    for contracts in (False, True):
        for sync in (False, True):
            way = _way(contracts, sync)
            own = [found for found in figures if found["way"] == way]
            cpu = {found["modules"]: found["cpu_less_model"] for found in own}
            # By stage: the larger the plan, the more of its modules have readers and so two stages.
            stage = [found["cpu_stage"] for found in own]
            verdicts += [
                Verdict(f"{way}: CPU a module at {largest} modules, less the model's", cpu[largest], _CPU_BOUND, "ms"),
                Verdict(f"{way}: CPU a stage, dearest ÷ cheapest size", max(stage) / min(stage), _FLAT),
                Verdict(f"{way}: database a module", max(found["kb"] for found in own), _DATABASE_BOUND, "KB"),
            ]
    return verdicts
