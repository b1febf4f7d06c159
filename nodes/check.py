"""check: whether a module's values and files are what its contract says."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.recorder import current_recorder
from matrioska.nodes.checks.contract import value_complaints
from matrioska.nodes.checks.registry import Checked, module_complaints
from matrioska.nodes.common import artifact_store, run_options
from matrioska.nodes.jobs import load_job
from matrioska.nodes.judge import own_values
from matrioska.nodes.recording import CHECKS
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.context import RunContext
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore


def check(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Collect every complaint. Fatal ones leave nothing that others could use."""
    complaints, fatal = _judged(state, artifact_store(run_options(state, runtime)))
    if complaints:
        details = {"fatal": fatal, "mends": state.get("mends", 0)}
        current_recorder().note(
            "critique", "\n".join(complaints), source=CHECKS, destination=state["module"], details=details
        )
    return {"complaints": complaints, "fatal": fatal}


def _judged(state: ModuleState, store: ArtifactStore) -> tuple[list[str], bool]:
    """Return the complaints, and whether they are fatal."""
    job = load_job(store, state["job"])
    values = state.get("values")
    value_faults = value_complaints(own_values(values, job), job.wanted) if job.wanted else []
    # Keys that nobody asked for are complained of, but can be left out.
    wanted = None if values is None else {key: values[key] for key in job.wanted if key in values}
    fatal = bool(value_faults) and bool(value_complaints(wanted, job.wanted))
    if state.get("unusable"):
        # A mend that went wrong does not take away what was there before it.
        nothing = state["stage"] != "agree" and not state.get("files")
        return [state["unusable"]], fatal or nothing
    file_faults = [] if state["stage"] == "agree" else _file_faults(state, job, store)
    return value_faults + file_faults, fatal


def _file_faults(state: ModuleState, job: Job, store: ArtifactStore) -> list[str]:
    files = store.sources(ArtifactRef.model_validate(ref) for ref in state.get("files") or [])
    values = state.get("values") or {}
    promised = {key: values[key] for key in job.wanted if key in values} | job.promised
    return module_complaints(Checked(job.spec, files, promised))
