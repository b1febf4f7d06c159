"""distill: from a module's job to its context package, within a budget of tokens.

What fits goes in word for word, and no model is asked. Otherwise the pieces share the budget by how
much they are needed (`fit`), and those larger than their share are condensed by the boss (`condense`).
The record says what became of each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.gateway import Client
from matrioska.models.recorder import voiced
from matrioska.nodes.adapters import adapter_for
from matrioska.nodes.blocks import modalities_of
from matrioska.nodes.common import artifact_store, pick_boss, pick_client, run_options
from matrioska.nodes.context.condense import Condenser, Memory, Tools
from matrioska.nodes.context.draft import drafted
from matrioska.nodes.context.memory import recall_for, repository_for
from matrioska.nodes.context.pieces import ContextPackage, Material, Piece
from matrioska.nodes.jobs import load_job
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.recording import BOSS
from matrioska.state.architecture import MODALITIES, ModuleSpec
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import ModelError, StoreError
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.state.repository import DecisionRecord, Entry
from matrioska.state.results import Usage
from matrioska.store.artifacts import ArtifactStore
from matrioska.workers.plugins import workers

#: Tokens for a package when neither the run nor the model's profile says.
DEFAULT_BUDGET = 24_000
#: Share of a model's context window left to the answer and the instructions.
_ANSWER_SHARE = 0.5
#: Kinds of work whose material is drawn or listened to, which takes a moment; plugins may do anything.
_PLAIN = frozenset(MODALITIES) - {"vision", "audio"}
#: Characters that are not sifted while others wait.
_MUCH_TEXT = 300_000


async def distill(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Build the package and keep it by content."""
    options = run_options(state, runtime)
    store = artifact_store(options)
    job = await off_loop(load_job, store, state["job"])
    spent = Usage()
    if _reads_prompt(job.spec):
        with voiced("expansion", BOSS, job.spec.id):
            package, record, spent = await build_package(job, store, options, runtime)
    else:
        package, record = ContextPackage(sections=[]), {"given": _given(job)}
    kept = await off_loop(store.keep, package.model_dump_json().encode("utf-8"))
    update: dict[str, Any] = {"package": kept, "record": record}
    if spent.calls:
        update["usage"] = spent.model_dump()
    if job.kind == "mend":
        # The stage starts from faults found elsewhere, in files written before.
        update |= {
            "files": [file.model_dump() for file in job.files],
            "values": job.promised,
            "complaints": job.complaints,
        }
    return update


def _reads_prompt(spec: ModuleSpec) -> bool:
    """Whether the module's worker goes by its prompt; one that is not installed is complained of later."""
    worker = workers().get(spec.worker)
    return worker is None or worker.reads_prompt


def _given(job: Job) -> list[str]:
    """Return the names of the files that a worker is given to read itself."""
    others = [f"{module}/{ref.path}" for module, refs in sorted(job.readable.items()) for ref in refs]
    return [*(asset.ref.path for asset in job.assets), *others]


def token_budget(options: RunOptions, client: Client) -> int:
    """Return the tokens a package may take: the run's word, else half the model's window."""
    if options.token_budget:
        return options.token_budget
    window = client.window
    return int(window * (1 - _ANSWER_SHARE)) if window else DEFAULT_BUDGET


async def build_package(
    job: Job, store: ArtifactStore, options: RunOptions, runtime: Runtime[RunContext]
) -> tuple[ContextPackage, dict[str, Any], Usage]:
    """Return the package of a job, its record, and what the boss cost.

    Raises:
        ConfigError: what may not be left out exceeds the budget; names the largest.
        ModelError: the module's model cannot be made.
        StoreError: the job's files or the repository cannot be read.
        GraphBubbleUp: the run's budget was used up.
    """
    client = await off_loop(pick_client, "worker", options, runtime, job.spec)
    entries, decisions, ranking = await recall_for(job, options, runtime)
    # Drawing would hold up every other module; so would much text, and a tokenizer that has to be loaded first.
    present = off_loop if job.spec.modality in _PLAIN and not job.assets else asyncio.to_thread
    modalities = await (off_loop if client.counts_at_once else asyncio.to_thread)(modalities_of, client)
    pieces = await present(pieces_of, job, store, modalities, entries, decisions)
    run = (
        off_loop
        if client.counts_at_once and sum(len(piece.text) for piece in pieces) <= _MUCH_TEXT
        else asyncio.to_thread
    )
    budget, window = await run(_room, options, client)
    draft = await run(drafted, job, pieces, budget, client.count_tokens)
    spent = Usage()
    if draft.too_large:
        boss, why_none = await off_loop(_boss, options, runtime)
        if boss is not None and not boss.counts_at_once:
            run = asyncio.to_thread
        memory = await _memory(options, runtime) if boss is not None else None
        condenser = Condenser(Tools(job.spec, client.count_tokens, run, boss, why_none, memory))
        await draft.condense(condenser)
        spent = condenser.spent
    package, record = await run(draft.finished)
    about = {"window": window, "adapter": job.spec.modality, "ranking": ranking}
    return package, {**record, **about, "boss": spent.model_dump() if spent.calls else {}}, spent


def _room(options: RunOptions, client: Client) -> tuple[int, int | None]:
    """Return the budget of a package, and the model's window."""
    return token_budget(options, client), client.window


def pieces_of(
    job: Job,
    store: ArtifactStore,
    modalities: frozenset[str] = frozenset(),
    related: Sequence[Entry] = (),
    decisions: Sequence[DecisionRecord] = (),
) -> list[Piece]:
    """Return all that there is to tell a module, as its kind of work takes it.

    Raises:
        StoreError: a file cannot be read.
    """
    files = {module: store.sources(refs) for module, refs in job.readable.items()}
    material = Material(job, store, modalities, files, related, decisions)
    return adapter_for(job.spec.modality).present(material)


async def _memory(options: RunOptions, runtime: Runtime[RunContext]) -> Memory | None:
    """Return where condensed texts are kept; None when it cannot be opened: then they are paid for again."""
    try:
        return await repository_for(options, runtime)
    except StoreError:
        return None


def _boss(options: RunOptions, runtime: Runtime[RunContext]) -> tuple[Client | None, str]:
    """Return the boss, or None and why there is none."""
    try:
        boss = pick_boss(options, runtime)
    except ModelError as error:
        return None, str(error)
    return boss, "" if boss is not None else "no model has the role of boss"


def load_package(store: ArtifactStore, digest: str) -> ContextPackage:
    """Return a package kept by `distill`."""
    return ContextPackage.model_validate(json.loads(store.read(digest)))
