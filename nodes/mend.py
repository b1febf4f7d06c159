"""mend: a module is told exactly what is wrong and corrects it."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.common import artifact_store, run_options
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.progress import emit_module
from matrioska.nodes.work import ask_worker, keep_files, keep_values
from matrioska.prompts.render import to_json
from matrioska.state.answers import fenced_file
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.context import RunContext
from matrioska.state.graph_state import ModuleState
from matrioska.state.results import Phase


async def mend(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask again, with the complaints and the module's own last work before the model."""
    complaints = state.get("complaints") or []
    emit_module(state["module"], Phase.MENDING, complaints=complaints)
    answering = "values" if state["stage"] == "agree" else "files"
    present = await off_loop(present_work, state, runtime)
    asked = await ask_worker("mend", state, runtime, answering=answering, complaints=complaints, present=present)
    kept = keep_values(asked) if answering == "values" else await off_loop(keep_files, asked, state)
    return {**kept, **asked.costs, "mends": state.get("mends", 0) + 1}


def present_work(state: ModuleState, runtime: Runtime[RunContext]) -> str:
    """Return what the module last handed over, as its model wrote it."""
    if state.get("raw_answer"):
        return state["raw_answer"]
    if state["stage"] == "agree":
        return to_json(state.get("values") or {})
    store = artifact_store(run_options(state, runtime))
    refs = [ArtifactRef.model_validate(ref) for ref in state.get("files") or []]
    return "\n\n".join(fenced_file(file.path, file.text) for file in store.sources(refs))
