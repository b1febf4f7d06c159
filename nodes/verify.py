"""verify: whether the joined files fit together; what does not goes back to its module."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.recorder import current_recorder
from matrioska.nodes.checks.references import reference_findings
from matrioska.nodes.common import artifact_store, mendable, run_options
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import BOSS, CHECKS
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.results import Deliverable, Finding, ModuleResult, feedback_of


def verify(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Check references across modules. Findings of modules are sent back for a bounded number of rounds.

    Before the first round nothing was sent back, so that a finding that survives its own round
    unchanged ends the refinement instead of being asked for again.
    """
    emit_step("verify")
    options = run_options(state, runtime)
    found = joined_findings(state, options)
    rounds, before = state.get("rounds", 0), state.get("findings") or []
    if found:
        told = "\n".join(f"{finding.module or 'the whole'}: {finding.message}" for finding in found)
        current_recorder().note("critique", told, source=CHECKS, destination=BOSS)
    findings = [finding.model_dump() for finding in found]
    update: dict[str, Any] = {"findings": findings, "feedback": {}}
    improved = rounds == 0 or len(findings) < len(before)
    feedback = mendable(feedback_of(found), state["architecture"])
    if feedback and improved and rounds < options.refine_rounds:
        update |= {"feedback": feedback, "rounds": rounds + 1}
    return update


def joined_findings(state: MatrioskaState, options: RunOptions) -> list[Finding]:
    """Return what modules could not mend themselves and what does not resolve across them."""
    results = {m: ModuleResult.model_validate(r) for m, r in (state.get("results") or {}).items()}
    found = [
        Finding(module=module, message=message)
        for module, result in sorted(results.items())
        if result.status == "done"
        for message in result.findings
    ]
    deliverable = Deliverable.model_validate(state["deliverable"])
    store = artifact_store(options)
    direct = len(state["architecture"]["modules"]) == 1
    only = state["architecture"]["modules"][0]["id"]
    owners = {
        ref.path: only if direct else (ref.path.split("/")[0] if "/" in ref.path else "") for ref in deliverable.files
    }
    shared = state.get("shared_state") or {}
    return found + reference_findings(store.sources(deliverable.files), owners, shared)
