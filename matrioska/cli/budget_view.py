"""A used-up budget on the screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from matrioska.cli.plan_view import request_args, show_complaints
from matrioska.cli.text import dollars, duration
from matrioska.i18n import N_, _, counted, figure

_ROWS = (
    ("budget_tokens", "tokens", N_("tokens")),
    ("budget_cost", "cost", N_("cost")),
    ("timeout", "seconds", N_("time")),
)


def show_budget(console: Console, request: Mapping[str, Any]) -> None:
    """Show what a run has spent, of which limits, and why the last answer was not accepted."""
    args = request_args(request)
    spent, reached = args.get("spent") or {}, args.get("reached") or []
    console.print()
    console.print(Text.assemble("💰 ", (_("The budget is used up"), "bold")))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (_("spent"), _("limit")):
        table.add_column(name, justify="right")
    for limit, amount, name in _ROWS:
        if not spent.get(amount) and args.get(limit) is None:
            continue
        style = "bold red" if limit in reached else ""
        table.add_row(
            Text(f"  {_(name)}"),
            Text(_figure(limit, spent.get(amount, 0)), style),
            Text(_figure(limit, args[limit]) if args.get(limit) is not None else "–", "dim"),
        )
    console.print(table)
    calls = counted("{n} call", "{n} calls", spent.get("calls", 0))
    told = _("in {calls}. What is finished is saved; nothing is lost.").format(calls=calls)
    console.print(Text(f"  {told}", "dim"))
    show_complaints(console, request.get("complaints") or [])


def _figure(limit: str, amount: float) -> str:
    if limit == "timeout":
        return duration(amount)
    return dollars(amount) if limit == "budget_cost" else figure(amount)


def read_limit(typed: str) -> float | None:
    """Return the limit that a person typed, its separators as the language spoken writes them; None for no number."""
    sample = figure(1234.5, 1)
    thousands, decimal = re.escape(sample[1]), re.escape(sample[-2])
    if re.fullmatch(rf"[0-9]{{1,3}}({thousands}[0-9]{{3}})+({decimal}[0-9]+)?", typed):
        typed = typed.replace(sample[1], "")
    # A single point is a decimal point in every language: `2.5` is not 25.
    number = typed.replace(sample[-2], ".")
    return float(number) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", number) and float(number) > 0 else None
