"""``ask``: a question, answered by the cascade, by the ensemble or by one model; and going on with one."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from langgraph.errors import GraphDrained

from matrioska.cli.answers import exit_code_of, question_json, show_answer, vote_line
from matrioska.cli.given import read_task
from matrioska.cli.main import INTERRUPTED, leave_now
from matrioska.cli.minds import MindsProgress
from matrioska.cli.minds_screen import make_minds_screen
from matrioska.cli.place import Place, find_place
from matrioska.cli.screen import PlainScreen, SilentScreen
from matrioska.cli.session import run_async
from matrioska.cli.signals import AtOnce, Stopped, Stopper
from matrioska.cli.text import duration
from matrioska.cli.ui import Ui, use
from matrioska.i18n import _
from matrioska.questions import Questions, open_questions
from matrioska.state.cascade import MAX_QUESTION
from matrioska.state.context import RunContext
from matrioska.state.errors import MatrioskaError, ThreadBusyError, ThreadNotFoundError, UsageError
from matrioska.state.given import check_words
from matrioska.state.questions import Answered, Via
from matrioska.store.checkpointer import open_checkpointer
from matrioska.store.settings import load_settings
from matrioska.threads import graph_of, new_thread_id
from matrioska.workers.ensemble.topology import load_topology


@dataclass(frozen=True)
class Question:
    """What the options of the command ask for."""

    via: Via | None = None
    thread: str | None = None
    model: str | None = None
    topology: Path | None = None
    votes: bool = False
    base_path: Path | None = None

    def way(self) -> Via:
        """Return who is to answer: as asked, else by what else was asked for, else by the settings.

        Raises:
            UsageError: an option asks for what that way does not do.
            ConfigError: the settings are faulty.
        """
        via = self.via or self._meant()
        of_ensemble = {"--topology": self.topology, "--votes": self.votes}
        foreign = {"--model": self.model} if via == "ensemble" else of_ensemble
        if name := next((name for name, value in foreign.items() if value), None):
            if via == "ensemble":
                raise UsageError(
                    f"{name} goes with --via single or cascade.",
                    next_step="Leave it out, or ask with --via single or cascade.",
                )
            raise UsageError(f"{name} goes with --via ensemble.", next_step="Leave it out, or ask with --via ensemble.")
        return via

    def _meant(self) -> Via:
        if self.topology is not None or self.votes:
            return "ensemble"
        settings = load_settings()
        return "ensemble" if settings.ensemble and not settings.cascade and self.model is None else "cascade"


def ask(given: str, question: Question, *, as_json: bool, quiet: bool) -> int:
    """Answer a question; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    via, place = question.way(), find_place(question.base_path)
    text = check_words(read_task(given), "question", MAX_QUESTION)
    topology = load_topology(question.topology) if via == "ensemble" else None
    thread = question.thread or new_thread_id(text)
    context = RunContext(model=question.model)

    async def body() -> int:
        with stopper_for(ui, via) as stopper:
            async with open_questions(place.layout.base, context, topology=topology) as questions:
                session = AskSession(ui, place, questions, stopper, question.votes)
                return await session.carry(thread, via, partial(questions.ask, text, via, thread_id=thread))

    return run_async(body)


def is_question(place: Place, thread: str) -> bool:
    """Whether a thread is a question, and no run; False as well for one that is not there.

    Raises:
        StoreError: the database cannot be read.
    """
    if not place.layout.database.exists():
        return False
    saver = open_checkpointer(place.layout.database)
    try:
        return graph_of(saver, thread) != "matrioska"
    except ThreadNotFoundError:
        return False
    finally:
        saver.conn.close()


def resume_question(ui: Ui, place: Place, thread: str, context: RunContext) -> int:
    """Go on with a question, or show its answer once more; return the exit code."""

    async def body() -> int:
        with Stopper(lambda text: ui.say(text)) as stopper:
            async with open_questions(place.layout.base, context) as questions:
                report = await questions.show(thread)
                session = AskSession(ui, place, questions, stopper)
                return await session.carry(thread, report.via, partial(questions.resume, thread))

    return run_async(body)


def stopper_for(ui: Ui, via: Via) -> Stopper:
    """Return what a signal does: the cascade and the ensemble end their step, one model has nothing to save."""
    kind = AtOnce if via == "single" else Stopper
    return kind(lambda text: ui.say(text))


@dataclass
class AskSession:
    """A command that waits for one answer."""

    ui: Ui
    place: Place
    questions: Questions
    stopper: Stopper
    votes: bool = False

    async def carry(self, thread: str, via: Via, work: Callable[..., Awaitable[Answered]]) -> int:
        """Drive a question to its answer, and show it; return the exit code.

        Args:
            thread: its thread.
            via: who answers.
            work: begins the drive; is given ``on_event`` and, unless one model answers, ``control``.
        """
        self.ui.details = {"thread_id": thread}
        try:
            answered = await self._drive(via, work)
        except (Stopped, GraphDrained):
            return self._stopped(thread, via)
        except (UsageError, ThreadBusyError):
            raise
        except MatrioskaError:
            if self._is_saved(thread):
                self.ui.go_on = [self.place.command("resume", thread)]
            raise
        if self.ui.json:
            self.ui.emit_json(question_json(answered))
        else:
            if not self.ui.quiet and self.ui.err.is_terminal:
                self.ui.err.print()
            show_answer(self.ui, self.place.command, answered, votes=self.votes)
        return exit_code_of(answered)

    async def _drive(self, via: Via, work: Callable[..., Awaitable[Answered]]) -> Answered:
        screen = _screen(self.ui, via)
        self.stopper.say = screen.say
        control = {} if via == "single" else {"control": self.stopper.control}

        async def begin() -> Answered:
            return await work(on_event=screen.on_event, **control)

        with screen:
            return await self.stopper.drive(begin())

    def _is_saved(self, thread: str) -> bool:
        try:
            graph_of(self.questions.saver, thread)
        except MatrioskaError:
            return False
        return True

    def _stopped(self, thread: str, via: Via) -> int:
        self.ui.stopped_said = True
        go_on = [self.place.command("resume", thread)] if self._is_saved(thread) else []
        if self.ui.json:
            self.ui.emit_json({"thread_id": thread, "via": via, "status": "interrupted", "go_on": go_on})
        if go_on:
            self.ui.say(("💾 ", "yellow"), _("Stopped. What was thought so far is saved. Go on with:"))
            self.ui.suggest(go_on)
        else:
            self.ui.say(_("Stopped."))
        if self.stopper.forced and threading.active_count() > 1:
            self.questions.saver.conn.close()
            leave_now(INTERRUPTED)
        return INTERRUPTED


def votes_line(event: Mapping[str, Any], progress: MindsProgress, now: float) -> str:
    """Return the line of a vote, or of what else an ensemble tells; '' for none."""
    told = vote_line(event)
    return f"[{duration(now - progress.began):>6}] {told}" if told else ""


def _screen(ui: Ui, via: Via) -> SilentScreen[MindsProgress]:
    if via == "cascade":
        return make_minds_screen(ui)
    progress = MindsProgress(time.monotonic())
    if via == "ensemble" and not (ui.quiet or ui.json):
        return PlainScreen(ui, progress, votes_line)
    return SilentScreen(ui, progress)
