"""``python -m bench``: every measure of the engine, side by side in one run."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import cascade, context, contracts, cost, ensemble, local, makespan, monitor, profiling
from bench.dags import Dag, load_dags
from bench.report import Section, machine, show
from bench.shapes import generated


class Part(StrEnum):
    """A part of the measures."""

    MAKESPAN = "makespan"
    CONTRACTS = "contracts"
    COST = "cost"
    CONTEXT = "context"
    LOCAL = "local"
    ENSEMBLE = "ensemble"
    CASCADE = "cascade"
    MONITOR = "monitor"


#: Measured when asked for: a local model takes minutes and torch, the monitor an idle machine and its extra.
_USUAL = [part for part in Part if part not in (Part.LOCAL, Part.MONITOR)]


def main(
    dags: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="JSON file of graphs to run.")] = None,
    critical_path: Annotated[float, typer.Option(min=0.05, help="Seconds to which each graph is scaled.")] = 2.0,
    max_tasks: Annotated[int, typer.Option(min=1, help="Leave out graphs with more tasks than this.")] = 500,
    slots: Annotated[int, typer.Option(min=1, help="Number of slots of the limited runs.")] = 8,
    only: Annotated[list[Part] | None, typer.Option(help="Measure only this part; may be repeated.")] = None,
    sizes: Annotated[str, typer.Option(help="Module counts for the cost, with commas.")] = "10,100,1000",
    context_sizes: Annotated[str, typer.Option(help="Module counts for the context, with commas.")] = "5,20,50,200",
    cascade_depths: Annotated[str, typer.Option(help="Depths of the trees of minds, with commas.")] = "2,3,4,5",
    cascade_latency: Annotated[float, typer.Option(min=0.0, help="Seconds of each call of a mind.")] = 1.0,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each measure; the median counts.")] = 1,
    sync: Annotated[bool, typer.Option("--sync", help="Measure the makespan in sync mode as well.")] = False,
    estimate_error: Annotated[float, typer.Option(min=1.0, help="Factor by which size estimates are wrong.")] = 1.0,
    profile: Annotated[int, typer.Option(min=0, help="Profile this many modules instead of measuring.")] = 0,
    local_model: Annotated[int, typer.Option(min=1, help="Millions of parameters of the local model.")] = 100,
    local_forms: Annotated[str, typer.Option(help="Forms of the local model, with commas.")] = "float32,nf4",
    local_at_once: Annotated[str, typer.Option(help="Calls of the local model at once, with commas.")] = "1,4,8,16",
    local_answer: Annotated[int, typer.Option(min=1, help="Tokens of each of its answers.")] = 48,
    local_device: Annotated[str, typer.Option(help="Its device, such as cpu or cuda:0.")] = "cpu",
    monitor_modules: Annotated[int, typer.Option(min=1, help="Modules of the run that pages watch.")] = 200,
    monitor_pages: Annotated[str, typer.Option(help="Pages open at the same time, with commas.")] = "0,1,20",
    monitor_browsers: Annotated[int, typer.Option(min=0, help="How many of several pages are Chromium's.")] = 2,
    monitor_large: Annotated[str, typer.Option(help="Module counts of saved runs, with commas.")] = "100,1000",
    write_json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure makespan, contracts, cost, context, ensemble and cascade beside their bounds; a local model if asked."""
    console = Console(width=140, highlight=False)
    facts = machine()
    console.print(f"{facts['cpus']} CPUs, load {facts['load']}, Python {facts['python']}, {facts['packages']}\n")
    sections: list[Section] = []

    def add(section: Section) -> None:
        sections.append(section)
        show(section, console)

    def say(text: str) -> None:
        console.print(f"[dim]… {text}[/dim]", end="\r" if console.is_terminal else "\n")

    if profile:
        for in_order in ("cumulative", "tottime"):
            for first in (False, True):
                add(profiling.profile(profile, contracts=first, order=in_order))
    parts = [] if profile else (only or _USUAL)
    if Part.MAKESPAN in parts:
        chosen = _chosen(dags, max_tasks, console)
        choice = makespan.Choice(critical_path, (None, slots), sync, repeat, estimate_error)
        for section in makespan.measure(chosen, choice, say):
            add(section)
    if Part.CONTRACTS in parts:
        add(contracts.measure(critical_path, repeat, say))
    if Part.COST in parts:
        add(cost.measure([int(size) for size in sizes.split(",")], repeat, say))
    if Part.CONTEXT in parts:
        add(context.measure([int(size) for size in context_sizes.split(",")], say))
    if Part.ENSEMBLE in parts:
        for section in ensemble.measure(ensemble.Choice(), say):
            add(section)
    if Part.CASCADE in parts:
        depths = tuple(int(depth) for depth in cascade_depths.split(","))
        add(cascade.measure(cascade.Choice(depths, cascade_latency), say))
    if Part.LOCAL in parts:
        calls = tuple(int(count) for count in local_at_once.split(","))
        asked = local.Choice(local_model, tuple(local_forms.split(",")), calls, local_answer, local_device, repeat)
        for section in local.measure(asked, say):
            add(section)
    if Part.MONITOR in parts:
        pages = tuple(int(count) for count in monitor_pages.split(","))
        large = tuple(int(size) for size in monitor_large.split(","))
        for section in monitor.measure(monitor.Choice(monitor_modules, 1.0, pages, monitor_browsers, large), say):
            add(section)
    facts["load_after"] = machine()["load"]
    console.print(f"Load at the end {facts['load_after']}. Wall time counts only on an idle machine.")
    if write_json:
        report = {"machine": facts, "sections": [section.as_json() for section in sections]}
        write_json.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")


def _chosen(file: Path | None, max_tasks: int, console: Console) -> list[Dag]:
    found = load_dags(file) if file else generated()
    small = [dag for dag in found if dag.size <= max_tasks]
    if left_out := [f"{dag.name} ({dag.size})" for dag in found if dag.size > max_tasks]:
        console.print(
            f"Left out, with more than {max_tasks} tasks: {', '.join(left_out)}. With so many tasks in a few seconds "
            "the CPU is what would be measured; --max-tasks 10000 takes them in.\n"
        )
    return small


if __name__ == "__main__":
    typer.run(main)
