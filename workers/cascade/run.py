"""From a question to the answer of a tree of minds.

The steps are units of work (`units`, `Cascade.run`, `Cascade.answer`), so that a graph can save
what each of them brings; `Cascade.ask` takes them all in one go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matrioska.models.gateway import Client
from matrioska.models.meter import metered
from matrioska.models.recorder import current_recorder
from matrioska.state.cascade import MAX_QUESTION, CascadeAnswer, MindReply, MindSpec, MindTree, Thought
from matrioska.state.errors import CascadeError
from matrioska.state.given import check_words
from matrioska.store.settings import find_member
from matrioska.workers.cascade.asking import Asking, OnEvent
from matrioska.workers.cascade.plan import Unit, calls_of, closing, units
from matrioska.workers.cascade.position import Position, position_of
from matrioska.workers.cascade.replies import answer_of, reply_of
from matrioska.workers.cascade.steps import STEPS
from matrioska.workers.cascade.thinkers import ENSEMBLE, OneModel, Spending, Thinker, Vote
from matrioska.workers.ensemble.agreement import Embeds
from matrioska.workers.ensemble.node import Find, as_client
from matrioska.workers.ensemble.run import ended
from matrioska.workers.ensemble.topology import load_topology

__all__ = ["Cascade", "OnEvent", "Unit", "calls_of", "check_question", "units"]

#: Reasons that a message tells, and minds that it names for each.
_FAILURES_TOLD, _NAMES_TOLD = 5, 10


def check_question(question: object) -> str:
    """Return a question's text, cleaned.

    Raises:
        TaskError: not text, empty, binary, or longer than `MAX_QUESTION` characters.
    """
    return check_words(question, "question", MAX_QUESTION)


def _unheard(event: dict[str, Any]) -> None:
    """Tell nobody."""


class Cascade:
    """The minds of a tree, ready to be asked. Settings and files are read here; nothing is loaded or asked yet.

    Args:
        tree: all minds.
        default_model: who thinks for minds without a model of their own: a name, or a client.
        find: returns the member of a name, or a client of it.
        base_path: folder below which an ensemble keeps what it learns of its nodes; None keeps nothing.
        embedder: compares what an ensemble's nodes say by meaning; None does so by their words.

    Raises:
        ConfigError: there is no such member, or no ensemble for a mind that is one.
    """

    def __init__(
        self,
        tree: MindTree,
        *,
        default_model: str | Client,
        find: Find = find_member,
        base_path: Path | None = None,
        embedder: Embeds | None = None,
    ) -> None:
        self.tree = tree
        names = {spec.model or default_model for spec in tree.minds}
        thinkers: dict[str | Client, Thinker] = {}
        for name in names:
            if name == ENSEMBLE:
                thinkers[name] = Vote(load_topology(), find, base_path, embedder)
            else:
                thinkers[name] = OneModel(name if isinstance(name, Client) else as_client(find(name)))
        self._thinkers = {spec.id: thinkers[spec.model or default_model] for spec in tree.minds}

    def units(self) -> tuple[Unit, ...]:
        """Return all units, in the one order in which they may be begun."""
        return units(self.tree)

    async def ask(self, question: str, on_event: OnEvent | None = None) -> CascadeAnswer:
        """Answer a question.

        Args:
            question: what is asked, in words.
            on_event: told what happens, as it happens.

        Raises:
            TaskError: the question is empty, binary or too long.
            CascadeError: no mind answered.
        """
        text, tell, began = check_question(question), on_event or _unheard, time.perf_counter()
        answer = self.answer(text, await self.think(text, self.units(), tell))
        answer.seconds = time.perf_counter() - began
        tell({"type": "done", "answer": answer.model_dump(mode="json")})
        return answer

    def thinker(self, mind: str) -> Thinker:
        """Return who thinks for a mind."""
        return self._thinkers[mind]

    async def think(self, question: str, steps: Sequence[Unit], tell: OnEvent = _unheard) -> dict[str, Any]:
        """Do units, each as soon as those that it needs are done; return what came of them, by name.

        Args:
            question: what the person asked, as `check_question` returns it.
            steps: the first so many of `units`.
            tell: told what happens.
        """
        tasks: dict[str, asyncio.Task[dict[str, Any]]] = {}

        async def after(unit: Unit) -> dict[str, Any]:
            needs = await asyncio.gather(*(asyncio.shield(tasks[need]) for need in unit.needs))
            return await self.run(unit, question, dict(zip(unit.needs, needs, strict=True)), tell)

        try:
            for unit in steps:
                tasks[unit.name] = asyncio.create_task(after(unit))
            return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
        finally:
            await ended(tasks.values())

    async def run(
        self, unit: Unit, question: str, done: Mapping[str, Any], on_event: OnEvent | None = None
    ) -> dict[str, Any]:
        """Do one unit, and return a `Thought` as JSON. A mind that fails says so in it.

        Args:
            unit: one of `units`.
            question: what the person asked, as `check_question` returns it.
            done: what came of the units that it needs, by name; others are not looked at.
            on_event: told what happens.

        Raises:
            GraphBubbleUp, BudgetError: the meter in force stops the run.
        """
        tell = on_event or _unheard
        # Of a wide tree this is some hundred small objects: not worth a thread.
        position = position_of(self.tree, unit, question, done)
        thought = await self._taken(unit, position, tell) if position.asked else Thought()
        if unit.closes:
            thought = _closed(position, thought, tell)
        return thought.model_dump(mode="json", exclude_defaults=True)

    async def _taken(self, unit: Unit, position: Position, tell: OnEvent) -> Thought:
        """Take a step, and tell of it if it asks the mind's model."""
        spending, asking = Spending(), Asking(self._thinkers[unit.mind], self.tree.mind_timeout, position, unit, tell)
        with metered(spending):
            thought = await STEPS[unit.step](asking, unit.round)
        thought.usage = spending.usage
        asking.end(thought)
        return thought

    def answer(self, question: str, done: Mapping[str, Any]) -> CascadeAnswer:
        """Return the whole answer; its seconds are the caller's to say.

        Args:
            question: what the person asked.
            done: what came of all units, by name.

        Raises:
            CascadeError: no mind answered.
        """
        replies = [self._reply(spec, done) for spec in self.tree.minds]
        if replies[0].text:
            return answer_of(self.tree, question, replies)
        failures = {reply.mind: reply.error for reply in replies if reply.error}
        raise CascadeError(
            f"No mind could answer. {_by_reason(failures)}",
            failures=failures,
            next_step="See whether the models of the minds can be reached with `matrioska doctor`.",
        )

    def _reply(self, spec: MindSpec, done: Mapping[str, Any]) -> MindReply:
        reply = Thought.model_validate(done[closing(self.tree, spec)]).reply
        return reply if reply is not None else MindReply(mind=spec.id)


