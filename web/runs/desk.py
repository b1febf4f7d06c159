"""The desk: everything that the monitor and the HTTP API do with runs, on one base path."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from matrioska.models.recorder import current_voice
from matrioska.nodes.architect import check_task
from matrioska.questions import Questions, open_questions
from matrioska.runs import Runs, open_runs
from matrioska.state.approval import read_decision
from matrioska.state.budget import Budget, Spent, read_raise
from matrioska.state.context import RunContext
from matrioska.state.ensemble import Topology
from matrioska.state.errors import ModelError, PlanError, ThreadBusyError, UsageError
from matrioska.store.journal import Journal, open_journal
from matrioska.threads import config_of, new_thread_id
from matrioska.web.errors import RequestError
from matrioska.web.runs.drives import Drives
from matrioska.web.runs.looking import Looking
from matrioska.web.runs.reading import waiting_for
from matrioska.web.runs.saved import SavedRun, Saves
from matrioska.web.shown import shown_reason


class Desk(Looking):
    """What can be seen of, and done with, the runs and questions of one base path. Open with `open_desk`.

    A run that is started here goes on whoever looks, until it ends, waits for a person, or the desk is closed.

    Args:
        runs: drives; its context is what runs started here choose, unless they say otherwise.
        saves: looks, on connections of its own.
        journal: what was said.
        archives: folder for archives that are handed out.
        topology: the ensemble's nodes; None takes those of the settings.

    Attributes:
        drives: the runs that this process drives.
    """

    def __init__(
        self, runs: Runs, saves: Saves, journal: Journal, archives: Path, topology: Topology | None = None
    ) -> None:
        self.drives = Drives(self)
        super().__init__(saves, journal, archives, self.drives.drives, self.drives.error, topology)
        self._runs = runs
        self._loop = asyncio.get_running_loop()

    async def start(
        self,
        task: str,
        *,
        thread: str | None = None,
        approval: Literal["ask", "auto"] = "ask",
        model: str | None = None,
        assets: Sequence[str | Path] = (),
        budget: Budget | None = None,
        wishes: RunContext | None = None,
    ) -> str:
        """Start a run, and return its id once it is at work.

        Args:
            task: what is wanted, in words.
            thread: the run's id; None for one made from the task.
            approval: ``ask`` waits for a person at the plan and at failures, ``auto`` never does.
            model: ``provider:model``, or a member's name; None for that of the desk.
            assets: files, and folders of files, that become the project's. They are read before this comes back.
            budget: the limits at which it pauses and asks; None for those of the desk.
            wishes: what else it chooses; fields that are not set are the desk's.

        Raises:
            TaskError: the task is empty, binary or too long.
            RequestError: the id is taken, the model cannot be used, or too many runs are under way.
            AssetError: an asset is missing, huge or not what its name says.
        """
        text = check_task(task)
        update: dict[str, Any] = {"approval": approval} | ({"model": model} if model else {})
        update |= budget.model_dump(exclude_none=True) if budget is not None else {}
        update |= {name: getattr(wishes, name) for name in wishes.model_fields_set} if wishes is not None else {}
        runs = self._with(self._runs.context.model_copy(update=update))
        await self._check_models(runs)
        name = thread or new_thread_id(text)
        if thread is not None and await self._taken(thread):
            raise RequestError(
                409, "thread_taken", f"There is a thread {thread!r} already.", next_step="Choose another id."
            )
        await self.drives.drive(name, partial(runs.start, text, thread_id=name, assets=assets))
        return name

    async def answer(self, thread: str, decision: Any, question: str | None = None) -> None:
        """Answer what a run waits for, and let it go on.

        Args:
            thread: the run.
            decision: in any dialect of `read_decision`, or of `read_raise` where a budget is used up.
            question: id of the question that was read; None to answer whatever it asks now.

        Raises:
            ThreadNotFoundError: there is no such run.
            RequestError: it waits for nothing, or asks something else by now.
            UsageError: the decision was not understood.
            PlanError: an edited plan is faulty; the question stays.
            ThreadBusyError: it is at work.
        """
        asked = _asked(await self._idle(thread), question)
        given = decision
        if waiting_for(asked) == "budget":
            _check_raise(asked, decision)
        else:
            given = read_decision(decision)
            if given.type == "edit" and (complaints := await self.check_plan(given.plan or {}, thread)):
                raise PlanError(complaints)

        async def work(**driving: Any) -> None:
            # From here on nobody else answers in this process. Somebody may have, a moment ago.
            _asked(await self._saves.run(thread), str(asked["id"]))
            await self._going_on.resume(thread, given, **driving)

        await self.drives.drive(thread, work)

    async def resume(self, thread: str) -> None:
        """Go on with a run or question that was cut off or stopped, or retry what failed.

        Raises:
            ThreadNotFoundError: there is no such thread.
            RequestError: it waits for an answer.
            ThreadBusyError: it is at work.
        """
        if self._saves.graph(thread) != "matrioska":
            questions = Questions(self._runs.layout, self._runs.saver, self._going_on.context)
            await self.drives.drive(thread, partial(questions.resume, thread))
            return
        saved = await self._idle(thread)
        if saved.report.waiting:
            raise RequestError(
                409, "waiting", f"The run {thread!r} waits for an answer.", next_step="Answer what it asks."
            )
        await self.drives.drive(thread, partial(self._going_on.resume, thread))

    async def stop(self, thread: str) -> None:
        """Stop a run at its next step; what was done is saved, and `resume` goes on.

        Raises:
            ThreadNotFoundError: there is no such thread.
            RequestError: this process does not drive it.
        """
        await self.line(thread)
        if not self.drives.halt(thread):
            raise RequestError(
                409, "not_here", f"The run {thread!r} is not driven here.", next_step="Stop it where it was started."
            )

    async def fork(self, thread: str, checkpoint: str) -> str:
        """Begin a new run at an older checkpoint, and return its id; `resume` drives it on.

        Raises:
            ThreadNotFoundError: there is no such run.
            UsageError: there is no such checkpoint, or the beginning of its id fits several.
        """
        await self._saves.run(thread)
        return await self._runs.fork(thread, checkpoint)

    async def redo(self, thread: str, module: str, spec: dict[str, Any] | None = None) -> None:
        """Run one module again, and of what depends on it what gets other inputs by that.

        Args:
            thread: the run.
            module: id of the module.
            spec: fields of its spec to change; None runs it again as it is.

        Raises:
            ThreadNotFoundError: there is no such run.
            UsageError: there is no such module or field, or the run has built nothing yet.
            PlanError: the changed plan is faulty; nothing was changed.
            ThreadBusyError: it is at work.
        """
        await self._idle(thread)
        await self.drives.drive(thread, partial(self._going_on.redo, thread, module, spec))

    def hear(self, thread: str, event: Mapping[str, Any]) -> None:
        """See `Audience`."""
        if (watch := self._watches.find(thread)) is not None:
            watch.hear(event)

    def hear_piece(self, thread: str, piece: str | None) -> None:
        """See `Audience`. Called by whoever asks a model, which may be in another thread."""
        watch = self._watches.find(thread)
        if watch is not None and watch.readers:
            self._loop.call_soon_threadsafe(watch.hear_piece, current_voice().source, piece)

    async def close(self) -> None:
        """Stop what this process drives, and end every reader."""
        self.drives.stop()
        await self.drives.ended()
        await self._watches.close()

    @property
    def _going_on(self) -> Runs:
        """The runs as they are gone on with: by what each began with, since only a model object cannot be saved."""
        context = self._runs.context
        named = context.model is None or isinstance(context.model, str)
        return self._with(context.model_copy(update={"approval": None} | ({"model": None} if named else {})))

    def _with(self, context: RunContext) -> Runs:
        return Runs(self._runs.layout, self._runs.saver, context)

    async def _check_models(self, runs: Runs) -> None:
        try:
            # What a provider needs is imported here for the first time.
            await asyncio.to_thread(runs.check_models)
        except (ModelError, UsageError) as error:
            raise RequestError(
                422, error.code, shown_reason(error.message), next_step=shown_reason(error.next_step)
            ) from error

    async def _taken(self, thread: str) -> bool:
        """Whether a thread of this id is there. A question to a single model has nothing but its conversation."""
        if await self._runs.saver.aget_tuple(config_of(thread)) is not None:
            return True
        head = (await asyncio.to_thread(self._journal.heads, [thread])).get(thread)
        return head is not None and head.graph == "single"

    async def _idle(self, thread: str) -> SavedRun:
        """Return what is saved of a run that nobody works on.

        Raises:
            ThreadNotFoundError: there is no such run.
            ThreadBusyError: somebody works on it.
        """
        saved = await self._saves.run(thread)
        if (await self.line(thread)).status == "working":
            raise ThreadBusyError(thread)
        return saved


def _asked(saved: SavedRun, question: str | None) -> dict[str, Any]:
    """Return what a run asks.

    Raises:
        RequestError: it asks nothing, or not the question of that id.
    """
    thread, asked = saved.report.thread_id, saved.question
    if asked is None:
        raise RequestError(
            409, "not_waiting", f"The run {thread!r} waits for no answer.", next_step="Look at it again."
        )
    if question is not None and question != asked["id"]:
        raise RequestError(
            409,
            "other_question",
            f"The run {thread!r} asks something else by now: that question was answered.",
            next_step="Look at it again, and answer what it asks.",
        )
    return asked


def _check_raise(question: Mapping[str, Any], decision: Any) -> None:
    """Check an answer to a budget that is used up.

    Raises:
        UsageError: it was not understood.
    """
    args = question["action_requests"][0]["args"]
    budget = Budget.model_validate({name: args.get(name) for name in Budget.model_fields})
    read_raise(decision, budget, budget, Spent.model_validate(args["spent"]))


@asynccontextmanager
async def open_desk(
    base_path: str | Path, context: RunContext | None = None, *, topology: Topology | None = None
) -> AsyncIterator[Desk]:
    """Open the desk of a base path, creating its folders; what it drives is stopped at the end.

    Args:
        base_path: where runs and questions are kept.
        context: what runs started here choose, unless they say otherwise.
        topology: the ensemble's nodes; None takes those of the settings.

    Raises:
        StoreError: the base path cannot be written.
        CorruptStoreError: the database is damaged or foreign.
        ConfigError: the settings are faulty.
    """
    journal = await asyncio.to_thread(open_journal, base_path)
    with tempfile.TemporaryDirectory(prefix="matrioska-") as archives:
        async with (
            open_runs(base_path, context) as runs,
            open_runs(base_path) as looks,
            open_questions(base_path, topology=topology) as questions,
        ):
            desk = Desk(runs, Saves(looks, questions), journal, Path(archives), topology)
            try:
                yield desk
            finally:
                await desk.close()
