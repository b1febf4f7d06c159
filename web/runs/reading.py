"""Runs as they are shown: built from checkpoint, journal and ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrioska.reports import RunReport
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.budget import Budget
from matrioska.state.results import Phase
from matrioska.state.shown import shown_model
from matrioska.store.ledger import Ledger
from matrioska.web.runs.board import WORKING, Board, Row
from matrioska.web.runs.plans import Plan
from matrioska.web.runs.saved import SavedRun
from matrioska.web.runs.views import (
    MOST_ENTRIES,
    FileView,
    ModuleView,
    RunLine,
    RunView,
    Waiting,
    in_line,
)

_WAITING: dict[str, Waiting] = {"approval": "approval", "repair": "failures", "budget": "budget"}
_NO_ROW = Row()
# A checkpoint and what is said in the same moment come from clocks that may differ by as much.
_SAME_MOMENT = 0.005

Refs = dict[str, tuple[ArtifactRef, str]]


def run_line(thread: str, saved: SavedRun) -> RunLine:
    """Return a run in the list, by what is saved of it: whether somebody works on it is for others to say."""
    values, results = saved.report.values, saved.report.values.get("results") or {}
    usage = values.get("usage") or {}
    return RunLine(
        thread=thread,
        graph="matrioska",
        title=(saved.plan.raw.get("name") if saved.plan else None) or values.get("task") or thread,
        status=saved.report.status,
        updated=saved.at,
        modules=len(saved.plan.specs) if saved.plan else 0,
        done=sum(result["status"] == "done" for result in results.values()),
        tokens=int(usage.get("input_tokens", 0) + usage.get("output_tokens", 0)),
        cost=float(usage.get("cost", 0.0)),
    )


def run_view(line: RunLine, saved: SavedRun, board: Board, ledger: Ledger, now: float, events: int) -> RunView:
    """Return a run as a whole.

    Args:
        line: the run in the list.
        saved: its latest checkpoint.
        board: its modules, by the journal.
        ledger: what it has spent.
        now: seconds since 1970.
        events: id of the last event told of it.
    """
    report, values = saved.report, saved.report.values
    working = line.status == "working"
    modules, length = _modules(saved, board, now, working=working)
    question = None if working else saved.question
    spent = ledger.spent
    done = sum(view.state == Phase.DONE for view in modules)
    return RunView(
        line=line.model_copy(
            update={"done": done, "tokens": max(line.tokens, spent.tokens), "cost": max(line.cost, spent.cost)}
        ),
        task=values.get("task") or "",
        status=line.status,
        step=", ".join(report.next),
        modules=modules,
        waiting=waiting_for(question),
        question=question,
        plan=saved.plan.raw if saved.plan else None,
        shared_state=values.get("shared_state") or {},
        findings=[_finding(found) for found in (values.get("findings") or [])[:MOST_ENTRIES]],
        budget=(ledger.budget or Budget()).model_dump(),
        spent=spent.model_dump(),
        critical_path=round(length, 3),
        files=[file_view(ref, module) for ref, module in files_of(saved).values()],
        entry_point=(values.get("deliverable") or {}).get("entry_point", ""),
        error=_error(values),
        events=events,
    )


def waiting_for(question: Mapping[str, Any] | None) -> Waiting:
    """Return what a pending question is about; '' for none, and for one that is not ours."""
    return _WAITING.get(str((question or {}).get("kind", "")), "")


def module_view(saved: SavedRun, board: Board, module: str, now: float, *, working: bool) -> ModuleView | None:
    """Return one module of a run; None when the plan has none of that id."""
    found, _ = _modules(saved, board, now, working=working)
    return next((view for view in found if view.id == module), None)


def _modules(saved: SavedRun, board: Board, now: float, *, working: bool) -> tuple[list[ModuleView], float]:
    """Return a run's modules in the order of the plan, and the length of its critical path in seconds."""
    plan = saved.plan
    if plan is None:
        return [], 0.0
    rows = {module: board.rows.get(module, _NO_ROW) for module in plan.specs}
    length, chain = plan.critical({module: _worked(row, now, working=working) for module, row in rows.items()})
    results, model = saved.report.values.get("results") or {}, _default_model(saved.report)
    return [
        _module(plan, module, row, results.get(module), saved.at, model, module in chain, working=working)
        for module, row in rows.items()
    ], length


