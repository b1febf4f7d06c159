"""Runs on one base path: start, resume, redo, fork, look. The command line and Python use this."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import StateSnapshot

from matrioska.answers import command_for, goes_on_by_itself, with_spec
from matrioska.exports import export_of
from matrioska.graph.build import build_graph
from matrioska.graph.guard import GuardedGraph
from matrioska.nodes.architect import check_task, is_new_task
from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.common import mendable
from matrioska.nodes.context.memory import local_repository
from matrioska.nodes.recording import PERSON
from matrioska.preflight import check_models
from matrioska.reports import CheckpointSummary, RunReport, report_of, summary_of
from matrioska.state.approval import Decision
from matrioska.state.context import RunContext
from matrioska.state.errors import StoreError, ThreadNotFoundError, UsageError
from matrioska.state.ids import THREAD_ID
from matrioska.state.results import Finding, feedback_of
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.assets import take_in_all
from matrioska.store.checkpointer import Checkpointer, open_checkpointer
from matrioska.store.exporters.base import Exported
from matrioska.store.exporters.registry import check_exporter, export_with
from matrioska.store.fork import fork_thread
from matrioska.store.journal import Asked, open_journal
from matrioska.store.layout import Layout
from matrioska.store.repository import Snapshot
from matrioska.store.settings import resolve_options
from matrioska.threads import beginning, begun_with, check_free, config_of, graph_of, new_thread_id

OnEvent = Callable[[dict[str, Any]], None]


class Runs:
    """The runs of one base path. Open with `open_runs`.

    Args:
        layout: the base path's folders.
        saver: its open database.
        context: what every run started here chooses; None for settings and defaults.
    """

    def __init__(self, layout: Layout, saver: Checkpointer, context: RunContext | None = None) -> None:
        self.layout = layout
        self.saver = saver
        self.context = (context or RunContext()).model_copy(update={"base_path": str(layout.base)})
        self.graph: GuardedGraph = build_graph(saver)

    # -- driving ---------------------------------------------------------------------------

    async def start(
        self,
        task: str,
        *,
        thread_id: str | None = None,
        assets: Sequence[str | Path] = (),
        on_event: OnEvent | None = None,
        control: RunControl | None = None,
    ) -> RunReport:
        """Start a run and drive it to its end, or to where it needs a person.

        Args:
            task: what is wanted, in words.
            thread_id: the run's id; None for one made from the task.
            assets: files, and folders of files, that become the project's, for modules to read by reference.
            on_event: called with each progress event.
            control: by which the run can be stopped.

        Raises:
            AssetError: an asset is missing, huge or not what its name says; nothing was started.
            TaskError: the task is empty, binary or too long.
            UsageError: the thread id is malformed or taken.
            ModelError: a model cannot be used.
        """
        text = check_task(task)
        self.check_models()
        thread = thread_id or new_thread_id(text)
        await check_free(self.saver, thread)
        await self._take_in(thread, assets)
        await self.graph.aupdate_state(beginning(thread, self.context), {"task": text}, as_node="__start__")
        return await self._drive(thread, None, on_event, control)

    async def _take_in(self, thread: str, paths: Sequence[str | Path]) -> None:
        """Keep files in the repository of a run's project; see `take_in_all` for the errors."""
        if not paths:
            return
        assets = await asyncio.to_thread(take_in_all, paths, ArtifactStore(self.layout.objects))
        await local_repository(resolve_options(self.context), thread).put_assets(assets)

    async def resume(
        self,
        thread_id: str,
        decision: Decision | Any | None = None,
        *,
        on_event: OnEvent | None = None,
        control: RunControl | None = None,
    ) -> RunReport:
        """Go on with a run: answer what it waits for, finish what was cut off, retry what failed.

        Args:
            thread_id: the run.
            decision: answer to the pending question, in any dialect of `read_decision`, or of
                `read_raise` when a budget is used up; that one is answered by other limits in the
                context as well.

        Raises:
            ThreadNotFoundError: no such run.
            UsageError: a decision was given but nothing is pending.
            PlanError: an edited plan is faulty; the question stays pending.
        """
        snapshot = await self._snapshot(thread_id)
        context = begun_with(snapshot, self.context)
        self.check_models(snapshot.values.get("options"), context)
        pending = snapshot.interrupts
        if pending:
            if decision is None and not goes_on_by_itself(pending, context):
                return report_of(thread_id, snapshot)
            return await self._drive(thread_id, command_for(pending, decision), on_event, control, context)
        if decision is not None:
            raise UsageError(
                f"The run {thread_id!r} is not waiting for an answer.",
                next_step=f"Look at it with `matrioska show {thread_id}`.",
            )
        if not snapshot.next and not await self._requeue(thread_id, snapshot):
            return report_of(thread_id, snapshot)
        return await self._drive(thread_id, None, on_event, control, context)

    async def redo(
        self,
        thread_id: str,
        module: str,
        spec: dict[str, Any] | None = None,
        *,
        on_event: OnEvent | None = None,
        control: RunControl | None = None,
    ) -> RunReport:
        """Run one module again, and of what depends on it only what gets other inputs by that.

        Args:
            thread_id: the run.
            module: id of the module.
            spec: fields of its spec to change; None runs it again as it is.

        Raises:
            ThreadNotFoundError: no such run.
            UsageError: no such module, or the run has not got that far.
            PlanError: the changed plan is faulty; nothing was changed.
        """
        snapshot = await self._snapshot(thread_id)
        plan = report_of(thread_id, snapshot).architecture
        if plan is None or not snapshot.values.get("results"):
            raise UsageError(
                f"The run {thread_id!r} has built nothing yet.", next_step=f"Go on with `matrioska resume {thread_id}`."
            )
        edited = parse_plan(with_spec(plan, module, spec or {}))
        self.check_models(snapshot.values.get("options"))
        update = {"architecture": edited.model_dump(mode="json"), "results": {module: None}}
        await self._send_back(snapshot, update)
        return await self._drive(thread_id, None, on_event, control)

    async def fork(self, thread_id: str, checkpoint_id: str, *, new_thread_id: str | None = None) -> str:
        """Begin a new thread at an older checkpoint; the old thread stays as it is.

        Args:
            thread_id: the run to fork.
            checkpoint_id: the checkpoint, or the unique beginning of its id.

        Returns:
            The id of the new thread. `resume` drives it on.

        Raises:
            ThreadNotFoundError: no such run.
            UsageError: no such checkpoint, or the beginning fits several; the new id is taken.
        """
        new_thread = new_thread_id or f"{thread_id[:57]}-{secrets.token_hex(2)}"
        await check_free(self.saver, new_thread)
        await fork_thread(self.saver, thread_id, checkpoint_id, new_thread)
        await self._record_fork(thread_id, new_thread)
        return new_thread

    async def _record_fork(self, thread_id: str, new_thread: str) -> None:
        """Write down where a new thread came from; what is said in it from now on is a conversation of its own."""
        snapshot = await self._snapshot(new_thread)
        values, checkpoint = snapshot.values, snapshot.config["configurable"]["checkpoint_id"]
        # A task that is yet to be planned gets its turn from the step that plans it.
        unplanned = snapshot.next == ("architect",) and is_new_task(values)
        scope = (await asyncio.to_thread(open_journal, self.layout.base)).scope(
            new_thread,
            "fork",
            graph="matrioska",
            turn=snapshot.tasks[0].id if unplanned else values.get("turn", ""),
            root=Asked(str(values.get("task", "")), PERSON, "matrioska"),
            source=PERSON,
            destination="matrioska",
        )
        async with scope:
            scope.note("control", f"Begun from checkpoint {checkpoint} of the run {thread_id}.", key="fork")

    async def _drive(
        self,
        thread_id: str,
        given: Any,
        on_event: OnEvent | None,
        control: RunControl | None,
        context: RunContext | None = None,
    ) -> RunReport:
        started = time.perf_counter()
        drained = False
        try:
            async for event in self.graph.astream(
                given, config_of(thread_id), context=context or self.context, stream_mode="custom", control=control
            ):
                if on_event is not None:
                    on_event(event)
        except GraphDrained:
            drained = True
        snapshot = await self.graph.aget_state(config_of(thread_id))
        return report_of(thread_id, snapshot, seconds=time.perf_counter() - started, drained=drained)

    async def _requeue(self, thread_id: str, snapshot: StateSnapshot) -> bool:
        """Send an ended run back to where something can still be done; False when nothing can."""
        values = snapshot.values
        if values.get("error") and not values.get("results"):
            await self.graph.aupdate_state(config_of(thread_id), {"task": values["task"]}, as_node="__start__")
            return True
        if values.get("status") in ("partial", "failed"):
            findings = [Finding.model_validate(found) for found in values.get("findings") or []]
            feedback = mendable(feedback_of(findings), values["architecture"])
            await self._send_back(snapshot, {"feedback": feedback})
            return True
        return False

    async def _send_back(self, snapshot: StateSnapshot, update: dict[str, Any]) -> None:
        fresh: dict[str, Any] = {"rounds": 0, "hearings": 0, "reviews": [], "error": None, "findings": []}
        # Who approved the plan, and whether they wrote it, stays on record.
        if (snapshot.values.get("approval") or {}).get("type") != "approve":
            fresh["approval"] = {"type": "approve", "text": ""}
        thread = snapshot.config["configurable"]["thread_id"]
        await self.graph.aupdate_state(config_of(thread), fresh | update, as_node="approval")

    # -- looking ---------------------------------------------------------------------------

    async def show(self, thread_id: str) -> RunReport:
        """Return where a run stands.

        Raises:
            ThreadNotFoundError: no such run.
        """
        return report_of(thread_id, await self._snapshot(thread_id))

    async def threads(self) -> list[RunReport]:
        """Return every run, the one touched last first. One that cannot be read does not hide the others."""
        reports: list[RunReport] = []
        for thread_id in self.saver.thread_ids():
            try:
                reports.append(await self.show(thread_id))
            except ThreadNotFoundError:
                continue
            except StoreError as error:
                reports.append(RunReport(thread_id=thread_id, status="unreadable", values={"task": error.message}))
        return reports

    async def memory(self, thread_id: str, *, ranked: bool = True) -> Snapshot:
        """Return what the context repository holds of a run's project, by this run too.

        Args:
            thread_id: the run.
            ranked: whether it can be searched, for which an embedder may have to be loaded.

        Raises:
            ThreadNotFoundError: no such run.
            StoreError: the repository cannot be read.
            ModelError, ConfigError: the embedder that ranks it cannot be used.
        """
        snapshot = await self._snapshot(thread_id)
        options = resolve_options(begun_with(snapshot, self.context), snapshot.values.get("options"))
        repository = local_repository(options, thread_id)
        return await repository.snapshot("", ranked=ranked)

    async def history(self, thread_id: str) -> list[CheckpointSummary]:
        """Return a run's checkpoints, the newest first.

        Raises:
            ThreadNotFoundError: no such run.
        """
        await self._snapshot(thread_id)
        return [summary_of(snapshot) async for snapshot in self.graph.aget_state_history(config_of(thread_id))]

    async def export(self, thread_id: str, archive: Path) -> Path:
        """Write a run's deliverable as a zip and return its path; see `export_to` for the errors."""
        return (await self.export_to("zip", thread_id, archive)).path

    async def export_to(self, exporter: str, thread_id: str, target: Path) -> Exported:
        """Take a run's deliverable away.

        Args:
            exporter: name of the exporter: ``zip``, ``git``, or one of a plugin.
            thread_id: the run.
            target: file or folder to write.

        Raises:
            ThreadNotFoundError: no such run.
            UsageError: it has no deliverable yet, there is no such exporter, or ``target`` must not be touched.
            StoreError: it cannot be written.
            PluginError: a plugin's exporter failed.
        """
        report = await self.show(thread_id)
        check_exporter(exporter)
        export = export_of(report, ArtifactStore(self.layout.objects))
        return await asyncio.to_thread(export_with, exporter, export, target)

    # -- helpers ---------------------------------------------------------------------------

    def check_models(self, saved: dict[str, Any] | None = None, context: RunContext | None = None) -> None:
        """Check that every model named for a run can be used, before any work; see `preflight.check_models`.

        Args:
            saved: the options that the run began with.
            context: what is asked for now; None for the context of these runs.
        """
        check_models(context or self.context, saved)

    async def _snapshot(self, thread_id: str) -> StateSnapshot:
        if not THREAD_ID.fullmatch(thread_id):
            raise ThreadNotFoundError(thread_id)
        snapshot = await self.graph.aget_state(config_of(thread_id))
        if not snapshot.config["configurable"].get("checkpoint_id"):
            raise ThreadNotFoundError(thread_id)
        # Questions stand in the same database.
        if "task" not in snapshot.values and graph_of(self.saver, thread_id) != "matrioska":
            raise ThreadNotFoundError(thread_id)
        return snapshot


@asynccontextmanager
async def open_runs(base_path: str | Path, context: RunContext | None = None) -> AsyncIterator[Runs]:
    """Open the runs below a base path, creating its folders.

    Raises:
        StoreError: the base path cannot be written.
        CorruptStoreError: the database is damaged or foreign.
    """
    layout = Layout.at(base_path).prepare()
    saver = open_checkpointer(layout.database)
    try:
        yield Runs(layout, saver, context)
    finally:
        saver.conn.close()
