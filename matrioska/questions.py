"""Questions on one base path: asked of one model, of the cascade or of the ensemble, and gone on with."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.runtime import RunControl
from langgraph.types import StateSnapshot

from matrioska.estimates import of_cascade, of_ensemble, of_single
from matrioska.graph.cascade import build_cascade_graph
from matrioska.graph.ensemble import build_ensemble_graph
from matrioska.graph.guard import GuardedGraph
from matrioska.preflight import check_models
from matrioska.single import Single, answers_questions, any_tree
from matrioska.state.cascade import MAX_QUESTION, CascadeAnswer, MindTree
from matrioska.state.context import RunContext
from matrioska.state.ensemble import EnsembleAnswer, Topology
from matrioska.state.errors import BudgetError, ThreadNotFoundError
from matrioska.state.given import check_words
from matrioska.state.questions import VIAS, Answered, Estimate, Via
from matrioska.store.checkpointer import Checkpointer, open_checkpointer
from matrioska.store.layout import Layout
from matrioska.store.ledger import Ledger
from matrioska.store.settings import load_settings
from matrioska.threads import beginning, begun_with, check_free, config_of, graph_of, new_thread_id
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.ensemble.topology import load_topology

OnEvent = Callable[[dict[str, Any]], None]

#: Under what name each graph is given its question.
_GIVEN = {"cascade": "question", "ensemble": "query"}


@dataclass(frozen=True)
class QuestionReport:
    """Where a question stands."""

    thread_id: str
    via: Via
    question: str
    status: str
    """``complete``, ``partial`` (someone's word is missing), ``waiting`` (its budget is used up) or ``unfinished``."""
    answered: Answered | None
    """None before there is an answer."""
    created_at: str
    """ISO time of the last checkpoint."""


class Questions:
    """The questions of one base path. Open with `open_questions`.

    Args:
        layout: the base path's folders.
        saver: its open database.
        context: what every question asked here chooses; None for settings and defaults.
        topology: the ensemble's nodes; None takes those of the settings.
    """

    def __init__(
        self,
        layout: Layout,
        saver: Checkpointer,
        context: RunContext | None = None,
        topology: Topology | None = None,
    ) -> None:
        self.layout = layout
        self.saver = saver
        self.context = (context or RunContext()).model_copy(update={"base_path": str(layout.base)})
        self.topology = topology
        self._graphs: dict[str, GuardedGraph] = {
            "cascade": build_cascade_graph(saver),
            "ensemble": build_ensemble_graph(saver, topology=topology),
        }

    async def ask(
        self,
        question: str,
        via: Via,
        *,
        thread_id: str | None = None,
        on_event: OnEvent | None = None,
        control: RunControl | None = None,
    ) -> Answered:
        """Ask a question, and return its answer.

        Args:
            question: what is asked, in words.
            via: who answers.
            thread_id: the conversation's id; None for one made from the question.
            on_event: called with each event, as plain JSON.
            control: by which the cascade and the ensemble can be stopped.

        Raises:
            TaskError: the question is empty, binary or too long.
            UsageError: the thread id is malformed or taken, or that way cannot answer.
            TreeError, TopologyError: the settings' tree or topology is faulty.
            ModelError, AnswerError: the single model gave no answer.
            CascadeError, EnsembleError: nobody answered; `resume` asks again.
            BudgetError: its budget is used up before the end.
            GraphDrained: it was stopped by ``control``; `resume` goes on.
        """
        text = check_words(question, "question", MAX_QUESTION)
        thread = thread_id or new_thread_id(text)
        await check_free(self.saver, thread)
        if via == "single":
            return await Single(self.context).ask(text, thread, on_event)
        self._check(via)
        graph = self._graphs[via]
        await graph.aupdate_state(beginning(thread, self.context), {_GIVEN[via]: text}, as_node="__start__")
        return await self._drive(thread, via, self.context, on_event, control)

    async def resume(
        self, thread_id: str, *, on_event: OnEvent | None = None, control: RunControl | None = None
    ) -> Answered:
        """Go on with a question that was cut off; one that was answered is not asked again.

        Raises:
            ThreadNotFoundError: no such question.
            MatrioskaError, GraphDrained: see `ask`.
        """
        via, snapshot = await self._find(thread_id)
        if not snapshot.next:
            return self._answered(thread_id, via, snapshot, 0.0)
        context = begun_with(snapshot, self.context)
        return await self._drive(thread_id, via, context, on_event, control)

    async def show(self, thread_id: str) -> QuestionReport:
        """Return where a question stands.

        Raises:
            ThreadNotFoundError: no such question.
        """
        via, snapshot = await self._find(thread_id)
        ended = bool(snapshot.values.get("answer")) and not snapshot.next
        answered = self._answered(thread_id, via, snapshot, 0.0) if ended else None
        status = "waiting" if snapshot.interrupts else "unfinished"
        if answered is not None:
            status = "partial" if answered.missing else "complete"
        question = str(snapshot.values.get(_GIVEN[via]) or "")
        return QuestionReport(thread_id, via, question, status, answered, snapshot.created_at or "")

    def estimate(self, question: str, via: Via) -> Estimate:
        """Return what a question is expected to cost; see `matrioska.estimates` for how it is reckoned.

        Raises:
            TaskError: the question is empty, binary or too long.
            ConfigError: the settings are faulty, or that way cannot answer.
        """
        text = check_words(question, "question", MAX_QUESTION)
        single = Single(self.context)
        if via == "single":
            return of_single(text, single.name)
        if via == "ensemble":
            return of_ensemble(text, self._topology())
        tree = self._tree()
        votes = any(mind.model == ENSEMBLE for mind in tree.minds)
        return of_cascade(text, tree, single.own, self._topology() if votes else None)

    def ways(self) -> tuple[Via, ...]:
        """Return who can be asked by the settings: one model, and the cascade, once models are named that answer
        questions; the ensemble once its nodes are described.

        Raises:
            ConfigError: the settings are faulty.
        """
        single = Single(self.context)
        can = {
            "single": answers_questions(single.name),
            "cascade": answers_questions(single.own) or all(mind.model for mind in any_tree().minds),
            "ensemble": self.topology is not None or bool(load_settings().ensemble),
        }
        return tuple(via for via in VIAS if can[via])

    # -- helpers ---------------------------------------------------------------------------

    def _tree(self) -> MindTree:
        """Return the settings' tree of minds; see `load_tree` for the errors."""
        return load_tree(Single(self.context).own)

    def _topology(self) -> Topology:
        return self.topology or load_topology()

    def _check(self, via: Via) -> None:
        """Check, before anything is saved, that a graph can answer by the settings, and the models they name."""
        if via == "cascade":
            check_models(self.context, minds=self._tree().minds)
        else:
            self._topology()

    async def _find(self, thread_id: str) -> tuple[Via, StateSnapshot]:
        via = graph_of(self.saver, thread_id)
        if via == "matrioska":
            raise ThreadNotFoundError(thread_id)
        return via, await self._graphs[via].aget_state(config_of(thread_id))

    async def _drive(
        self, thread: str, via: Via, context: RunContext, on_event: OnEvent | None, control: RunControl | None
    ) -> Answered:
        graph, began = self._graphs[via], time.perf_counter()
        config = config_of(thread)
        async for event in graph.astream(None, config, context=context, stream_mode="custom", control=control):
            if on_event is not None:
                on_event(event)
        snapshot = await graph.aget_state(config)
        if snapshot.interrupts:
            raise BudgetError(
                snapshot.interrupts[0].value["action_requests"][0]["description"],
                next_step=f"Go on with larger limits: `matrioska resume {thread} --budget-tokens N`.",
            )
        return self._answered(thread, via, snapshot, time.perf_counter() - began)

    def _answered(self, thread: str, via: Via, snapshot: StateSnapshot, seconds: float) -> Answered:
        """Return the answer of a question that has ended; its cost by the ledger, which knows lost calls too."""
        values = snapshot.values
        read = _of_cascade if via == "cascade" else _of_ensemble
        return read(values).model_copy(
            update={
                "usage": Ledger(self.layout.ledger(thread)).usage,
                "seconds": seconds or values.get("seconds") or (values.get("timings") or {}).get("total", 0.0),
                "thread_id": thread,
            }
        )


def _of_cascade(values: Mapping[str, Any]) -> Answered:
    answer = CascadeAnswer.model_validate({name: values[name] for name in CascadeAnswer.model_fields})
    tree = MindTree.model_validate(values["tree"])
    names = {mind.id: mind.called for mind in tree.minds}
    return Answered(
        via="cascade",
        text=answer.answer,
        missing=[names.get(mind, mind) for mind in answer.missing],
        details=answer.model_dump(mode="json"),
    )


def _of_ensemble(values: Mapping[str, Any]) -> Answered:
    answer = EnsembleAnswer.model_validate({name: values[name] for name in EnsembleAnswer.model_fields})
    return Answered(
        via="ensemble",
        text=answer.answer,
        model=answer.synthesized_by,
        missing=[f"part {number}" for number in answer.missing],
        details=answer.model_dump(mode="json"),
    )


@asynccontextmanager
async def open_questions(
    base_path: str | Path, context: RunContext | None = None, *, topology: Topology | None = None
) -> AsyncIterator[Questions]:
    """Open the questions below a base path, creating its folders; see `Questions` for the arguments.

    Raises:
        StoreError: the base path cannot be written.
        CorruptStoreError: the database is damaged or foreign.
    """
    layout = Layout.at(base_path).prepare()
    saver = open_checkpointer(layout.database)
    try:
        yield Questions(layout, saver, context, topology)
    finally:
        saver.conn.close()