def _module(
    plan: Plan,
    module: str,
    row: Row,
    result: Mapping[str, Any] | None,
    saved_at: float,
    model: str,
    critical: bool,
    *,
    working: bool,
) -> ModuleView:
    spec, usage = plan.specs[module], (result or {}).get("usage") or {}
    # What was said after the checkpoint is newer than what that holds.
    live = row.touched > saved_at - _SAME_MOMENT or result is None
    state = _state(row, result, live=row.touched > saved_at - _SAME_MOMENT, working=working)
    error = row.error if live else ((result or {}).get("error") or {}).get("message", "")
    if state == Phase.BLOCKED and not error and result is not None:
        error = f"It waits for {', '.join(result.get('blocked_by') or [])}."
    return ModuleView(
        id=module,
        name=spec.title,
        description=spec.description,
        state=state,
        depends_on=list(plan.upstream[module]),
        layer=plan.layers[module],
        started=row.started,
        ended=row.ended,
        tokens=row.tokens or int(usage.get("input_tokens", 0) + usage.get("output_tokens", 0)),
        seconds=round(row.seconds or float(usage.get("seconds", 0.0)), 3),
        findings=row.findings if live else len((result or {}).get("findings") or []),
        mends=row.mends if live else int((result or {}).get("mends", 0)),
        error=error if state in (Phase.FAILED, Phase.BLOCKED) else "",
        critical=critical,
        model=shown_model(spec.model) if spec.model else model,
        worker=spec.worker,
    )


def _state(row: Row, result: Mapping[str, Any] | None, *, live: bool, working: bool) -> str:
    if live and (working or row.state not in WORKING):
        return row.state.value
    return str(result["status"]) if result is not None else Phase.WAITING.value


def _worked(row: Row, now: float, *, working: bool) -> float:
    if row.started is None:
        return 0.0
    ended = row.ended if row.ended is not None else now if working else row.touched
    return max(0.0, ended - row.started)


def _default_model(report: RunReport) -> str:
    options = report.values.get("options") or {}
    return shown_model(str((options.get("roles") or {}).get("worker") or options.get("model") or ""))


def _finding(found: Mapping[str, Any]) -> str:
    place = ": ".join(filter(None, (found.get("module"), found.get("path"))))
    return in_line(f"{place}: {found.get('message')}" if place else found.get("message"))


def _error(values: Mapping[str, Any]) -> dict[str, Any] | None:
    error = values.get("error")
    return {name: in_line(error.get(name)) for name in ("code", "message", "next_step")} if error else None


def files_of(saved: SavedRun) -> Refs:
    """Return a run's files by path, each with the module whose it is: the deliverable's, or, as long as there is
    none, those of the modules that are done."""
    values, plan = saved.report.values, saved.plan
    deliverable = values.get("deliverable")
    if deliverable:
        refs = [ArtifactRef.model_validate(ref) for ref in deliverable.get("files") or []]
        return {ref.path: (ref, _owner(ref.path, plan)) for ref in refs}
    found: Refs = {}
    for module, result in (values.get("results") or {}).items():
        for ref in refs_of(result):
            found[f"{module}/{ref.path}"] = (ref.model_copy(update={"path": f"{module}/{ref.path}"}), module)
    return found


def refs_of(result: Mapping[str, Any]) -> list[ArtifactRef]:
    """Return the files of a module's result."""
    return [ArtifactRef.model_validate(ref) for ref in result.get("artifacts") or []]


def file_view(ref: ArtifactRef, module: str) -> FileView:
    """Return a file as it is shown."""
    return FileView(path=ref.path, size=ref.size, media_type=ref.media_type, module=module)


def _owner(path: str, plan: Plan | None) -> str:
    if plan is None:
        return ""
    if len(plan.specs) == 1:
        return next(iter(plan.specs))
    folder, slash, _ = path.partition("/")
    return folder if slash and folder in plan.specs else ""
