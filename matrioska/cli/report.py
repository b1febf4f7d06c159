"""How a run stands, for people and as JSON: results, what waits, what was stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from matrioska.cli.main import COMPLETE, FAILED, INTERRUPTED, WAITING
from matrioska.cli.questions import question_in, question_of
from matrioska.cli.text import dollars, duration, line, listed, listed_within, padded, plain, quoted, size
from matrioska.cli.ui import Ui
from matrioska.i18n import N_, _, counted, figure, told
from matrioska.nodes.review import rounds_made
from matrioska.reports import RunReport
from matrioska.state.claims import Review, Settlement
from matrioska.state.results import Deliverable

Command = Callable[..., str]
_MOST_FAULTS = 20
_MOST_SETTLED = 5
# With the row's sign and name before it and "and 12 more" behind it, a line of 80 columns.
_WIDEST_LIST = 50
_HEADS = {
    "complete": ("✅", "green", N_("complete")),
    "partial": ("🟡", "yellow", N_("partly done")),
    "failed": ("❌", "red", N_("failed")),
    "unfinished": ("💾", "yellow", N_("not finished")),
    "interrupted": ("💾", "yellow", N_("stopped, and saved")),
    "waiting": ("✋", "cyan", N_("waits for you")),
    "empty": ("⚪", "dim", N_("not begun")),
}
#: What the rows of a summary are called.
_ROWS = (
    *(N_("modules"), N_("files"), N_("entry"), N_("folder"), N_("zip"), N_("whiteboard"), N_("settled")),
    *(N_("review"), N_("thread"), N_("spent")),
)
#: Who settled a dispute.
_SETTLED_BY = (N_("boss"), N_("owner"))


def exit_code(report: RunReport) -> int:
    """Return the exit code for how a run stands."""
    codes = {"complete": COMPLETE, "waiting": WAITING, "interrupted": INTERRUPTED}
    return codes.get(report.status, FAILED)


def as_json(report: RunReport, seconds: float, go_on: list[str]) -> dict[str, Any]:
    """Return the JSON object of a run."""
    values = report.values
    plan = values.get("architecture") or {}
    return {
        "thread_id": report.thread_id,
        "status": report.status,
        "seconds": round(seconds, 3),
        "usage": values.get("usage") or {},
        "project": plan.get("name"),
        "modules": {module: _module_json(result) for module, result in sorted((values.get("results") or {}).items())},
        "shared_state_keys": sorted(values.get("shared_state") or {}),
        "deliverable": values.get("deliverable"),
        "entry_point": entry_path(report.deliverable),
        "findings": values.get("findings") or [],
        "settlements": [found for _, found in sorted((values.get("settlements") or {}).items())],
        "reviews": values.get("reviews") or [],
        "notes": values.get("notes") or {},
        "waiting": report.waiting,
        "error": values.get("error"),
        "go_on": go_on,
    }


def _module_json(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": result.get("status"),
        "files": [ref.get("path") for ref in result.get("artifacts") or []],
        "findings": result.get("findings") or [],
        "error": result.get("error"),
        "blocked_by": result.get("blocked_by") or [],
    }


def entry_path(deliverable: Deliverable | None) -> str | None:
    """Return the absolute path of the file to open first; None when there is none."""
    if deliverable is None or not deliverable.folder or not deliverable.entry_point:
        return None
    return str(Path(deliverable.folder) / deliverable.entry_point)


def how_to_open(path: str) -> str:
    """Return the command that opens a file on this system."""
    if path.endswith(".py"):
        return f"{'python' if sys.platform == 'win32' else 'python3'} {quoted(path)}"
    opener = {"win32": 'start ""', "darwin": "open"}.get(sys.platform, "xdg-open")
    return f"{opener} {quoted(path)}"


def next_commands(report: RunReport, command: Command, say: Callable[[str], str] = _) -> list[str]:
    """Return the commands with which a person goes on from where a run stands.

    Args:
        report: the run.
        command: makes a command line of words.
        say: puts what a command means into the reader's language; `N_` leaves it in English, for programs.
    """
    thread = report.thread_id
    if report.status == "waiting":
        commands = question_in(report).commands
        lines = [command("resume", thread, *words) for words, _ in commands]
        widest = max(map(len, lines))
        return [f"{text:<{widest}}  # {say(meaning)}" for text, (_words, meaning) in zip(lines, commands, strict=True)]
    if report.status in ("partial", "failed", "unfinished", "interrupted"):
        return [command("resume", thread)]
    return []


def summary_lines(report: RunReport, seconds: float) -> list[tuple[str, str, str]]:
    """Return the summary as rows of sign, name (one of `_ROWS`, in English) and value."""
    values, deliverable = report.values, report.deliverable
    results = values.get("results") or {}
    planned = len((values.get("architecture") or {}).get("modules", []))
    rows: list[tuple[str, str, str]] = []
    if planned:
        done = sum(result["status"] == "done" for result in results.values())
        rows.append(("🪆", "modules", _("{done} of {planned} done").format(done=figure(done), planned=figure(planned))))
    if deliverable is not None and deliverable.files:
        total = sum(ref.size for ref in deliverable.files)
        rows.append(("📄", "files", f"{figure(len(deliverable.files))} ({size(total)})"))
        if path := entry_path(deliverable):
            rows.append(("🚀", "entry", path))
        rows.append(("📁", "folder", deliverable.folder))
        rows.append(("📦", "zip", deliverable.archive))
    if shared := values.get("shared_state"):
        rows.append(("📋", "whiteboard", listed_within(sorted(shared), _WIDEST_LIST)))
    rows += _settled_rows(values)
    if rounds := rounds_made(Review.model_validate(made) for made in values.get("reviews") or []):
        mended = counted(
            "{n} round of mends by what a critic found", "{n} rounds of mends by what a critic found", rounds
        )
        rows.append(("🔎", "review", mended))
    rows.append(("🧵", "thread", report.thread_id))
    rows.append(("🕑", "spent", _spent(values.get("usage") or {}, seconds)))
    return [row for row in rows if row[2]]


def show_summary(ui: Ui, report: RunReport, seconds: float, indent: str = "") -> None:
    """Show the summary of a run, its values below one another."""
    for sign, name, value in summary_lines(report, seconds):
        ui.out.print(Text.assemble(f"{indent}{sign} ", (padded(name, _ROWS), "dim"), plain(value)), soft_wrap=True)


def calls_and_tokens(tokens: int, calls: int) -> str:
    """Return how many tokens went through how many calls, in words."""
    return _("{tokens} in {calls}").format(
        tokens=counted("{n} token", "{n} tokens", tokens), calls=counted("{n} call", "{n} calls", calls)
    )


def _spent(usage: dict[str, Any], seconds: float) -> str:
    """Return what a run took, in words; '' when nothing is known."""
    tokens = int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))
    parts = [
        duration(seconds) if seconds else "",
        calls_and_tokens(tokens, int(usage.get("calls", 0))) if usage else "",
        dollars(usage["cost"]) if usage.get("cost") else "",
    ]
    return ", ".join(filter(None, parts))


def _settled_rows(values: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return a row for each dispute that was settled, up to `_MOST_SETTLED`."""
    settled = [Settlement.model_validate(raw) for _key, raw in sorted((values.get("settlements") or {}).items())]
    rows = [("🤝", "settled", _settled(found)) for found in settled[:_MOST_SETTLED]]
    if len(settled) > _MOST_SETTLED:
        rows.append(("🤝", "settled", _("and {n} more: see --json").format(n=figure(len(settled) - _MOST_SETTLED))))
    return rows


