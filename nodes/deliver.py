"""deliver: the result is written where the person finds it, and judged honestly."""

from __future__ import annotations

import hashlib
from typing import Any

from langgraph.config import get_config
from langgraph.runtime import Runtime

from matrioska.models.recorder import current_recorder
from matrioska.nodes.common import artifact_store, run_options
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import PERSON
from matrioska.state.context import RunContext
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.ids import slug
from matrioska.state.results import Deliverable
from matrioska.store.delivery import write_archive, write_records, write_tree
from matrioska.store.layout import Layout


def deliver(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Write files, zip and records below the base path, and set the status."""
    emit_step("deliver")
    options = run_options(state, runtime)
    layout, store = Layout.at(options.base_path).prepare(), artifact_store(options)
    thread_id = _thread_id(state)
    deliverable = Deliverable.model_validate(state["deliverable"])
    architecture, shared = state["architecture"], state.get("shared_state") or {}
    write_records(layout, thread_id, architecture, shared)
    if deliverable.files:
        folder = layout.delivery(thread_id)
        write_tree(folder, deliverable.files, store)
        write_archive(layout.archive, deliverable.files, store, architecture=architecture, shared_state=shared)
        deliverable = deliverable.model_copy(update={"folder": str(folder), "archive": str(layout.archive)})
    status = judge(state)
    _tell(status, deliverable)
    return {"deliverable": deliverable.model_dump(mode="json"), "status": status}


def _tell(status: str, deliverable: Deliverable) -> None:
    """Write down what the person gets."""
    paths = [ref.path for ref in deliverable.files]
    if status == "failed":
        current_recorder().note("error", "No module was done: there is nothing to deliver.", status="failed")
        return
    told = "\n".join([f"The run is {status}. {len(paths)} files in {deliverable.folder}.", *paths])
    details = {"status": status, "entry_point": deliverable.entry_point}
    current_recorder().note("synthesis", told, destination=PERSON, details=details)


def judge(state: MatrioskaState) -> str:
    """Return ``complete``, ``partial`` (something is missing or does not resolve) or ``failed``."""
    results = state.get("results") or {}
    if not any(result["status"] == "done" for result in results.values()):
        return "failed"
    broken = [found for found in state.get("findings") or [] if found.get("severity", "error") == "error"]
    if broken or any(result["status"] != "done" for result in results.values()):
        return "partial"
    return "complete"


def _thread_id(state: MatrioskaState) -> str:
    """Return the thread's id; a run without a checkpointer gets one from its task."""
    given = get_config().get("configurable", {}).get("thread_id")
    if given:
        return str(given)
    return f"{slug(state['task'])}-{hashlib.sha256(state['task'].encode()).hexdigest()[:6]}".strip("-")
