"""Where the CPU of a module goes: a profile of the execute step, per module."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
from pathlib import Path
from typing import Any

from bench.engine import run_engine
from bench.report import Section
from bench.shapes import width_ten
from bench.workload import plan_of, scripted_model


def profile(size: int, *, contracts: bool, top: int = 40, order: str = "cumulative") -> Section:
    """Profile a whole run of ``size`` modules (async) and return its dearest functions.

    The profiler itself costs about as much again, so shares count here, not milliseconds.

    Args:
        size: modules.
        contracts: contract first, or module at a time.
        top: functions to show.
        order: ``cumulative`` or ``tottime``.
    """
    dag = width_ten(size)
    plan = plan_of(dag, contracts=contracts)
    model = scripted_model(dag, plan, latency=False)
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
        profiler.enable()
        run_engine(model, Path(folder), slots=8, finish=True)
        profiler.disable()
    stats: Any = pstats.Stats(profiler)
    column = {"cumulative": 3, "tottime": 2}[order]
    dearest = sorted(stats.stats.items(), key=lambda item: -item[1][column])[:top]
    section = Section(
        f"Profile by {order} time, {size} modules, {'contract first' if contracts else 'module at a time'}, async",
        ["function", "calls a module", "own ms a module", "cumulative ms a module"],
        notes=["Milliseconds with the profiler on: compare shares."],
    )
    for (file, line, name), (_, calls, own, cumulative, _) in dearest:
        place = "/".join(Path(file).parts[-2:]) if file != "~" else "built in"
        section.rows.append([f"{place}:{line} {name}", calls / size, own * 1000 / size, cumulative * 1000 / size])
    section.data = section.rows
    return section
