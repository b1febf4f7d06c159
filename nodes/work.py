"""Asking a module's worker, and keeping what it answers. Shared by agree, produce and mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.common import artifact_store, pick_model
from matrioska.nodes.distill import load_package
from matrioska.nodes.jobs import load_job
from matrioska.nodes.leaf import off_loop
from matrioska.prompts.render import render
from matrioska.state.answers import parse_contract, parse_files, parse_json_object
from matrioska.state.artifacts import ArtifactRef, SourceFile
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import AnswerError, ConfigError
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore
from matrioska.workers.base import WORKERS
from matrioska.workers.base import Job as WorkerJob

_RAW_ANSWER_KEPT = 20_000


@dataclass(frozen=True)
class Asked:
    """A worker's answer, with what is needed to keep it."""

    text: str
    usage: dict[str, Any]
    job: Job
    store: ArtifactStore


async def ask_worker(template: str, state: ModuleState, runtime: Runtime[RunContext], **extra: Any) -> Asked:
    """Render a template with the module's package and ask its worker.

    Raises:
        ConfigError: the plan names a worker that is not installed.
        ModelError: the model failed.
    """
    options = RunOptions.model_validate(state["options"])
    store = artifact_store(options)
    job, worker_job = await off_loop(_prepare, template, state, runtime, options, store, extra)
    reply = await WORKERS[job.spec.worker].answer(worker_job)
    return Asked(reply.text, reply.usage.model_dump(), job, store)


def _prepare(
    template: str,
    state: ModuleState,
    runtime: Runtime[RunContext],
    options: RunOptions,
    store: ArtifactStore,
    extra: dict[str, Any],
) -> tuple[Job, WorkerJob]:
    job = load_job(store, state["job"])
    if job.spec.worker not in WORKERS:
        raise ConfigError(
            f"Module {job.spec.id} asks for the worker {job.spec.worker!r}, which is not installed.",
            next_step=f"Edit the plan to use one of: {', '.join(sorted(WORKERS))}.",
        )
    sections = load_package(store, state["package"]).sections
    wanted = [key for key in job.wanted if key not in job.promised]
    messages = render(template, spec=job.spec, wanted=wanted, sections=sections, **extra)
    model = pick_model("worker", options, runtime, job.spec)
    return job, WorkerJob(stage=template, spec=job.spec, messages=messages, model=model)


def keep_values(text: str) -> dict[str, Any]:
    """Return the update for an answer that is one JSON object of whiteboard values."""
    try:
        return {"values": parse_json_object(text), "unusable": "", "raw_answer": ""}
    except AnswerError as error:
        return {"values": None, "unusable": error.complaint, "raw_answer": text[:_RAW_ANSWER_KEPT]}


def keep_files(asked: Asked, state: ModuleState) -> dict[str, Any]:
    """Return the update for an answer of files: new ones join those written before.

    Files are checked before the first is stored, so that nothing unsafe or oversized reaches
    the disk.
    """
    text, job = asked.text, asked.job
    try:
        blocks = parse_files(text)
        values = parse_contract(text) or state.get("values")
    except AnswerError as error:
        return {"unusable": error.complaint, "raw_answer": text[:_RAW_ANSWER_KEPT]}
    if not blocks and not (job.kind == "mend" and values):
        return {
            "unusable": "The answer holds no file. Answer with each file in a fenced block with path=….",
            "raw_answer": text[:_RAW_ANSWER_KEPT],
        }
    files = [SourceFile(path=_below_module(block.path, job.spec.id), text=block.text) for block in blocks]
    if faults := file_complaints(files) if files else []:
        return {"unusable": "\n".join(faults), "raw_answer": text[:_RAW_ANSWER_KEPT]}
    kept = {ref["path"]: ref for ref in state.get("files") or []}
    for file in files:
        ref: ArtifactRef = asked.store.put_text(file.path, file.text)
        kept[ref.path] = ref.model_dump()
    return {"files": [kept[path] for path in sorted(kept)], "values": values, "unusable": "", "raw_answer": ""}


def _below_module(path: str, module_id: str) -> str:
    """Models often repeat the folder that is theirs anyway: ``shop/app.js`` in module ``shop``."""
    return path.removeprefix("./").removeprefix(f"{module_id}/")
