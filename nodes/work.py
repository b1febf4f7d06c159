"""Asking a module's worker, and keeping what it answers. Shared by agree, produce and mend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.gateway import Client
from matrioska.models.recorder import voiced
from matrioska.nodes.blocks import with_blocks
from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.checks.wording import shorten
from matrioska.nodes.claims import reached_path
from matrioska.nodes.common import RAW_ANSWER_KEPT, artifact_store, pick_client, run_options
from matrioska.nodes.distill import load_package
from matrioska.nodes.jobs import load_job
from matrioska.nodes.judge import Judge, below_module
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.recording import BOSS
from matrioska.nodes.replies import complaint_about, keep_reasoning
from matrioska.nodes.schemas import contract_form, files_form
from matrioska.prompts.render import render
from matrioska.state.answers import FileBlock, outside_blocks, parse_contract, parse_files, parse_json_object
from matrioska.state.artifacts import ArtifactRef, SourceFile
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import AnswerError, ConfigError, UnsafePathError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.state.paths import safe_relative_path
from matrioska.store.artifacts import ArtifactStore
from matrioska.workers.base import GivenFile, Made
from matrioska.workers.base import Job as WorkerJob
from matrioska.workers.plugins import answered, workers

#: Files that a module is given room for when its plan names none.
USUAL_FILES = 3
#: Characters kept of what a module says beside its files and values: its argument, should it claim what is another's.
ARGUMENT_KEPT = 1_000


@dataclass(frozen=True)
class Asked:
    """A worker's answer, with what is needed to keep it."""

    text: str
    complaint: str
    """Why the text need not be read: it is empty, cut off, or a refusal; '' when it is to be read."""
    job: Job
    store: ArtifactStore
    costs: dict[str, Any]
    """The part of the node's update that does not depend on the text: cost, and the record with the
    digest of the model's reasoning."""
    made: Made | None = None
    """What the worker made itself; the text is not read then."""


async def ask_worker(template: str, state: ModuleState, runtime: Runtime[RunContext], **extra: Any) -> Asked:
    """Render a template with the module's package and ask its worker.

    Raises:
        ConfigError: the plan names a worker that is not installed.
        ModelError: the model failed.
        PluginError: the worker is a plugin's, and failed.
    """
    options = run_options(state, runtime)
    store = artifact_store(options)
    job, worker_job = await off_loop(_prepare, template, state, runtime, options, store, extra)
    # A mend is another round of what was said before.
    with voiced("iteration" if template == "mend" else "response", job.spec.id, BOSS):
        work = await answered(workers()[job.spec.worker], worker_job)
    reply = work.reply
    costs: dict[str, Any] = {"usage": reply.usage.model_dump()}
    if thoughts := await off_loop(keep_reasoning, store, reply):
        costs["record"] = {**(state.get("record") or {}), "reasoning": thoughts}
    complaint = complaint_about(reply) if work.made is None else ""
    return Asked(reply.text, complaint, job, store, costs, work.made)


def _prepare(
    template: str,
    state: ModuleState,
    runtime: Runtime[RunContext],
    options: RunOptions,
    store: ArtifactStore,
    extra: dict[str, Any],
) -> tuple[Job, WorkerJob]:
    job = load_job(store, state["job"])
    if job.spec.worker not in workers():
        raise ConfigError(
            f"Module {job.spec.id} asks for the worker {job.spec.worker!r}, which is not installed.",
            next_step=f"Edit the plan to use one of: {', '.join(sorted(workers()))}.",
        )
    package = load_package(store, state["package"])
    wanted = [key for key in job.wanted if key not in job.promised]
    messages = render(template, spec=job.spec, wanted=wanted, sections=package.sections, **extra)
    client = pick_client("worker", options, runtime, job.spec)
    # A worker that reads no prompt has no tokenizer to size an answer by, nor an answer to be held to one.
    reads = workers()[job.spec.worker].reads_prompt
    form = _form(client, job, wanted, len(state.get("files") or [])) if reads else TEXT
    given = (*_assets(job), *_files(job))
    present = store.sources(ArtifactRef.model_validate(ref) for ref in state.get("files") or [])
    return job, WorkerJob(
        stage=template,
        spec=job.spec,
        messages=with_blocks(messages, package.blocks, store),
        client=client,
        form=form,
        wanted=tuple(wanted),
        given=tuple(GivenFile(ref, store.place(ref)) for ref in given),
        judge=Judge(job, present, state.get("values") or {}),
        base_path=Path(options.base_path),
    )


def _assets(job: Job) -> list[ArtifactRef]:
    return [asset.ref for asset in job.assets]


def _files(job: Job) -> list[ArtifactRef]:
    """Return the readable files of other modules, under paths that tell whose they are."""
    return [
        ref.model_copy(update={"path": f"{module}/{ref.path}"})
        for module, refs in sorted(job.readable.items())
        for ref in refs
    ]


