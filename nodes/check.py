"""check: whether a module's values and files are what its contract says."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from matrioska.nodes.checks.contract import honour_complaints, value_complaints

from matrioska.nodes.checks.syntax import syntax_complaint
from matrioska.nodes.common import artifact_store
from matrioska.nodes.jobs import load_job
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore


def check(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Collect every complaint. Fatal ones leave nothing that others could use."""
    store = artifact_store(RunOptions.model_validate(state["options"]))
    job = load_job(store, state["job"])
    value_faults = value_complaints(state.get("values"), job.wanted) if job.wanted else []
    if state.get("unusable"):
        # A mend that went wrong does not take away what was there before it.
        usable = not value_faults and bool(state["stage"] == "agree" or state.get("files"))
        return {"complaints": [state["unusable"]], "fatal": not usable}
    file_faults = [] if state["stage"] == "agree" else _file_faults(state, job, store)
    return {"complaints": value_faults + file_faults, "fatal": bool(value_faults)}


def _file_faults(state: ModuleState, job: Job, store: ArtifactStore) -> list[str]:
    files = store.sources(ArtifactRef.model_validate(ref) for ref in state.get("files") or [])
    faults = [complaint for file in files for complaint in syntax_complaint(file)]
    promised = job.promised or state.get("values") or {}
    return faults + honour_complaints(job.spec.id, promised, files)
