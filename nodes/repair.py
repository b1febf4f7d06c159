"""repair: what to do when modules failed. A person decides, or a run without one goes on."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.common import run_options
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import ask_person
from matrioska.state.approval import Decision, ask_for_review, read_decision
from matrioska.state.architecture import Architecture
from matrioska.state.context import RunContext
from matrioska.state.errors import PlanError, UsageError
from matrioska.state.graph_state import MatrioskaState

ACTION = "repair_modules"


def failures(state: MatrioskaState) -> dict[str, dict[str, Any]]:
    """Return the results of the modules that are not done, by id."""
    return {module: r for module, r in (state.get("results") or {}).items() if r["status"] != "done"}


def repair_request(state: MatrioskaState, complaints: list[str]) -> dict[str, Any]:
    """Return the interrupt's payload, in LangChain's human-in-the-loop form."""
    broken = {
        module: {"status": r["status"], "error": r.get("error"), "blocked_by": r.get("blocked_by", [])}
        for module, r in sorted(failures(state).items())
    }
    failed = [module for module, r in broken.items() if r["status"] == "failed"]
    description = (
        f"Failed: {', '.join(failed)}. Approve to try again, edit the plan, give the modules a hint, "
        "or reject to go on without them."
    )
    args = {"modules": broken, "architecture": state["architecture"]}
    return ask_for_review("repair", ACTION, args, description, complaints)


def repair(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Decide: ``retry`` runs the broken modules again, ``skip`` goes on with what there is."""
    if run_options(state, runtime).approval == "auto":
        return _without(state)
    emit_step("repair", modules=sorted(failures(state)))
    complaints, asked = list[str](), 0
    while True:
        asked += 1
        answer = ask_person(repair_request(state, complaints), str(asked))
        try:
            return _decided(state, read_decision(answer))
        except PlanError as error:
            complaints = error.complaints
        except UsageError as error:
            complaints = [str(error)]


def _without(state: MatrioskaState) -> dict[str, Any]:
    return {"repair": {"action": "skip", "modules": sorted(failures(state))}}


def _decided(state: MatrioskaState, decision: Decision) -> dict[str, Any]:
    if decision.type == "reject":
        return _without(state)
    update: dict[str, Any] = {"repair": {"action": "retry"}}
    if decision.type == "edit":
        update["architecture"] = parse_plan(decision.plan or {}).model_dump(mode="json")
    if decision.type == "respond":
        update["architecture"] = _with_hint(state, decision.text).model_dump(mode="json")
    return update


def _with_hint(state: MatrioskaState, hint: str) -> Architecture:
    """Return the plan with a person's hint among the rules of every failed module."""
    plan = Architecture.model_validate(state["architecture"])
    failed = {module for module, r in failures(state).items() if r["status"] == "failed"}
    modules = [
        spec.model_copy(update={"rules": [*spec.rules, hint[:2_000]]}) if spec.id in failed else spec
        for spec in plan.modules
    ]
    return plan.model_copy(update={"modules": modules})
