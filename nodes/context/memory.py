"""What a run knows of its project from other runs, by way of the context repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from langgraph.config import get_config
from langgraph.runtime import Runtime

from matrioska.nodes.checks.wording import shorten
from matrioska.nodes.leaf import off_loop
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.jobs import Job
from matrioska.state.repository import DecisionRecord, Entry, Term
from matrioska.store.layout import Layout
from matrioska.store.repository import Repository, Snapshot
from matrioska.workers.embedding import embedder_of

#: Entries and decisions that a module is offered at the most; what fits its budget goes in.
MOST_RELATED = 12
MOST_DECISIONS = 5
#: Characters of what the architect is told of earlier runs, and of one line of it.
_MOST_MEMORY = 6_000
_LINE = 300


#: Project of runs that nobody can name: without a checkpointer they have no thread.
_UNSAVED = "unsaved"


def project_of(options: RunOptions, thread: str) -> str:
    """Return the id of a run's project: the one it names, else its own, by the name of its thread.

    So runs do not tint each other unless they are told to, and a later one can still go on from any
    that went before, by that one's name.
    """
    return options.project or thread.lstrip("_-") or _UNSAVED


async def repository_for(options: RunOptions, runtime: Runtime[RunContext]) -> Repository:
    """Return the repository of a run's project: in the platform's store, else in our own below the base path.

    Raises:
        StoreError: it cannot be opened.
        ModelError, ConfigError: its embedder cannot be had.
    """
    if runtime.store is None:
        return await off_loop(local_repository, options, thread_of_run())
    return Repository(runtime.store, project_of(options, thread_of_run()), await off_loop(embedder_of, options))


def local_repository(options: RunOptions, thread: str) -> Repository:
    """Return the repository of a thread's project below its base path; see `repository_for`."""
    # Late: see the text of `matrioska.store.repository`.
    from matrioska.store.repository.backend import shared_store

    store = shared_store(Layout.at(options.base_path).repository)
    return Repository(store, project_of(options, thread), embedder_of(options))


def thread_of_run() -> str:
    """Return the id of the thread at work; '' for a run without a checkpointer, which nobody resumes."""
    return str(get_config().get("configurable", {}).get("thread_id") or "")


async def recall_for(
    job: Job, options: RunOptions, runtime: Runtime[RunContext]
) -> tuple[list[Entry], list[DecisionRecord], str]:
    """Return what the project's other runs left behind that concerns a module.

    Returns:
        Entries, the best first; decisions, the newest first; and the name of the ranking. Nothing for a
        run that names no project: its own entries are not for itself.

    Raises:
        StoreError: the repository cannot be read.
        ModelError, ConfigError: its embedder cannot be used.
    """
    if options.project is None:
        return [], [], ""
    repository = await repository_for(options, runtime)
    snapshot = await repository.snapshot(thread_of_run(), reuse=True)
    if snapshot.is_empty:
        return [], [], snapshot.ranking
    entries = await snapshot.related(_query(job), limit=MOST_RELATED)
    return entries, _concerning(job, snapshot.decisions), snapshot.ranking


def _query(job: Job) -> str:
    spec = job.spec
    return "\n".join(
        (spec.title, spec.description, *spec.inputs, *spec.outputs, *spec.shared_state_reads, *spec.shared_state_writes)
    )


def _concerning(job: Job, decisions: Iterable[DecisionRecord]) -> list[DecisionRecord]:
    spec = job.spec
    names = {spec.id, *spec.shared_state_reads, *spec.shared_state_writes}
    return [decision for decision in decisions if names.intersection(decision.about)][:MOST_DECISIONS]


def project_memory(snapshot: Snapshot) -> str:
    """Return what earlier runs of a project left behind, in words for the architect; '' for nothing.

    Whole lines of at most `_MOST_MEMORY` characters in all: what comes last gives way.
    """
    kept: list[str] = []
    left = _MOST_MEMORY
    for line in _memory_lines(snapshot):
        if len(line) + 1 > left:
            kept.append("…")
            break
        kept.append(line)
        left -= len(line) + 1
    return "\n".join(kept)


def _memory_lines(snapshot: Snapshot) -> Iterator[str]:
    if (record := snapshot.record) is not None:
        yield f"Project: {shorten(record.name, _LINE)}"
        yield f"Goal of its last run: {shorten(record.goal, 4 * _LINE)}"
        yield from _listed("Constraints", record.constraints)
        yield from _listed("Style guidelines", record.guidelines)
        yield from _listed("Timeline", record.timeline)
    sections = sorted((entry for entry in snapshot.entries if entry.level == "section"), key=lambda entry: entry.id)
    yield from _listed(
        "Modules built so far",
        (f"{entry.id} ({entry.domain}): {entry.title}. {entry.text}" for entry in sections),
    )
    yield from _listed("Glossary", map(_told, snapshot.terms))


def _listed(head: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"- {shorten(item, _LINE)}" for item in items]
    if lines:
        yield f"{head}:"
        yield from lines


def _told(term: Term) -> str:
    names = ", ".join(f"{domain}: {name}" for domain, name in sorted(term.domains.items()))
    return f"{term.term}: {term.meaning}" + (f" ({names})" if names else "")
