"""What is saved of threads, read once for as long as nothing changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from matrioska.questions import QuestionReport, Questions
from matrioska.reports import RunReport
from matrioska.runs import Runs
from matrioska.state.errors import ThreadNotFoundError
from matrioska.state.ids import THREAD_ID
from matrioska.store.ledger import Ledger
from matrioska.threads import GraphName, config_of, graph_of
from matrioska.web.runs.plans import Plan

#: Threads whose saved state is kept in memory, each as its latest checkpoint holds it.
MOST_KEPT = 16

#: What tells one saved state of a thread from the next: the checkpoint, and a digest of what was asked and answered
#: since; '' for nothing.
Mark = tuple[str, str]


@dataclass
class SavedRun:
    """A run's latest checkpoint."""

    mark: Mark
    report: RunReport
    plan: Plan | None
    at: float
    """When it was saved, in seconds since 1970."""

    @property
    def question(self) -> dict[str, Any] | None:
        """What the run waits for, with an id that no other question of it has; None while it waits for nothing."""
        first = next(iter(self.report.waiting), None)
        # A step that asks twice asks under the same id of LangGraph's.
        return first and {**first, "id": f"{first['id']}-{self.mark[1]}"}


class Saves:
    """Reads what is saved.

    Args:
        runs: the runs, on a connection of their own: whoever drives one must not wait for a look.
        questions: the questions in the same database.
    """

    def __init__(self, runs: Runs, questions: Questions) -> None:
        self.runs = runs
        self.questions = questions
        self._kept: OrderedDict[str, SavedRun] = OrderedDict()
        self._ledgers: OrderedDict[str, tuple[tuple[int, int], Ledger]] = OrderedDict()

    def graph(self, thread: str) -> GraphName:
        """Return which graph a thread belongs to; see `graph_of` for the errors."""
        return graph_of(self.runs.saver, thread)

    def mark(self, thread: str) -> Mark:
        """Return the mark of a thread's saved state.

        Raises:
            ThreadNotFoundError: nothing is saved under that id.
        """
        if not THREAD_ID.fullmatch(thread):
            raise ThreadNotFoundError(thread)
        with self.runs.saver.cursor(transaction=False) as cursor:
            row = cursor.execute(
                "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = '' "
                "ORDER BY rowid DESC LIMIT 1",
                (thread,),
            ).fetchone()
            if row is None:
                raise ThreadNotFoundError(thread)
            # Stages that ended are written here too; they change neither what is asked nor what comes next. A step
            # that asks again writes over its question before, in the same place.
            asked = cursor.execute(
                "SELECT value FROM writes WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ? "
                "AND channel IN ('__interrupt__', '__resume__', '__error__') ORDER BY task_id, idx",
                (thread, row[0]),
            ).fetchall()
        told = b"".join(value for (value,) in asked)
        return str(row[0]), hashlib.blake2b(told, digest_size=8).hexdigest() if told else ""

    async def run(self, thread: str) -> SavedRun:
        """Return a run's latest checkpoint.

        Raises:
            ThreadNotFoundError: there is no such run.
            StoreError: it cannot be read.
        """
        mark, kept = self.mark(thread), self._kept.get(thread)
        if kept is None or kept.mark != mark:
            report = await self.runs.show(thread)
            kept = SavedRun(mark, report, self._plan(report, kept), seconds_of(report.created_at))
            self._kept[thread] = kept
        self._kept.move_to_end(thread)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept

    async def question(self, thread: str) -> QuestionReport:
        """Return where a question stands.

        Raises:
            ThreadNotFoundError: there is no such question.
        """
        return await self.questions.show(thread)

    async def values(self, thread: str) -> dict[str, Any]:
        """Return the state of a question's graph, as JSON; empty for one that is not there."""
        found = await self.questions.saver.aget_tuple(config_of(thread))
        return dict(found.checkpoint["channel_values"]) if found is not None else {}

    async def ledger(self, thread: str) -> Ledger:
        """Return what a thread has spent, as its ledger says now.

        Raises:
            StoreError: it cannot be read.
        """
        path = self.runs.layout.ledger(thread)
        try:
            found = path.stat()
        except OSError:
            return Ledger(None)
        stamp = (found.st_size, found.st_mtime_ns)
        kept = self._ledgers.get(thread)
        if kept is None or kept[0] != stamp:
            # A line for every call, read from the first one: thousands in a large run.
            kept = self._ledgers[thread] = (stamp, await asyncio.to_thread(Ledger, path))
        self._ledgers.move_to_end(thread)
        while len(self._ledgers) > MOST_KEPT:
            self._ledgers.popitem(last=False)
        return kept[1]

    @staticmethod
    def _plan(report: RunReport, before: SavedRun | None) -> Plan | None:
        raw = report.values.get("architecture")
        if not raw:
            return None
        if before is not None and before.plan is not None and before.plan.raw == raw:
            return before.plan
        return Plan.of(raw)


def seconds_of(iso: str) -> float:
    """Return a time in seconds since 1970; 0 for what is none."""
    try:
        return datetime.fromisoformat(iso).timestamp()
    except ValueError:
        return 0.0
