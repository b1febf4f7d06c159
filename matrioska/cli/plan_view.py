"""A plan on the screen: its modules as a table, its order as layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from matrioska.cli.text import count, line, listed, plain
from matrioska.graph.schedule import Links
from matrioska.state.architecture import Architecture

_WIDE = 110
_MOST_NAMES = 12
_SIGNS = {"failed": ("✗", "bold red"), "blocked": ("■", "red"), "done": ("✓", "green")}


def layers(plan: Architecture) -> list[list[str]]:
    """Return the modules by depth: each layer needs only layers before it. Within one, plan order."""
    links = Links(plan)
    depth: dict[str, int] = {}
    for module in links.topological():
        depth[module] = 1 + max((depth[before] for before in links.upstream[module]), default=-1)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for spec in plan.modules:
        found[depth[spec.id]].append(spec.id)
    return found


def modules_table(plan: Architecture, width: int, results: Mapping[str, Any] | None = None) -> Table:
    """Return the table of a plan's modules.

    Args:
        plan: a plan that passed the checks.
        width: columns of the screen; on a narrow one, titles stand below the ids.
        results: `ModuleResult`s by id, to show each module's state; None for a plan not yet begun.
    """
    links, wide = Links(plan), width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    if results is not None:
        table.add_column("", width=1)
    table.add_column("module", overflow="fold")
    if wide:
        table.add_column("title", overflow="fold", style="dim")
    with_assets = any(spec.asset_reads for spec in plan.modules)
    for name in ("reads 📖", *(["assets 📎"] if with_assets else []), "writes ✍", "after"):
        table.add_column(name, overflow="fold")
    table.add_column("size", justify="right")
    for spec in plan.modules:
        name = "" if spec.name == spec.id else line(spec.name, 60)
        head = Text(line(spec.id, 64), "bold")
        if name and not wide:
            head.append(f"\n{name}", "not bold dim")
        cells: list[str | Text] = [head, name] if wide else [head]
        assets = [spec.asset_reads] if with_assets else []
        for names in (spec.shared_state_reads, *assets, spec.shared_state_writes, links.upstream[spec.id]):
            cells.append(listed(names, _MOST_NAMES) or "–")
        if results is not None:
            sign, style = _SIGNS.get((results.get(spec.id) or {}).get("status", ""), ("·", "dim"))
            cells.insert(0, Text(sign, style))
        table.add_row(*cells, f"{spec.size:g}")
    return table


def layer_lines(plan: Architecture) -> list[str]:
    """Return the order of a plan, one line a layer."""
    return [
        f"{number}. {listed(names, 12)}" + ("  (side by side)" if len(names) > 1 else "")
        for number, names in enumerate(layers(plan), start=1)
    ]


def show_plan(console: Console, request: Mapping[str, Any]) -> None:
    """Show the plan that an approval asks about, with complaints about an earlier answer."""
    raw = _architecture(request)
    try:
        plan = Architecture.model_validate(raw)
    except ValidationError:
        console.print(Text(f"The plan cannot be shown as a table: {line(raw, 2000)}"))
        return
    console.print()
    console.print(Text.assemble("🪆 ", (line(plan.name, 200), "bold"), f"  ({count(len(plan.modules), 'module')})"))
    if plan.goal and line(plan.goal, 300) != line(plan.name, 300):
        console.print(Text(line(plan.goal, 300), "dim"))
    for constraint in plan.constraints[:8]:
        console.print(Padding(Text(f"• {line(constraint, 200)}", "dim"), (0, 0, 0, 2)))
    console.print()
    console.print(modules_table(plan, console.width))
    show_layers(console, plan)
    show_complaints(console, request.get("complaints") or [])


def show_layers(console: Console, plan: Architecture) -> None:
    """Show in which order the modules come, when there is an order."""
    if len(plan.modules) < 2:
        return
    console.print()
    console.print(Text("order", "dim"))
    for told in layer_lines(plan):
        console.print(Text(f"  {told}"))


def show_repair(console: Console, request: Mapping[str, Any]) -> None:
    """Show the modules that failed, why, and what that blocks."""
    broken = request_args(request).get("modules")
    modules = broken if isinstance(broken, dict) else {}
    console.print()
    console.print(Text.assemble("🔧 ", ("Some modules are not done", "bold")))
    for module, found in modules.items():
        sign, style = _SIGNS.get(found.get("status", ""), ("·", ""))
        error = found.get("error") or {}
        reason = error.get("message") or (f"needs {listed(found['blocked_by'])}" if found.get("blocked_by") else "")
        console.print(Text.assemble((f"  {sign} ", style), (line(module, 64), "bold"), f"  {line(reason, 400)}"))
        if error.get("next_step"):
            console.print(Text.assemble(("    → ", "dim"), line(error["next_step"], 300)))
    show_complaints(console, request.get("complaints") or [])


def show_complaints(console: Console, complaints: list[str]) -> None:
    """Show why an answer was not accepted."""
    if complaints:
        console.print()
        console.print(Text("Your last answer was not accepted:", "bold red"))
    for complaint in complaints:
        console.print(Text(f"  ✗ {plain(complaint)}", "red"))


def architecture_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan inside an approval's or a repair's request."""
    return _architecture(request)


def request_args(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the action that a request asks about is given."""
    actions = request.get("action_requests")
    first = actions[0] if isinstance(actions, list) and actions else {}
    args = first.get("args") if isinstance(first, dict) else {}
    return args if isinstance(args, dict) else {}


def _architecture(request: Mapping[str, Any]) -> dict[str, Any]:
    found = request_args(request).get("architecture")
    return found if isinstance(found, dict) else {}