def _by_reason(failures: Mapping[str, str]) -> str:
    """Return the first failures in words. Minds that share a model share its reason, which is told once."""
    minds: dict[str, list[str]] = {}
    for mind, why in failures.items():
        minds.setdefault(why, []).append(mind)
    return "; ".join(f"{', '.join(named[:_NAMES_TOLD])}: {why}" for why, named in list(minds.items())[:_FAILURES_TOLD])


def _closed(position: Position, thought: Thought, tell: OnEvent) -> Thought:
    """Return a mind's last thought with its reply, which is told and written down."""
    reply, spec = reply_of(position, thought), position.spec
    tell({"type": "reply", "mind": spec.id, "status": reply.status, "missing": reply.missing})
    if reply.status != "idle":
        recorder, answered = current_recorder(), reply.status == "answered"
        recorder.note(
            "response" if answered else "error",
            reply.text or reply.error,
            source=spec.id,
            destination=position.speaks_to,
            parent=position.delegation,
            key=f"reply {spec.id}",
            details=reply.model_dump(mode="json", include={"missing", "remarks"}),
        )
        if position.delegation:
            recorder.close(position.delegation, "done" if answered else "failed")
    # Its text stands in the reply: checkpoints need not hold it twice.
    return thought.model_copy(update={"text": "", "reply": reply})
