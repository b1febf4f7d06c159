"""remember: what a run has learnt goes into its project's repository, for the runs to come."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

from langgraph.runtime import Runtime

from matrioska.nodes.checks.wording import bounded, shorten
from matrioska.nodes.common import artifact_store, run_options
from matrioska.nodes.context.memory import repository_for, thread_of_run
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.outline import outline
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import settle
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.claims import Review, Settlement
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import MatrioskaError
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.repository import DecisionRecord, Entry, ProjectRecord
from matrioska.state.results import Finding, ModuleResult
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.repository import Repository

#: Name of the remark in the state's ``notes``.
NOTE = "repository"
#: Characters kept of one value, and of one reason.
_MOST_VALUE = 4_000
_MOST_SAID = 1_000


async def remember(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Write what the run has learnt. What cannot be written is a remark for the person: the run is done."""
    emit_step("remember")
    settle("failed" if state.get("status") == "failed" else "done")
    if not state.get("architecture"):
        return {}
    options = await off_loop(run_options, state, runtime)
    try:
        # What was learnt is written without embeddings: who reads it first makes those that it needs.
        plain = options.model_copy(update={"embedder": None})
        await _write(await repository_for(plain, runtime), state, options)
    except MatrioskaError as error:
        return {"notes": {NOTE: f"What this run has learnt was not kept for later runs: {error}"}}
    return {"notes": {NOTE: None}}


async def _write(repository: Repository, state: MatrioskaState, options: RunOptions) -> None:
    plan = Architecture.model_validate(state["architecture"])
    thread, now = thread_of_run(), time.time()
    # In a thread: reading and outlining the files of a large run takes seconds, which other runs have uses for.
    entries = await asyncio.to_thread(_entries, plan, state, artifact_store(options), thread, now)
    await repository.replace_sections(entries)
    await repository.put_terms(plan.glossary, thread)
    await repository.add_decisions(list(_decisions(plan, state, options, thread, now)))
    # Last: where it stands, the rest does too.
    shared = plan.model_dump(include={"name", "goal", "constraints", "guidelines", "timeline", "language"})
    await repository.write_record(ProjectRecord(**shared, thread=thread, at=now))


# -- entries -----------------------------------------------------------------------------------


def _entries(plan: Architecture, state: MatrioskaState, store: ArtifactStore, thread: str, now: float) -> list[Entry]:
    """Return a section for each module that is done, and its elements."""
    found: list[Entry] = []
    for spec in plan.modules:
        raw = (state.get("results") or {}).get(spec.id)
        if raw is None or raw["status"] != "done":
            continue
        shared = {"section": spec.id, "domain": spec.modality, "thread": thread, "at": now}
        found.append(Entry(id=spec.id, level="section", title=spec.title, text=spec.description, **shared))
        result = ModuleResult.model_validate(raw)
        elements = [*_values(spec, result), *_files(spec, result, store)]
        found += [Entry(level="element", **element, **shared) for element in elements]
    return found


def _values(spec: ModuleSpec, result: ModuleResult) -> Iterator[dict[str, Any]]:
    # What a model of sounds or pictures says of them is an analysis; all others agree on values.
    kind = "analysis" if spec.worker == "pipeline" else "value"
    for key, value in result.values.items():
        text = _cut(json.dumps(value, ensure_ascii=False), _MOST_VALUE)
        yield {"id": f"{spec.id}/{kind}/{key}", "kind": kind, "title": key, "text": text}


def _files(spec: ModuleSpec, result: ModuleResult, store: ArtifactStore) -> Iterator[dict[str, Any]]:
    for file in store.sources(result.artifacts):
        yield {"id": f"{spec.id}/file/{file.path}", "kind": "file", "title": file.path, "text": outline(file)}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# -- decisions ---------------------------------------------------------------------------------


def _decisions(
    plan: Architecture, state: MatrioskaState, options: RunOptions, thread: str, now: float
) -> Iterator[DecisionRecord]:
    """Yield who decided what in this run: on the plan, in disputes, and in reviews."""
    for about in (_on_plan(plan, state, options), *_settled(state), *_reviewed(state)):
        yield DecisionRecord(at=now, thread=thread, **about)


def _on_plan(plan: Architecture, state: MatrioskaState, options: RunOptions) -> dict[str, Any]:
    approval = state.get("approval") or {}
    # Runs saved before it was written down who decided go by the options, which a resume may have changed.
    asked = options.approval == "ask" and not options.direct
    who = approval.get("by") or ("person" if asked else "architect")
    size = "1 module" if plan.is_direct else f"{len(plan.modules)} modules"
    verb = "went by" if who == "architect" else "edited" if approval.get("edited") else "approved"
    what = f"{verb} the plan “{shorten(plan.name)}” of {size}"
    return {
        "who": who,
        "what": what,
        "why": _cut(str(approval.get("text", "")), _MOST_SAID),
        "about": [spec.id for spec in plan.modules],
    }


def _settled(state: MatrioskaState) -> Iterator[dict[str, Any]]:
    for raw in (state.get("settlements") or {}).values():
        settled = Settlement.model_validate(raw)
        against = f" against {', '.join(settled.losers)}" if settled.losers else ""
        yield {
            "who": settled.by,
            "what": f"the {settled.kind} {shorten(settled.subject)} is as {settled.winner} has it{against}",
            "why": _cut(settled.why, _MOST_SAID),
            "about": list(dict.fromkeys([settled.subject, settled.owner, settled.winner, *settled.losers])),
        }


def _reviewed(state: MatrioskaState) -> Iterator[dict[str, Any]]:
    for raw in state.get("reviews") or []:
        review = Review.model_validate(raw)
        findings = [Finding.model_validate(found) for found in review.findings]
        said = bounded([shorten(f"{found.module}: {found.message}", 200) for found in findings], 5)
        yield {
            "who": "critic",
            "what": f"review {review.round} found {len(findings) or 'no'} fault{'s' * (len(findings) != 1)}",
            "why": _cut("; ".join(said), _MOST_SAID),
            "about": list(dict.fromkeys(found.module for found in findings if found.module)),
        }