def _form(client: Client, job: Job, wanted: list[str], present: int) -> AnswerForm:
    """Return the form of a stage's answer: values, or files with the values that are still wanted."""
    if job.kind == "agree":
        return contract_form(client, wanted, job.project.goal)
    count = max(len(job.spec.outputs), present) or USUAL_FILES
    return files_form(client, count, wanted, material=job.project.goal)


def keep_values(asked: Asked) -> dict[str, Any]:
    """Return the update for an answer that is one JSON object of whiteboard values."""
    if asked.complaint:
        return {"values": None, **_unusable(asked.complaint, asked.text)}
    if asked.made is not None:
        return {"values": dict(asked.made.values), "unusable": "", "raw_answer": ""}
    try:
        values = parse_json_object(asked.text)
    except AnswerError as error:
        return {"values": None, **_unusable(error.complaint, asked.text)}
    return {"values": values, **_argument(asked, values, ()), "unusable": "", "raw_answer": ""}


def keep_files(asked: Asked, state: ModuleState) -> dict[str, Any]:
    """Return the update for an answer of files: new ones join those written before.

    Files are checked before the first is stored, so that nothing unsafe or oversized reaches
    the disk.
    """
    text, module = asked.text, asked.job.spec.id
    if asked.complaint:
        return _unusable(asked.complaint, text)
    kept = {ref.path: ref for ref in map(ArtifactRef.model_validate, state.get("files") or [])}
    if asked.made is not None:
        return _keep_made(asked, asked.made, state)
    try:
        blocks, values = parse_files(text), parse_contract(text)
    except AnswerError as error:
        return _unusable(error.complaint, text)
    own, reached = _parted(blocks, module)
    # A mend may consist of the missing values alone, or of a claim.
    if not own and not (kept and (values or reached)):
        return _unusable(_no_files(reached), text)
    faults = _faults(own, list(kept.values()), asked) if own else []
    if faults := faults + (file_complaints(reached) if reached else []):
        return _unusable("\n".join(faults), text)
    for file in own:
        ref = asked.store.put_text(file.path, file.text)
        kept[ref.path] = ref
    update = {
        "files": [kept[path].model_dump() for path in sorted(kept)],
        "values": values or state.get("values"),
        "unusable": "",
        "raw_answer": "",
    }
    if reached:
        held = {ref["path"]: ref for ref in state.get("reached") or []}
        held |= {file.path: asked.store.put_text(file.path, file.text).model_dump() for file in reached}
        update["reached"] = [held[path] for path in sorted(held)]
    return update | _argument(asked, values or {}, [*kept, *(file.path for file in reached)])


def _no_files(reached: Sequence[SourceFile]) -> str:
    if reached:
        return f"The path '../{shorten(reached[0].path)}' is refused: the answer holds no file of your own folder."
    return "The answer holds no file. Answer with each file in a fenced block with path=…."


def _parted(blocks: Sequence[FileBlock], module: str) -> tuple[list[SourceFile], list[SourceFile]]:
    """Return the files of the module's own folder, and those that reach beyond it; see `reached_path`."""
    own, reached = [], []
    for block in blocks:
        if beyond := reached_path(block.path, module):
            reached.append(SourceFile(path=beyond, text=block.text))
        else:
            own.append(SourceFile(path=below_module(block.path, module), text=block.text))
    return own, reached


def _argument(asked: Asked, values: dict[str, Any], paths: Iterable[str]) -> dict[str, str]:
    """Return the update with what was said beside an answer that may claim what is another's; else nothing."""
    foreign = values.keys() - set(asked.job.spec.shared_state_writes)
    if not foreign and not any("/" in path for path in paths):
        return {}
    return {"argument": outside_blocks(asked.text)[:ARGUMENT_KEPT]}


def _keep_made(asked: Asked, made: Made, state: ModuleState) -> dict[str, Any]:
    """Return the update for files that a worker made itself: they replace all that it made before."""
    refs = [asked.store.put(file.path, file.content) for file in made.files]
    values = dict(made.values) or state.get("values")
    return {"files": [ref.model_dump() for ref in refs], "values": values, "unusable": "", "raw_answer": ""}


def _unusable(complaint: str, answer: str) -> dict[str, Any]:
    return {"unusable": complaint, "raw_answer": answer[:RAW_ANSWER_KEPT]}


def _faults(files: list[SourceFile], kept: list[ArtifactRef], asked: Asked) -> list[str]:
    """Return what is wrong with new files, also beside those that stay."""
    new = {file.path for file in files}
    if faults := file_complaints([*files, *asked.store.sources(ref for ref in kept if ref.path not in new)]):
        return faults
    for file in files:
        try:
            # In the deliverable the module's folder comes on top, and paths have a longest length.
            safe_relative_path(f"{asked.job.spec.id}/{file.path}")
        except UnsafePathError as error:
            faults.append(f"The path {file.path[:60]}… is refused: {error.reason}, its module's folder included.")
    return faults
