"""``context``: what the context repository knows of a run's project, and a search in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from matrioska.cli.main import COMPLETE
from matrioska.cli.place import find_place
from matrioska.cli.session import look, run_async
from matrioska.cli.text import line, listed, local_time, padded, plain, size
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _, figure, told
from matrioska.state.repository import Asset, DecisionRecord, Entry, ProjectRecord
from matrioska.store.repository import Snapshot

#: Characters of an entry's text beside its title.
_EXCERPT = 200
#: Columns that names take beside what they say.
_WIDEST_NAME = 40
#: What an entry is of, by `Entry.kind`.
_KINDS = {"section": N_("section"), "value": N_("value"), "file": N_("file"), "analysis": N_("analysis")}
_Found = list[tuple[Entry, float]]


def show_context(thread: str, query: str | None, limit: int, base_path: Path | None, *, as_json: bool) -> int:
    """Show what is known of a run's project; with a query, the entries that fit it best."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)

    async def body() -> int:
        async with look(ui, place, thread) as session:
            known = await session.runs.memory(thread, ranked=query is not None)
            found = await known.scored(query, limit=limit) if query is not None else None
        if as_json:
            ui.emit_json(_as_json(known, found))
        elif known.is_empty:
            nothing = _("The repository holds nothing of the project {project} yet.")
            ui.say(nothing.format(project=known.project), soft_wrap=True)
            ui.say((_("A run adds to it when it ends."), "dim"))
        elif found is not None:
            _show_found(ui, known, query or "", found)
        else:
            _show_known(ui, known, limit)
        for warning in known.warnings:
            ui.say(("! ", "yellow"), plain(told(warning)))
        return COMPLETE

    return run_async(body)


def _as_json(known: Snapshot, found: _Found | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "project": known.project,
        "ranking": known.ranking,
        "warnings": list(known.warnings),
        "record": known.record.model_dump(mode="json") if known.record else None,
        "assets": [asset.model_dump(mode="json") for asset in known.assets.values()],
        "glossary": [term.model_dump(mode="json") for term in known.terms],
        "decisions": [decision.model_dump(mode="json") for decision in known.decisions],
        "entries": [entry.model_dump(mode="json") for entry in known.entries],
    }
    if found is not None:
        shown["found"] = [{"score": round(score, 4), **entry.model_dump(mode="json")} for entry, score in found]
    return shown


def _show_found(ui: Ui, known: Snapshot, query: str, found: _Found) -> None:
    _headline(ui, known, _("project {project}, ranked {how}"))
    if not found:
        ui.out.print(Text(_("Nothing fits “{query}”.").format(query=line(query))))
        return
    table = _table(N_("score"), N_("entry"), N_("what it says"))
    for entry, score in found:
        table.add_row(figure(score, 2), line(entry.id, 300), Text(_said(entry), "dim"))
    ui.out.print(table)


def _show_known(ui: Ui, known: Snapshot, limit: int) -> None:
    _headline(ui, known, _("project {project}, searched {how}"))
    if known.record is not None:
        _show_record(ui, known.record)
    _show_sections(ui, known.entries)
    if known.assets:
        _show_part(ui, _("Assets"), _assets_table(known.assets.values()))
    if known.terms:
        table = _table(N_("term"), N_("means"), N_("called"))
        for term in known.terms:
            names = (f"{domain}: {name}" for domain, name in sorted(term.domains.items()))
            table.add_row(line(term.term, 100), line(term.meaning, _EXCERPT), Text(listed(names, 20), "dim"))
        _show_part(ui, _("Glossary"), table)
    if known.decisions:
        _show_part(ui, _("Decisions, the newest first"), _decisions_table(known.decisions[:limit]))
        if (more := len(known.decisions) - limit) > 0:
            ui.out.print(Text(_("and {number} more: see --limit").format(number=figure(more)), "dim"))


def _headline(ui: Ui, known: Snapshot, words: str) -> None:
    if known.record is not None:
        ui.out.print(Text(line(known.record.name, 100), "bold"))
    ui.out.print(Text(words.format(project=known.project, how=told(known.ranking)), "dim"))


def _show_record(ui: Ui, record: ProjectRecord) -> None:
    ui.out.print(Text(line(record.goal, 400)))
    last_run = N_("last run")
    facts = {
        N_("constraint"): record.constraints,
        N_("style"): record.guidelines,
        N_("timeline"): record.timeline,
    }
    labels = (*facts, last_run)
    for name, said in facts.items():
        for each in said:
            ui.out.print(Text.assemble((f"  {padded(name, labels, 2)}", "dim"), line(each, 400)))
    ui.out.print(Text(f"  {padded(last_run, labels, 2)}{line(record.thread, 64)}, {_time(record.at)}", "dim"))


def _show_sections(ui: Ui, entries: Iterable[Entry]) -> None:
    rows: list[tuple[Text, Text]] = []
    for entry in sorted(entries, key=lambda entry: (entry.section, entry.level != "section", entry.id)):
        if entry.level == "section":
            rows.append((Text(line(entry.id, 64), "bold"), Text(line(entry.text, _EXCERPT))))
        else:
            rows.append((Text(f"  {line(f'{_(_KINDS[entry.kind])} {entry.title}')}"), Text(_said(entry), "dim")))
    table = _table(N_("section"), N_("what it says"))
    names, said = table.columns
    longest = max((name.cell_len for name, _ in rows), default=0)
    names.min_width = names.max_width = min(longest, _WIDEST_NAME, ui.out.width // 2)
    # An entry a line: what it says gives way.
    said.ratio, said.max_width = None, ui.out.width - names.max_width - 4
    names.overflow = said.overflow = "ellipsis"
    names.no_wrap = said.no_wrap = True
    for row in rows:
        table.add_row(*row)
    if table.rows:
        _show_part(ui, _("Sections"), table)


def _said(entry: Entry) -> str:
    # The outline of a file begins with its name, which stands beside it already.
    return line(entry.text.partition("\n")[2] if entry.kind == "file" else entry.text, _EXCERPT)


def _assets_table(assets: Iterable[Asset]) -> Table:
    table = _table(N_("asset"), N_("domain"), N_("size"), N_("what it is"))
    for asset in assets:
        table.add_row(line(asset.ref.path), asset.domain, size(asset.ref.size), Text(line(asset.description), "dim"))
    return table


def _decisions_table(decisions: Iterable[DecisionRecord]) -> Table:
    table = _table(N_("when"), N_("who"), N_("what"), N_("why"))
    for decision in decisions:
        why = Text(line(decision.why, _EXCERPT), "dim")
        table.add_row(_time(decision.at), line(decision.who, 64), line(decision.what, _EXCERPT), why)
    return table


def _table(*columns: str) -> Table:
    """Return a table whose last column takes what room is left, on lines of its own where it must.

    Args:
        columns: their names, in English.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in columns:
        last = name == columns[-1]
        table.add_column(
            _(name), overflow="fold", ratio=1 if last else None, justify="right" if name == "score" else "left"
        )
    return table


def _show_part(ui: Ui, head: str, table: Table) -> None:
    ui.out.print()
    ui.out.print(Text(head, "bold"))
    ui.out.print(table)


def _time(at: float) -> str:
    try:
        return local_time(datetime.fromtimestamp(at, UTC).isoformat())[:16]
    except (OverflowError, ValueError, OSError):
        # No year of ours: whoever wrote it, it must not hide the rest.
        return "?"
