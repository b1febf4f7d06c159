"""``threads``, ``show`` and ``history``: looking at runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from matrioska.cli.answers import question_row, show_question
from matrioska.cli.context_view import show_package
from matrioska.cli.main import COMPLETE
from matrioska.cli.place import Place, find_place
from matrioska.cli.plan_view import show_standing
from matrioska.cli.progress import step_word
from matrioska.cli.report import as_json as report_json
from matrioska.cli.report import calls_and_tokens, faults, next_commands, show_faults, show_summary
from matrioska.cli.resume import check_module
from matrioska.cli.session import Session, look, run_async
from matrioska.cli.text import duration, line, listed, local_time, padded, plain, size, state_word
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _, counted, told
from matrioska.questions import Questions
from matrioska.reports import CheckpointSummary, RunReport
from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import MatrioskaError
from matrioska.state.results import ModuleResult
from matrioska.threads import graph_of

_STYLES = {"complete": "green", "partial": "yellow", "failed": "red", "waiting": "cyan", "unreadable": "red"}
# Version 6 UUIDs of one run differ after their first two groups.
_SHORT_ID = 13
_SHORTEST_TASK = 8


def list_threads(base_path: Path | None, *, as_json: bool) -> int:
    """List the runs and questions of a base path."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)
    if not place.layout.database.exists():
        return _no_runs(ui, place)

    async def body() -> int:
        async with look(ui, place) as session:
            rows = [await _thread_row(session, thread) for thread in session.runs.saver.thread_ids()]
        if as_json:
            ui.emit_json(rows)
        elif not rows:
            _no_runs(ui, place)
        else:
            ui.out.print(threads_table(rows, ui.out.width))
        return COMPLETE

    return run_async(body)


def _no_runs(ui: Ui, place: Place) -> int:
    if ui.json:
        ui.emit_json([])
    else:
        ui.say(_("No runs below {folder} yet.").format(folder=place.layout.base), soft_wrap=True)
        ui.suggest([place.command("run", "…")])
    return COMPLETE


async def _thread_row(session: Session, thread: str) -> dict[str, Any]:
    """Return a run or question in short. One that cannot be read must not hide the others."""
    try:
        if graph_of(session.runs.saver, thread) != "matrioska":
            return question_row(await questions_of(session).show(thread))
        report = await session.runs.show(thread)
    except MatrioskaError as error:
        return {
            "thread_id": thread,
            "status": "unreadable",
            "task": error.message,
            "done": 0,
            "modules": 0,
            "changed": "",
        }
    results = report.values.get("results") or {}
    return {
        "thread_id": thread,
        "status": report.status,
        "task": report.values.get("task") or "",
        "done": sum(result["status"] == "done" for result in results.values()),
        "modules": len((report.values.get("architecture") or {}).get("modules", [])),
        "changed": report.created_at,
    }


def questions_of(session: Session) -> Questions:
    """Return the questions that stand in the same database as a session's runs."""
    return Questions(session.runs.layout, session.runs.saver)


def threads_table(rows: list[dict[str, Any]], width: int) -> Table:
    """Return the table of runs, on lines of at most ``width`` columns: the task gives way first."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    heads = (_("thread"), _("status"), _("done"), _("changed"), _("task"))
    for name in heads:
        table.add_column(name, no_wrap=True, justify="right" if name == heads[2] else "left")
    cells = [
        (
            line(row["thread_id"], 64),
            state_word(row["status"]),
            f"{row['done']}/{row['modules']}" if row["modules"] else "–",
            local_time(row["changed"])[:16],
        )
        for row in rows
    ]
    room = width - sum(max(cell_len(row[column]) for row in (heads, *cells)) + 2 for column in range(4)) - 3
    for row, entry in zip(cells, rows, strict=True):
        says = told(entry["task"]) if entry["status"] == "unreadable" else entry["task"]
        task = line(says, room) if room >= _SHORTEST_TASK else ""
        state = Text(row[1], _STYLES.get(entry["status"], ""))
        table.add_row(row[0], state, row[2], row[3], Text(task, "dim"))
    return table


def show_thread(thread: str, module: str | None, base_path: Path | None, *, every: bool = False, as_json: bool) -> int:
    """Show a run, with every module of a large plan where that is asked for; or one of its modules."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)

    async def body() -> int:
        async with look(ui, place, thread, questions=True) as session:
            if graph_of(session.runs.saver, thread) != "matrioska":
                return show_question(ui, place.command, await questions_of(session).show(thread))
            report = await session.runs.show(thread)
        if module is not None:
            _show_module(ui, report, module)
        elif as_json:
            extra = {"task": report.values.get("task"), "architecture": report.values.get("architecture")}
            ui.emit_json(report_json(report, 0.0, next_commands(report, place.command, N_)) | extra)
        else:
            _show_run(ui, place, report, every=every)
        return COMPLETE

    return run_async(body)


