"""What a module was told, on the screen: its context package with the tokens of every entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from matrioska.cli.text import count, line, listed

#: Columns that an entry's name may take.
_NAME = 34
_INDENT = 2


def show_package(out: Console, record: Mapping[str, Any]) -> None:
    """Show the record of a module's package: its budget, what it holds, what was condensed by whom, what was left out.

    Args:
        out: where to; lines are at most as wide as it is.
        record: as `matrioska.nodes.distill` wrote it; empty for a module that was never told anything.
    """
    if given := record.get("given"):
        out.print(Text.assemble(("\ncontext", "bold"), "  its worker reads files: ", listed(given, 20)))
        return
    if "included" not in record:
        return
    out.print(Text.assemble(("\ncontext", "bold"), f"  {_head(record)}"))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=_NAME)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for row in _rows(record):
        table.add_row(*row)
    out.print(Padding(table, (0, 0, 0, _INDENT)))
    if boss := record.get("boss"):
        tokens = count(boss["input_tokens"] + boss["output_tokens"], "token")
        out.print(Text(f"{' ' * _INDENT}the boss took {tokens} in {count(boss['calls'], 'call')}", "dim"))


def _head(record: Mapping[str, Any]) -> str:
    """Return the line on top: tokens of the package and its budget, and for which kind of work it is."""
    facts = [f"{sum(record['included'].values()):,} of {count(record['budget'], 'token')}"]
    if window := record.get("window"):
        facts.append(f"window {window:,}")
    if kind := record.get("adapter"):
        facts.append(f"for {line(kind, 32)}")
    if record.get("ranking") and any(name.startswith("related.") for name in _names(record)):
        facts.append(f"ranked {line(record['ranking'], 60)}")
    return " · ".join(facts)


def _names(record: Mapping[str, Any]) -> list[str]:
    return [*record["included"], *record["left_out"]]


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[Text, Text, Text]]:
    """Yield name, tokens and remark of each entry: those in the package in their order, then those left out."""
    compressed = record["compressed"]
    for name, tokens in record["included"].items():
        remark = _remark(compressed[name]) if name in compressed else ""
        yield Text(line(name)), Text(f"{tokens:,}"), Text(remark)
    for name, tokens in record["left_out"].items():
        yield Text(line(name), "dim"), Text(f"{tokens:,}", "dim"), Text("left out")


def _remark(entry: Mapping[str, Any]) -> str:
    who = "an extract of" if entry["by"] == "extract" else "condensed from"
    by = "" if entry["by"] == "extract" else f" by {line(entry['by'], 60)}"
    reused = ", kept from before" if entry["reused"] else ""
    why = f": {line(entry['why'], 300)}" if entry["why"] else ""
    return f"{who} {entry['from']:,}{by}{reused}{why}"
