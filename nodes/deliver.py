"""deliver: the result is written where the person finds it, and judged honestly."""

from __future__ import annotations

import hashlib
from typing import Any

from langgraph.config import get_config
from langgraph.runtime import Runtime

from matrioska.nodes.common import artifact_store, run_options
from matrioska.nodes.progress import emit_step
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
    return {"deliverable": deliverable.model_dump(mode="json"), "status": judge(state)}


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
