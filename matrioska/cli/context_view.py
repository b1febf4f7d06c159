"""What a module was told, on the screen: its context package with the tokens of every entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from matrioska.cli.text import line, listed
from matrioska.i18n import _, counted, figure, told

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
        files = _("its worker reads files: {names}").format(names=listed(given, 20))
        out.print(Text.assemble(("\n" + _("context"), "bold"), f"  {files}"))
        return
    if "included" not in record:
        return
    out.print(Text.assemble(("\n" + _("context"), "bold"), f"  {_head(record)}"))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=_NAME)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for row in _rows(record):
        table.add_row(*row)
    out.print(Padding(table, (0, 0, 0, _INDENT)))
    if boss := record.get("boss"):
        tokens = counted("{n} token", "{n} tokens", boss["input_tokens"] + boss["output_tokens"])
        calls = counted("{n} call", "{n} calls", boss["calls"])
        took = _("the boss took {tokens} in {calls}").format(tokens=tokens, calls=calls)
        out.print(Text(f"{' ' * _INDENT}{took}", "dim"))


def _head(record: Mapping[str, Any]) -> str:
    """Return the line on top: tokens of the package and its budget, and for which kind of work it is."""
    budget = counted("{n} token", "{n} tokens", record["budget"])
    facts = [_("{used} of {budget}").format(used=figure(sum(record["included"].values())), budget=budget)]
    if window := record.get("window"):
        facts.append(_("window {tokens}").format(tokens=figure(window)))
    if kind := record.get("adapter"):
        facts.append(_("for {kind}").format(kind=line(kind, 32)))
    if record.get("ranking") and any(name.startswith("related.") for name in _names(record)):
        facts.append(_("ranked {how}").format(how=line(told(record["ranking"]), 60)))
    return " · ".join(facts)


def _names(record: Mapping[str, Any]) -> list[str]:
    return [*record["included"], *record["left_out"]]


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[Text, Text, Text]]:
    """Yield name, tokens and remark of each entry: those in the package in their order, then those left out."""
    compressed = record["compressed"]
    for name, tokens in record["included"].items():
        remark = _remark(compressed[name]) if name in compressed else ""
        yield Text(line(name)), Text(figure(tokens)), Text(remark)
    for name, tokens in record["left_out"].items():
        yield Text(line(name), "dim"), Text(figure(tokens), "dim"), Text(_("left out"))


def _remark(entry: Mapping[str, Any]) -> str:
    size, by = figure(entry["from"]), line(entry["by"], 60)
    extract = entry["by"] == "extract"
    how = _("an extract of {tokens}") if extract else _("condensed from {tokens} by {model}")
    remark = how.format(tokens=size) if extract else how.format(tokens=size, model=by)
    reused = ", " + _("kept from before") if entry["reused"] else ""
    why = f": {line(told(entry['why']), 300)}" if entry["why"] else ""
    return f"{remark}{reused}{why}"
