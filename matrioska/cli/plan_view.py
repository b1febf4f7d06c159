"""A plan on the screen: its modules as a table, its order as layers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from matrioska.cli.text import line, listed, listed_within, plain
from matrioska.graph.schedule import Links
from matrioska.i18n import _, counted, told
from matrioska.state.architecture import Architecture, ModuleSpec

_WIDE = 110
_MOST_NAMES = 12
#: Modules that are shown one by one, unasked; of more there is a summary.
MOST_ROWS = 60
# Lines of a summary's order: with its head and the question below, they fit on 24.
_MOST_LAYERS = 12
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


def modules_table(
    plan: Architecture,
    width: int,
    results: Mapping[str, Any] | None = None,
    shown: Sequence[ModuleSpec] | None = None,
) -> Table:
    """Return the table of a plan's modules.

    Args:
        plan: a plan that passed the checks.
        width: columns of the screen; on a narrow one, titles stand below the ids.
        results: `ModuleResult`s by id, to show each module's state; None for a plan not yet begun.
        shown: those of its modules that are shown; None for all.
    """
    specs = plan.modules if shown is None else shown
    links, wide = Links(plan), width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    if results is not None:
        table.add_column("", width=1)
    table.add_column(_("module"), overflow="fold")
    if wide:
        table.add_column(_("title"), overflow="fold", style="dim")
    with_assets = any(spec.asset_reads for spec in specs)
    for name in (_("reads 📖"), *([_("assets 📎")] if with_assets else []), _("writes ✍"), _("after")):
        table.add_column(name, overflow="fold")
    table.add_column(_("size"), justify="right")
    for spec in specs:
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


def show_standing(console: Console, plan: Architecture, results: Mapping[str, Any], *, whole: bool) -> None:
    """Show how the modules of a plan stand, and their order; of a large plan those that are not done.

    Args:
        console: where to.
        plan: a plan that passed the checks.
        results: `ModuleResult`s by id.
        whole: show every module, however many there are.
    """
    every = plan.modules
    if whole or len(every) <= MOST_ROWS:
        console.print(modules_table(plan, console.width, results))
    else:
        urgent = [spec for spec in every if (results.get(spec.id) or {}).get("status") in ("failed", "blocked")]
        waiting = [spec for spec in every if spec.id not in results]
        shown = [*urgent, *waiting][:MOST_ROWS]
        rest = len(every) - len(shown)
        if shown:
            console.print(modules_table(plan, console.width, results, shown))
            said = counted("… and {n} more module: --all shows it", "… and {n} more modules: --all shows them", rest)
        else:
            said = counted("{n} module: --all shows it", "{n} modules: --all shows them", rest)
        console.print(Text(said, "dim"))
    show_layers(console, plan)


def layer_lines(plan: Architecture, width: int | None = None) -> list[str]:
    """Return the order of a plan, one line a layer.

    Args:
        plan: a plan that passed the checks.
        width: columns that a line may have; None names up to 12 modules, however long.
    """
    together = _("(side by side)")
    lines: list[str] = []
    for number, names in enumerate(layers(plan), start=1):
        # The number, what is counted of the rest, and the words behind.
        room = None if width is None else width - cell_len(together) - 20
        told_names = listed(names, _MOST_NAMES) if room is None else listed_within(names, room)
        lines.append(f"{number}. {told_names}" + (f"  {together}" if len(names) > 1 else ""))
    return lines


def is_large(request: Mapping[str, Any]) -> bool:
    """Whether a request asks about a plan with more modules than are shown unasked."""
    plan = _plan_in(request)
    return plan is not None and len(plan.modules) > MOST_ROWS


def show_every_module(console: Console, request: Mapping[str, Any]) -> None:
    """Show the table of a plan that `is_large`: page by page where the console is the screen."""
    plan = Architecture.model_validate(_architecture(request))
    paged = console.is_terminal and sys.stdout.isatty()
    with console.pager() if paged else contextlib.nullcontext():
        console.print(modules_table(plan, console.width))


def show_plan(console: Console, request: Mapping[str, Any]) -> None:
    """Show the plan that an approval asks about, with complaints about an earlier answer."""
    plan = _plan_in(request)
    if plan is None:
        raw = line(_architecture(request), 2000)
        console.print(Text(_("The plan cannot be shown as a table: {plan}").format(plan=raw)))
        return
    console.print()
    modules = counted("{n} module", "{n} modules", len(plan.modules))
    console.print(Text.assemble("🪆 ", (line(plan.name, 200), "bold"), f"  ({modules})"))
    if plan.goal and line(plan.goal, 300) != line(plan.name, 300):
        console.print(Text(line(plan.goal, 300), "dim"))
    for constraint in plan.constraints[:8]:
        console.print(Padding(Text(f"• {line(constraint, 200)}", "dim"), (0, 0, 0, 2)))
    if len(plan.modules) <= MOST_ROWS:
        console.print()
        console.print(modules_table(plan, console.width))
    show_layers(console, plan)
    show_complaints(console, request.get("complaints") or [])


def show_layers(console: Console, plan: Architecture) -> None:
    """Show in which order the modules come, when there is an order."""
    if len(plan.modules) < 2:
        return
    console.print()
    console.print(Text(_("order"), "dim"))
    large = len(plan.modules) > MOST_ROWS
    lines = layer_lines(plan, console.width - 2 if large else None)
    shown = lines[:_MOST_LAYERS] if large else lines
    for layer in shown:
        console.print(Text(f"  {layer}"))
    if more := len(lines) - len(shown):
        console.print(Text("  " + counted("… and {n} more layer", "… and {n} more layers", more), "dim"))


def show_repair(console: Console, request: Mapping[str, Any]) -> None:
    """Show the modules that failed, why, and what that blocks."""
    broken = request_args(request).get("modules")
    modules = broken if isinstance(broken, dict) else {}
    console.print()
    console.print(Text.assemble("🔧 ", (_("Some modules are not done"), "bold")))
    for module, found in islice(modules.items(), MOST_ROWS):
        sign, style = _SIGNS.get(found.get("status", ""), ("·", ""))
        error = found.get("error") or {}
        reason = told(error.get("message") or "")
        if not reason and found.get("blocked_by"):
            reason = _("needs {modules}").format(modules=listed(found["blocked_by"]))
        console.print(Text.assemble((f"  {sign} ", style), (line(module, 64), "bold"), f"  {line(reason, 400)}"))
        if error.get("next_step"):
            console.print(Text.assemble(("    → ", "dim"), line(told(error["next_step"]), 300)))
    if (more := len(modules) - MOST_ROWS) > 0:
        console.print(Text("  " + counted("… and {n} more module", "… and {n} more modules", more), "dim"))
    show_complaints(console, request.get("complaints") or [])


def show_complaints(console: Console, complaints: list[str]) -> None:
    """Show why an answer was not accepted."""
    if complaints:
        console.print()
        console.print(Text(_("Your last answer was not accepted:"), "bold red"))
    for complaint in complaints:
        console.print(Text(f"  ✗ {plain(told(complaint))}", "red"))


def architecture_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan inside an approval's or a repair's request."""
    return _architecture(request)


def request_args(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the action that a request asks about is given."""
    actions = request.get("action_requests")
    first = actions[0] if isinstance(actions, list) and actions else {}
    args = first.get("args") if isinstance(first, dict) else {}
    return args if isinstance(args, dict) else {}


def _plan_in(request: Mapping[str, Any]) -> Architecture | None:
    try:
        return Architecture.model_validate(_architecture(request))
    except ValidationError:
        return None


def _architecture(request: Mapping[str, Any]) -> dict[str, Any]:
    found = request_args(request).get("architecture")
    return found if isinstance(found, dict) else {}
