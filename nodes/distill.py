"""distill: from a module's job to its context package, within a budget of tokens.

Declared reads, the goal and the manual go in verbatim. What does not fit is left out from
the least to the most needed, and the record says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.gateway import Client
from matrioska.models.gateway.tokens import estimate
from matrioska.nodes.adapters import adapter_for
from matrioska.nodes.common import artifact_store, pick_client, run_options
from matrioska.nodes.context.join import joined
from matrioska.nodes.context.pieces import ContextPackage, Material, Rank
from matrioska.nodes.jobs import load_job
from matrioska.nodes.leaf import off_loop
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import ConfigError
from matrioska.state.graph_state import ModuleState
from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore

#: Tokens for a package when neither the run nor the model's profile says.
DEFAULT_BUDGET = 24_000
#: Share of a model's context window left to the answer and the instructions.
_ANSWER_SHARE = 0.5


async def distill(state: ModuleState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Build the package and keep it by content."""
    options = run_options(state, runtime)
    store = artifact_store(options)
    job = await off_loop(load_job, store, state["job"])
    client = await off_loop(pick_client, "worker", options, runtime, job.spec)
    # A tokenizer that has to be loaded first would hold up every other module.
    package, record = (
        await off_loop(_fitted, job, store, options, client)
        if client.counts_at_once
        else await asyncio.to_thread(_fitted, job, store, options, client)
    )
    kept = await off_loop(store.keep, package.model_dump_json().encode("utf-8"))
    update: dict[str, Any] = {"package": kept, "record": record}
    if job.kind == "mend":
        # The stage starts from faults found elsewhere, in files written before.
        update |= {
            "files": [file.model_dump() for file in job.files],
            "values": job.promised,
            "complaints": job.complaints,
        }
    return update


def _fitted(
    job: Job, store: ArtifactStore, options: RunOptions, client: Client
) -> tuple[ContextPackage, dict[str, Any]]:
    return build_package(job, store, token_budget(options, client), client.count_tokens)


def token_budget(options: RunOptions, client: Client) -> int:
    """Return the tokens a package may take: the run's word, else half the model's window."""
    if options.token_budget:
        return options.token_budget
    window = client.window
    return int(window * (1 - _ANSWER_SHARE)) if window else DEFAULT_BUDGET


def build_package(
    job: Job, store: ArtifactStore, budget: int, count: Callable[[str], int] = estimate
) -> tuple[ContextPackage, dict[str, Any]]:
    """Fit a job's material into ``budget`` tokens, as ``count`` counts them.

    Raises:
        ConfigError: goal, manual and contract alone exceed the budget; names the largest.
    """
    files = {module: store.sources(refs) for module, refs in job.readable.items()}
    pieces = adapter_for(job.spec.modality).present(Material(job=job, store=store, files=files))
    needed = [piece for piece in pieces if piece.rank <= Rank.READ]
    used = {piece.name: count(piece.text) for piece in needed}
    if sum(used.values()) > budget:
        largest = max(used, key=lambda name: used[name])
        raise ConfigError(
            f"Module {job.spec.id} needs {sum(used.values()):,} tokens of context and {budget:,} are allowed; "
            f"its {largest} alone takes {used[largest]:,}.",
            next_step="Shorten it, raise token_budget, or use a model with a larger window.",
        )
    room, kept, left_out = budget - sum(used.values()), list(needed), dict[str, int]()
    for piece in pieces:
        if piece.rank <= Rank.READ:
            continue
        tokens = count(piece.text)
        if tokens <= room:
            kept.append(piece)
            used[piece.name] = tokens
            room -= tokens
        else:
            left_out[piece.name] = tokens
    record = {"budget": budget, "included": used, "left_out": left_out, "compressed": {}}
    return ContextPackage(sections=joined(kept)), record


def load_package(store: ArtifactStore, digest: str) -> ContextPackage:
    """Return a package kept by `distill`."""
    return ContextPackage.model_validate(json.loads(store.read(digest)))
