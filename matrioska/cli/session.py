"""One command at work: its database, its signals, and the turns between the run and the person."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig

from matrioska.cli.approve import ask_person
from matrioska.cli.given import thread_not_found
from matrioska.cli.main import INTERRUPTED, leave_now
from matrioska.cli.place import Place
from matrioska.cli.progress import Progress
from matrioska.cli.report import exit_code, show_interrupted, show_result, show_waiting
from matrioska.cli.run_screen import make_run_screen
from matrioska.cli.screen import SilentScreen
from matrioska.cli.signals import Stopped, Stopper
from matrioska.cli.text import line
from matrioska.cli.ui import Ui
from matrioska.reports import RunReport
from matrioska.runs import Runs, open_runs
from matrioska.state.context import RunContext
from matrioska.state.errors import MatrioskaError, ThreadBusyError, UsageError
from matrioska.threads import graph_of

Work = Callable[..., Awaitable[RunReport]]


@dataclass
class Session:
    """Runs that are open, with everything that a command needs around them."""

    ui: Ui
    place: Place
    runs: Runs
    stopper: Stopper
    seconds: float = 0.0
    """Wall time of all drives."""

    async def exists(self, thread: str) -> bool:
        """Whether anything of a thread is saved."""
        return await self.runs.saver.aget_tuple(_config(thread)) is not None

    async def carry(self, thread: str, work: Work) -> int:
        """Drive a run, ask the person where it waits, and so on to its end; show it, return the exit code.

        Args:
            thread: the run.
            work: begins the drive; is given ``on_event`` and ``control``.
        """
        self.ui.details = {"thread_id": thread}
        while True:
            try:
                report = await self._drive(thread, work)
            except Stopped:
                return await self._stopped(thread)
            except (UsageError, ThreadBusyError):
                raise
            except MatrioskaError:
                if await self._saved(thread):
                    self.ui.go_on = [self.place.command("resume", thread)]
                raise
            if report.status == "interrupted" or (self.stopper.requested and report.status != "complete"):
                return await self._stopped(thread)
            if report.status != "waiting" or not self.ui.interactive:
                return self._show(report)
            try:
                with self.stopper.at_prompt():
                    decision = ask_person(self.ui, report)
            except KeyboardInterrupt:
                return await self._stopped(thread)
            if decision is None:
                return self._show(report)
            work = partial(self.runs.resume, thread, decision)

    async def _drive(self, thread: str, work: Work) -> RunReport:
        screen = make_run_screen(self.ui)
        self.stopper.say = screen.say
        began = time.monotonic()
        try:
            with screen:
                before = _Saved(self.runs, thread, screen)

                async def begin() -> RunReport:
                    return await work(on_event=before.on_event, control=self.stopper.control)

                return await self.stopper.drive(begin())
        finally:
            self.seconds += time.monotonic() - began

    async def _saved(self, thread: str) -> bool:
        try:
            return await self.exists(thread)
        except MatrioskaError:
            return False

    def _show(self, report: RunReport) -> int:
        if report.status == "waiting":
            show_waiting(self.ui, self.place.command, report, self.seconds)
        else:
            show_result(self.ui, self.place.command, report, self.seconds)
        return exit_code(report)

    async def _stopped(self, thread: str) -> int:
        report = await self.runs.show(thread) if await self._saved(thread) else None
        show_interrupted(self.ui, self.place.command, thread, report, self.seconds)
        if self.stopper.forced and threading.active_count() > 1:
            self.runs.saver.conn.close()
            leave_now(INTERRUPTED)
        return INTERRUPTED


class _Saved:
    """Puts on the screen what events do not tell: what was done and spent before this drive."""

    def __init__(self, runs: Runs, thread: str, screen: SilentScreen[Progress]) -> None:
        self.runs = runs
        self.thread = thread
        self.screen = screen
        self.first_pass = True

    def on_event(self, event: Mapping[str, Any]) -> None:
        self.screen.on_event(event)
        if event.get("type") != "step":
            return
        found = self.runs.saver.get_tuple(_config(self.thread))
        if found is None:
            return
        progress = self.screen.progress
        progress.saved_usage(found.checkpoint["channel_values"].get("usage") or {})
        if event.get("step") == "execute" and self.first_pass:
            self.first_pass = False
            stages = [str(stage) for stage in event.get("stages") or []]
            for index, outcome in saved_outcomes(self.runs, self.thread, found.checkpoint["id"]).items():
                if index < len(stages):
                    progress.saved_outcome(stages[index], outcome)


def saved_outcomes(runs: Runs, thread: str, checkpoint_id: str) -> dict[int, dict[str, Any]]:
    """Return the outcomes of stages that ended before a pass was cut off, by the stage's place in the order.

    LangGraph keeps the result of a task under a path that ends in the index of its call.
    """
    outcomes: dict[int, dict[str, Any]] = {}
    with runs.saver.cursor(transaction=False) as cursor:
        rows = cursor.execute(
            "SELECT task_path, type, value FROM writes "
            "WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ? AND channel = '__return__'",
            (thread, checkpoint_id),
        ).fetchall()
    for path, kind, value in rows:
        parts = [part for part in str(path).split(", ") if part.isdigit()]
        outcome = runs.saver.serde.loads_typed((kind, value))
        if parts and isinstance(outcome, dict):
            outcomes[int(parts[0])] = outcome
    return outcomes


@asynccontextmanager
async def open_session(ui: Ui, place: Place, context: RunContext | None = None) -> AsyncIterator[Session]:
    """Open the runs of a base path, with signals in hand from before the first file is touched."""
    with Stopper(lambda text: ui.say(text)) as stopper:
        async with open_runs(place.layout.base, context) as runs:
            yield Session(ui, place, runs, stopper)


@asynccontextmanager
async def look(ui: Ui, place: Place, thread: str | None = None, *, questions: bool = False) -> AsyncIterator[Session]:
    """Open runs to look at them: nothing is driven, and nothing created where there are none.

    Raises:
        ThreadNotFoundError: ``thread`` is not there.
        UsageError: it is a question, and ``questions`` are not looked at.
    """
    require_database(place, thread or "")
    async with open_runs(place.layout.base) as runs:
        session = Session(ui, place, runs, Stopper(lambda text: ui.say(text)))
        if thread is not None:
            await require(session, thread, questions=questions)
        yield session


def require_database(place: Place, thread: str) -> None:
    """Check that there are runs at all, before anything would be created.

    Raises:
        ThreadNotFoundError: there are none, so ``thread`` is not among them.
    """
    if not place.layout.database.exists():
        raise thread_not_found(thread, [])


async def require(session: Session, thread: str, *, questions: bool = False) -> None:
    """Check that a thread exists, and is a run unless ``questions`` are taken too.

    Raises:
        ThreadNotFoundError: it does not; names the nearest.
        UsageError: it is a question, which has nothing of what is done with a run.
    """
    if not await session.exists(thread):
        raise thread_not_found(thread, session.runs.saver.thread_ids())
    if not questions and graph_of(session.runs.saver, thread) != "matrioska":
        raise UsageError(
            f"'{line(thread, 64)}' is a question, and this is done with runs.",
            next_step=f"Read its answer: `{session.place.command('show', thread)}`.",
        )


def run_async(body: Callable[[], Awaitable[int]]) -> int:
    """Run a command's coroutine."""

    async def main() -> int:
        return await body()

    return asyncio.run(main())


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
