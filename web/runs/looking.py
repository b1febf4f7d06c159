"""Looking at runs and questions, whichever process drives them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from matrioska.nodes.assets import asset_faults
from matrioska.nodes.checks.plan import parse_plan
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.ensemble import Topology
from matrioska.state.errors import PlanError, ThreadNotFoundError
from matrioska.state.ids import slug
from matrioska.state.journal import Message
from matrioska.state.repository import Asset
from matrioska.state.text import clean_text
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.fitness import FitnessBook, FitnessRow
from matrioska.store.journal import Journal
from matrioska.store.settings import load_settings
from matrioska.web.errors import RequestError
from matrioska.web.runs.asked import question_view, single_view
from matrioska.web.runs.details import module_detail
from matrioska.web.runs.listing import Listing
from matrioska.web.runs.locks import held_inodes
from matrioska.web.runs.outcomes import outcome_of
from matrioska.web.runs.reading import files_of, module_view, refs_of, run_view
from matrioska.web.runs.saved import Mark, SavedRun, Saves, seconds_of
from matrioska.web.runs.sharing import Shared
from matrioska.web.runs.views import CheckpointView, Event, ModuleDetail, QuestionView, RunLine, RunView
from matrioska.web.runs.watches import Watch, Watches
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.topology import load_topology

#: Messages of the journal that are handed over at once.
MOST_MESSAGES = 500


class Looking:
    """What can be seen of the runs and questions of one base path.

    Args:
        saves: what is saved.
        journal: what was said.
        archives: folder for archives that are handed out.
        here: whether this process drives a thread.
        error_of: what ended the last drive of a thread here; None when it did not fail.
        topology: the ensemble's nodes; None takes those of the settings.
    """

    def __init__(
        self,
        saves: Saves,
        journal: Journal,
        archives: Path,
        here: Callable[[str], bool],
        error_of: Callable[[str], dict[str, Any] | None],
        topology: Topology | None,
    ) -> None:
        self._saves, self._journal, self._archives, self._topology = saves, journal, archives, topology
        self._layout = saves.runs.layout
        self._here, self._error_of = here, error_of
        self._listing = Listing(saves, journal, here)
        self._watches = Watches(journal, self._mark, here)
        self._shared = Shared(self._run)

    async def runs(self, after: str = "", limit: int = 100) -> list[RunLine]:
        """Return runs and questions, the one touched last first.

        Args:
            after: id of the thread before the first one wanted; '' for the beginning.
            limit: so many at the most.
        """
        return await self._listing.lines(after, limit)

    async def run(self, thread: str) -> RunView:
        """Return a run as a whole; of a question only its line and its words, see `question`.

        All who ask at the same time get the same one: it is read, not changed.

        Raises:
            ThreadNotFoundError: there is no such thread.
            StoreError: it cannot be read.
        """
        return await self._shared.at(thread)

    async def _run(self, thread: str) -> RunView:
        line = await self.line(thread)
        watch = await self._looked(thread)
        if line.graph != "matrioska":
            return RunView(line=line, task=line.title, status=line.status, events=watch.channel.last)
        saved = await self._saves.run(thread)
        ledger = await self._saves.ledger(thread)
        view = run_view(line, saved, watch.board, ledger, time.time(), watch.channel.last)
        return view if view.error else view.model_copy(update={"error": self._error_of(thread)})

    async def line(self, thread: str) -> RunLine:
        """Return a thread as it stands in the list; see `run` for the errors."""
        heads = await asyncio.to_thread(self._journal.heads, [clean_text(thread)])
        if thread not in heads or heads[thread].graph != "single":
            self._saves.mark(thread)
        # The list of locks takes milliseconds; of what is driven here it says nothing new.
        inodes = frozenset[int]() if self._here(thread) else held_inodes()
        return await self._listing.line(thread, heads, inodes)

    async def module(self, thread: str, id: str) -> ModuleDetail:
        """Return one module of a run, opened.

        Raises:
            ThreadNotFoundError: there is no such run.
            RequestError: its plan has no such module.
        """
        line, saved = await self.line(thread), await self._saves.run(thread)
        watch = await self._looked(thread)
        working = line.status == "working"
        view = module_view(saved, watch.board, id, time.time(), working=working)
        if view is None:
            raise _not_found(f"The run has no module {id[:64]!r}.", "Look at the run: its modules are named there.")
        messages = await asyncio.to_thread(self._journal.messages, thread, party=id)
        outcome = await asyncio.to_thread(outcome_of, self._saves.runs, thread, saved, id)
        return module_detail(view, saved, messages, outcome)

    async def question(self, thread: str) -> QuestionView:
        """Return a question to one model, the cascade or the ensemble.

        Raises:
            ThreadNotFoundError: there is no such question.
        """
        line = await self.line(thread)
        watch = await self._looked(thread)
        whole = line.graph == "single"
        messages = await asyncio.to_thread(self._journal.messages, thread, brief=not whole)
        if whole:
            return single_view(line, messages, watch.channel.last)
        report = await self._saves.question(thread)
        values = await self._saves.values(thread)
        return question_view(line, values, report, messages, watch.channel.last)

    async def file(self, thread: str, path: str) -> tuple[bytes, str]:
        """Return the content of one of a run's files, and its media type.

        Args:
            thread: the run.
            path: of the deliverable, or of a module's file below the module's id.

        Raises:
            ThreadNotFoundError: there is no such run.
            RequestError: it has no such file.
            StoreError: the file cannot be read.
        """
        saved = await self._saves.run(thread)
        found = files_of(saved).get(path) or await asyncio.to_thread(self._unjoined, thread, saved, path)
        if found is None:
            raise _not_found("The run has no such file.", "Look at the run: its files are named there.")
        ref, _ = found
        return await asyncio.to_thread(self._store.get, ref), ref.media_type

    def _unjoined(self, thread: str, saved: SavedRun, path: str) -> tuple[ArtifactRef, str] | None:
        """Return a file as its module wrote it, before the parts were joined; None where there is none."""
        module, _, below = path.partition("/")
        if saved.plan is None or module not in saved.plan.specs:
            return None
        outcome = outcome_of(self._saves.runs, thread, saved, module)
        result = (saved.report.values.get("results") or {}).get(module) or {}
        refs = outcome.artifacts if outcome is not None else refs_of(result)
        return next(((ref, module) for ref in refs if ref.path == below), None)

    async def history(self, thread: str) -> list[CheckpointView]:
        """Return a run's checkpoints, the newest first.

        Raises:
            ThreadNotFoundError: there is no such run.
        """
        return [
            CheckpointView(
                id=found.checkpoint_id,
                at=seconds_of(found.created_at),
                step=found.step,
                next=list(found.next),
                done=found.done,
                modules=found.modules,
            )
            for found in await self._saves.runs.history(thread)
        ]

    async def journal(
        self, thread: str, after: int = 0, limit: int = MOST_MESSAGES, *, brief: bool = False
    ) -> list[Message]:
        """Return messages of a thread's conversation, those with a number above ``after``.

        Args:
            thread: its id.
            after: number of the last message known.
            limit: so many at the most.
            brief: without prompts, and of each content only the beginning.

        Raises:
            ThreadNotFoundError: there is no such thread.
        """
        await self.line(thread)
        return await asyncio.to_thread(self._journal.messages, thread, after, most=limit, brief=brief)

    async def check_plan(self, plan: dict[str, Any], thread: str | None = None) -> list[str]:
        """Return every fault of a plan in words; none when it can be carried out.

        Args:
            plan: the plan.
            thread: the run whose assets its modules may read; None to take any asset for one that is there.

        Raises:
            ThreadNotFoundError: there is no such run.
        """
        try:
            parsed = await asyncio.to_thread(parse_plan, plan)
        except PlanError as error:
            return error.complaints
        if thread is None:
            return []
        known = (await self._saves.run(thread)).report.values.get("assets") or {}
        return asset_faults(parsed, {name: Asset.model_validate(raw) for name, raw in known.items()})

    async def archive(self, thread: str, exporter: str = "zip") -> Path:
        """Write a run's deliverable with an exporter, and return the file or folder; it lasts as long as the desk.

        Raises:
            ThreadNotFoundError: there is no such run.
            RequestError: it has no deliverable yet.
            UsageError: there is no such exporter.
        """
        saved = await self._saves.run(thread)
        if not (saved.report.values.get("deliverable") or {}).get("files"):
            raise RequestError(409, "no_deliverable", "The run has no deliverable yet.", next_step="Let it go on.")
        # One name a thread: what was handed out before is written over.
        suffix = ".zip" if exporter == "zip" else f"-{slug(exporter)}"
        exported = await self._saves.runs.export_to(exporter, thread, self._archives / f"{thread}{suffix}")
        return exported.path

    async def events(self, thread: str, after: int = 0) -> AsyncGenerator[Event]:
        """Tell what happens to a thread, whichever process drives it. It ends with the desk.

        Args:
            thread: its id.
            after: id of the last event known; 0 for what happens from now on.

        Raises:
            ThreadNotFoundError: there is no such thread.
        """
        await self.line(thread)
        async with aclosing(self._watches.of(thread).events(after)) as events:
            async for event in events:
                yield event

    async def fitness(self) -> list[FitnessRow]:
        """Return what was learnt of the ensemble's nodes.

        Raises:
            ConfigError: the settings are faulty.
            StoreError: the book cannot be read.
        """
        topology = self._topology or await asyncio.to_thread(_configured)
        priors = priors_of(topology) if topology is not None else None
        return await FitnessBook(self._layout.fitness, priors).table()

    @property
    def _store(self) -> ArtifactStore:
        return ArtifactStore(self._layout.objects)

    def _mark(self, thread: str) -> Mark | None:
        try:
            return self._saves.mark(thread)
        except ThreadNotFoundError:
            return None

    async def _looked(self, thread: str) -> Watch:
        """Return a thread's watch, with all that was said so far taken in."""
        watch = self._watches.of(thread)
        await watch.look()
        return watch


def _configured() -> Topology | None:
    """Return the ensemble's nodes that the settings name; None where they name none."""
    return load_topology() if load_settings().ensemble else None


def _not_found(message: str, next_step: str) -> RequestError:
    return RequestError(404, "not_found", message, next_step=next_step)
