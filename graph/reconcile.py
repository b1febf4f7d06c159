"""reconcile: disputes between modules are settled, and the losers told.

It follows execute when modules claimed what is another's, and goes back to execute, where losers
are mended and readers of a changed value run again. Every subject is settled once, and this step is
taken `MOST_HEARINGS` times at the most.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.graph.execution import Execution
from matrioska.models.recorder import current_recorder
from matrioska.nodes.claims import disputes_of, feedback_on
from matrioska.nodes.common import mendable, run_options
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.progress import emit, emit_step
from matrioska.nodes.reconcile import Settled, settle_all
from matrioska.state.claims import Claim
from matrioska.state.context import RunContext
from matrioska.state.graph_state import MatrioskaState


async def reconcile(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Settle every dispute; the settled values and files take their places at once."""
    options = await off_loop(run_options, state, runtime)
    execution = await off_loop(Execution, state, options)
    claims = [Claim.model_validate(raw) for raw in state.get("claims") or []]
    disputes = disputes_of(claims, execution.old)
    emit_step("reconcile", subjects=[dispute.key for dispute in disputes])
    settled = await settle_all(disputes, execution.architecture, options, runtime)
    for found in settled.settlements:
        told = f"{found.key}: the word of {found.winner} holds. {found.why}".strip()
        current_recorder().note("control", told, source=found.by, destination=found.owner, key=found.key)
        emit({"type": "settlement", "subject": found.key, "winner": found.winner, "by": found.by, "why": found.why})
    return await off_loop(_update, state, execution, settled)


def _update(state: MatrioskaState, execution: Execution, settled: Settled) -> dict[str, Any]:
    changed = execution.settle(settled.settlements)
    results = execution.old | changed
    return {
        "results": {module: result.model_dump(mode="json") for module, result in changed.items()},
        "shared_state": {key: value for module in sorted(results) for key, value in results[module].values.items()},
        "settlements": {found.key: found.model_dump(mode="json") for found in settled.settlements},
        "claims": [],
        "hearings": state.get("hearings", 0) + 1,
        "feedback": mendable(feedback_on(settled.settlements), state["architecture"]),
        "usage": settled.usage.model_dump(),
        "reasoning": settled.reasoning,
    }
