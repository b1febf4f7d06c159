"""approval: a person approves, edits, answers or refuses the plan before anything is built."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.assets import asset_faults
from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.common import run_options
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import ask_person, settle
from matrioska.state.approval import Decision, ask_for_review, read_decision
from matrioska.state.architecture import Architecture
from matrioska.state.context import RunContext
from matrioska.state.errors import PlanError, UsageError
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.repository import Asset

ACTION = "approve_architecture"


def approval_request(architecture: dict[str, Any], complaints: list[str]) -> dict[str, Any]:
    """Return the interrupt's payload, in LangChain's human-in-the-loop form with the plan beside it."""
    count = len(architecture["modules"])
    description = f"Approve the plan “{architecture['name']}” with {count} modules, edit it, or say what to change."
    return ask_for_review("approval", ACTION, {"architecture": architecture}, description, complaints)


def approval(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask the person, unless the run approves by itself. A faulty answer is asked for again."""
    options = run_options(state, runtime)
    if options.approval == "auto" or options.direct:
        return _decided(Decision(type="approve"), by="architect")
    emit_step("approval")
    architecture = state["architecture"]
    complaints, asked = list[str](), 0
    while True:
        asked += 1
        answer = ask_person(approval_request(architecture, complaints), str(asked))
        try:
            decision = read_decision(answer)
            if decision.type == "edit":
                plan = _edited(decision, state)
                return _decided(Decision(type="approve"), edited=True) | {"architecture": plan.model_dump(mode="json")}
        except PlanError as error:
            # What the person wrote is shown back to them, not lost.
            complaints, architecture = error.complaints, _shown(decision.plan, architecture)
        except UsageError as error:
            complaints = [str(error)]
        else:
            if decision.type == "reject":
                settle("failed")
            return _decided(decision)


def _edited(decision: Decision, state: MatrioskaState) -> Architecture:
    """Return the plan that a person wrote.

    Raises:
        PlanError: it cannot be carried out, or names assets that the project does not have.
    """
    plan = parse_plan(decision.plan or {})
    assets = {name: Asset.model_validate(raw) for name, raw in (state.get("assets") or {}).items()}
    if faults := asset_faults(plan, assets):
        raise PlanError(faults)
    return plan


def _shown(edited: dict[str, Any] | None, architecture: dict[str, Any]) -> dict[str, Any]:
    if edited and isinstance(edited.get("modules"), list) and isinstance(edited.get("name"), str):
        return edited
    return architecture


def _decided(decision: Decision, *, by: str = "person", edited: bool = False) -> dict[str, Any]:
    decided = decision.model_dump(mode="json", exclude={"plan"}) | {"by": by} | ({"edited": True} if edited else {})
    update: dict[str, Any] = {"approval": decided, "rounds": 0, "hearings": 0, "reviews": []}
    if decision.type == "reject":
        update |= {
            "status": "failed",
            "error": {
                "code": "rejected",
                "message": "The plan was refused.",
                "next_step": "Start anew with another task, or fork the run from before the approval.",
            },
        }
    return update