def _settled(found: Settlement) -> str:
    return _("{subject} is {winner}'s, says the {judge}: {why}").format(
        subject=line(found.subject, 80),
        winner=found.winner,
        judge=_(found.by) if found.by in _SETTLED_BY else found.by,
        why=line(told(found.why), 120),
    )


@dataclass(frozen=True)
class Fault:
    """Something that went wrong."""

    message: str
    next_step: str = ""
    warning: bool = False
    """It does not keep the run from being complete."""


def faults(report: RunReport) -> list[Fault]:
    """Return what went wrong in words, the worst first: the error, failed and blocked modules, findings, notes."""
    values = report.values
    results = sorted((values.get("results") or {}).items())
    found = [_fault("{reason}", error)] if (error := values.get("error")) else []
    found += [
        _fault(_("{module} failed: {reason}"), result.get("error") or {}, module)
        for module, result in results
        if result["status"] == "failed"
    ]
    if blocked := [module for module, result in results if result["status"] == "blocked"]:
        found.append(Fault(_("Not begun, since what they need failed: {modules}.").format(modules=listed(blocked))))
    whole = _("the whole")
    findings = [
        Fault(
            f"{finding.get('path') or finding.get('module') or whole}: {told(finding.get('message', ''))}",
            warning=finding.get("severity") == "warning",
        )
        for finding in values.get("findings") or []
    ]
    notes = [Fault(told(note), warning=True) for _about, note in sorted((values.get("notes") or {}).items())]
    return found + sorted(findings, key=lambda fault: fault.warning) + notes