def _show_run(ui: Ui, place: Place, report: RunReport, *, every: bool) -> None:
    values, plan = report.values, report.architecture
    name = plan.name if plan else report.thread_id
    state = (state_word(report.status), _STYLES.get(report.status, ""))
    ui.out.print(Text.assemble((line(name, 100), "bold"), " — ", state))
    ui.out.print(Text(line(values.get("task") or "", 400), "dim"))
    ui.out.print()
    if plan is not None:
        # What reads a pipe looks for a module; on a screen, a thousand rows would push all else away.
        show_standing(ui.out, plan, values.get("results") or {}, whole=every or not ui.out.is_terminal)
        ui.out.print()
    show_summary(ui, report, 0.0)
    model = line((values.get("options") or {}).get("model", "?"), 80)
    facts = _("model {model} · last changed {time}").format(model=model, time=local_time(report.created_at))
    ui.out.print(Text(f"   {facts}", "dim"), soft_wrap=True)
    if faults(report):
        show_faults(ui, report)
    commands = next_commands(report, place.command)
    if commands:
        ui.say("\n", _("Go on with:") if len(commands) == 1 else _("It waits for you. Go on with one of:"))
        ui.suggest(commands)


def _show_module(ui: Ui, report: RunReport, module: str) -> None:
    specs = {spec.id: spec for spec in report.architecture.modules} if report.architecture else {}
    check_module(module, list(specs))
    spec = specs[module]
    raw = (report.values.get("results") or {}).get(module)
    if ui.json:
        ui.emit_json({"spec": spec.model_dump(mode="json"), "result": raw})
        return
    _show_spec(ui, spec)
    if raw is None:
        ui.out.print(Text("\n" + _("It has no result yet."), "dim"))
        return
    _show_module_result(ui, ModuleResult.model_validate(raw), raw["status"])


def _show_spec(ui: Ui, spec: ModuleSpec) -> None:
    ui.out.print(Text.assemble((line(spec.id, 64), "bold"), f"  {line(spec.name, 200)}"))
    if spec.description:
        ui.out.print(Text(plain(spec.description)))
    facts = (
        (N_("after"), spec.dependencies),
        (N_("reads 📖"), spec.shared_state_reads),
        (N_("writes ✍"), spec.shared_state_writes),
        (N_("assets 📎"), spec.asset_reads),
        (N_("files of"), spec.artifact_reads),
        (N_("inputs"), spec.inputs),
        (N_("outputs"), spec.outputs),
    )
    rule_head = N_("rule")
    heads = [rule_head, *(name for name, _values in facts)]
    for name, values in facts:
        if values:
            ui.out.print(Text.assemble((f"  {padded(name, heads)}", "dim"), listed(values, 40)))
    for rule in spec.rules:
        ui.out.print(Text.assemble((f"  {padded(rule_head, heads)}", "dim"), plain(rule)))


def _show_module_result(ui: Ui, result: ModuleResult, status: str) -> None:
    usage = result.usage
    spent = [calls_and_tokens(usage.input_tokens + usage.output_tokens, usage.calls), duration(usage.seconds)]
    if result.mends:
        spent.append(counted("{n} mend", "{n} mends", result.mends))
    ui.out.print()
    ui.out.print(Text.assemble((state_word(status), _STYLES.get(status, "green")), f"  {', '.join(spent)}"))
    if result.error is not None:
        ui.out.print(Text(f"  ✗ {plain(told(result.error.message))}", "red"))
        ui.out.print(Text(f"    → {plain(told(result.error.next_step))}", "dim"))
    if result.blocked_by:
        waits = _("waits for {modules}").format(modules=listed(result.blocked_by))
        ui.out.print(Text(f"  {waits}", "red"))
    for finding in result.findings:
        ui.out.print(Text(f"  ✗ {plain(told(finding))}", "red"))
    for ref in result.artifacts:
        ui.out.print(Text.assemble("  📄 ", plain(ref.path), (f"  {size(ref.size)}", "dim")), soft_wrap=True)
    for key, value in result.values.items():
        shown = json.dumps(value, ensure_ascii=False, indent=2)
        ui.out.print(Text.assemble("  ✍ ", (line(key, 64), "bold"), " = ", plain(shown)))
    show_package(ui.out, result.context)


def list_history(thread: str, base_path: Path | None, *, as_json: bool) -> int:
    """List a run's checkpoints."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)

    async def body() -> int:
        async with look(ui, place, thread) as session:
            found = await session.runs.history(thread)
        if as_json:
            ui.emit_json([vars(summary) | {"next": list(summary.next)} for summary in found])
            return COMPLETE
        ui.out.print(history_table(found))
        if ui.out.is_terminal and found:
            at = short_ids([summary.checkpoint_id for summary in found])[-1]
            ui.say("\n", _("Go back to one of them:"))
            ui.suggest([place.command("fork", thread, "--at", at)])
        return COMPLETE

    return run_async(body)


def short_ids(ids: list[str]) -> list[str]:
    """Return the shortest beginnings, all of one length, that tell the ids apart."""
    length = _SHORT_ID
    while len({found[:length] for found in ids}) < len(set(ids)):
        length += 1
    return [found[:length].rstrip("-") for found in ids]


def history_table(found: list[CheckpointSummary]) -> Table:
    """Return the table of checkpoints."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name, figures in ((_("checkpoint"), 0), (_("step"), 1), (_("time"), 0), (_("done"), 1), (_("next"), 0)):
        table.add_column(name, no_wrap=True, justify="right" if figures else "left")
    for short, summary in zip(short_ids([entry.checkpoint_id for entry in found]), found, strict=True):
        table.add_row(
            short,
            str(summary.step),
            local_time(summary.created_at),
            f"{summary.done}/{summary.modules}" if summary.modules else "–",
            ", ".join(map(step_word, summary.next)) or _("end"),
        )
    return table
