"""How measures are shown: tables, bounds beside figures, and one JSON with everything."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Verdict:
    """A figure beside the bound that the design sets for it."""

    what: str
    figure: float
    bound: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the bound."""
        return self.figure <= self.bound


@dataclass
class Section:
    """One part of the report."""

    title: str
    columns: Sequence[str]
    rows: list[list[Any]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: Any = None
    """The unrounded figures, for the JSON."""

    def as_json(self) -> dict[str, Any]:
        """Return everything in it as JSON."""
        verdicts = [{**asdict(verdict), "met": verdict.met} for verdict in self.verdicts]
        return {"title": self.title, "data": self.data, "verdicts": verdicts, "notes": self.notes}


def show(section: Section, console: Console) -> None:
    """Print a section: its table, its verdicts, its notes."""
    table = Table(*section.columns, title=section.title, title_justify="left", title_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in section.rows:
        table.add_row(*map(_cell, row))
    console.print(table)
    for verdict in section.verdicts:
        mark = "[green]met[/green]    " if verdict.met else "[red]not met[/red]"
        unit = f" {verdict.unit}" if verdict.unit else ""
        console.print(f"  {mark}  {verdict.what}: {_cell(verdict.figure)}{unit} (bound {verdict.bound:g}{unit})")
    for note in section.notes:
        console.print(f"  [dim]{note}[/dim]")
    console.print()


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor count, load now, versions."""
    packages = ("langgraph", "langgraph-checkpoint-sqlite", "langchain-core", "pydantic")
    return {
        "cpus": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
    }