def _fault(says: str, error: dict[str, Any], module: str = "") -> Fault:
    reason = told(error["message"]) if error.get("message") else _("no reason was given")
    return Fault(says.format(module=module, reason=reason), told(str(error.get("next_step") or "")))


def show_result(ui: Ui, command: Command, report: RunReport, seconds: float) -> None:
    """Show how a run ended."""
    if ui.json:
        ui.emit_json(as_json(report, seconds, next_commands(report, command, N_)))
        return
    go_on = next_commands(report, command)
    if ui.quiet:
        _quiet(ui, report, go_on)
        return
    sign, style, words = _HEADS.get(report.status, ("·", "", report.status))
    name = line((report.values.get("architecture") or {}).get("name") or report.thread_id, 100)
    ui.err.print()
    ui.out.print(Text.assemble(f"{sign} ", (name, "bold"), " — ", (_(words), style)), soft_wrap=True)
    show_summary(ui, report, seconds, "   ")
    show_faults(ui, report)
    _advise(ui, command, report, go_on)


def _quiet(ui: Ui, report: RunReport, go_on: list[str]) -> None:
    deliverable = report.deliverable
    if deliverable is not None and deliverable.folder:
        ui.out.print(plain(entry_path(deliverable) or deliverable.folder), soft_wrap=True)
    if report.status != "complete":
        show_faults(ui, report, errors=True)
        ui.suggest(go_on)


def show_faults(ui: Ui, report: RunReport, *, errors: bool = False) -> None:
    """Show what went wrong: with the result, or among the errors."""
    console = ui.err if errors else ui.out
    found = faults(report)
    if found and not errors:
        console.print()
    for fault in found[:_MOST_FAULTS]:
        sign = Text("   ! ", "yellow") if fault.warning else Text("   ✗ ", "red")
        _hanging(console, sign, line(fault.message, 600))
        if fault.next_step:
            _hanging(console, Text("     → ", "dim"), line(fault.next_step, 400))
    if len(found) > _MOST_FAULTS:
        more = _("and {n} more: see --json").format(n=figure(len(found) - _MOST_FAULTS))
        console.print(Text(f"     {more}", "dim"))


def _hanging(console: Console, sign: Text, text: str) -> None:
    """Show a text behind a sign: on a screen its lines stand below one another, elsewhere it is one line."""
    if not console.is_terminal:
        console.print(sign + Text(text), soft_wrap=True)
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(sign, Text(text))
    console.print(grid)


def _advise(ui: Ui, command: Command, report: RunReport, go_on: list[str]) -> None:
    advice: list[tuple[str, str]] = []
    if path := entry_path(report.deliverable):
        advice.append((_("Open it"), how_to_open(path)))
    if report.status in ("complete", "partial") and len(report.values.get("results") or {}) > 1:
        advice.append((_("Change a module"), command("redo", report.thread_id, "MODULE", "--spec", "FILE")))
    advice += [(_go_on_verb(report), text) for text in go_on]
    if advice:
        ui.err.print()
    for name, text in advice:
        ui.say(f"   {name}: ", (plain(text), "cyan"), soft_wrap=True)


def _go_on_verb(report: RunReport) -> str:
    if report.status in ("unfinished", "interrupted"):
        return _("Go on")
    refused = (report.values.get("error") or {}).get("code") == "rejected"
    return _("Decide on the plan again") if refused else _("Try again what failed")


def show_waiting(ui: Ui, command: Command, report: RunReport, seconds: float) -> None:
    """Show what a run waits for, and exactly how to answer."""
    if ui.json:
        ui.emit_json(as_json(report, seconds, next_commands(report, command, N_)))
    if not ui.quiet and not ui.interactive and not ui.json:
        for found in report.waiting:
            question_of(found).show(ui.err, found)
    ui.say(("✋ ", "cyan"), _(question_in(report).waits), " ", _("It is saved. Go on with one of:"))
    ui.suggest(next_commands(report, command))


def show_interrupted(ui: Ui, command: Command, thread: str, report: RunReport | None, seconds: float) -> None:
    """Show that a run was stopped, and how to go on."""
    ui.stopped_said = True
    if report is None:
        ui.say(("💾 ", "yellow"), _("Stopped before anything was saved. Start it again."))
        if ui.json:
            ui.emit_json({"thread_id": thread, "status": "interrupted", "seconds": round(seconds, 3), "go_on": []})
        return
    go_on = [command("resume", thread)]
    if ui.json:
        ui.emit_json(as_json(report, seconds, go_on) | {"status": "interrupted"})
    ui.say(("💾 ", "yellow"), _("Stopped. Everything that ended is saved. Go on with:"))
    ui.suggest(go_on)
