"""A node that is asked about a chunk: within its time, with its calls counted, and on record."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field

from matrioska.models.meter import CallRecord, Meter, current_meter, metered
from matrioska.models.recorder import current_recorder, voiced
from matrioska.state.ensemble import Chunk, NodeVote
from matrioska.workers.ensemble.node import Node

#: Who counts votes, in the journal.
ASSEMBLY = "assembly"
#: What the gateway says of a call that was cancelled.
_CUT_OFF = "stopped"


class Assignment(BaseModel):
    """One chunk, and who votes on it."""

    chunk: Chunk
    kind: str
    """Kind of task that it is taken for."""
    nodes: list[str]
    """Ids of the nodes, in the order in which they are asked."""
    fitness: list[float]
    """What each of them is expected to get right."""
    ticket: str = Field(default_factory=lambda: uuid.uuid4().hex)
    """By which a vote that is repeated after a kill is known: what it brings is learnt once."""


class Asked:
    """A node that is asked about a chunk, and what it costs.

    Args:
        node: who is asked.
        assignment: the chunk.
        context: what was decided on the chunks before.
        fitness: what the node is expected to get right.
        seconds: time that it has.
    """

    def __init__(self, node: Node, assignment: Assignment, context: str, fitness: float, seconds: float) -> None:
        self.node = node
        self.assignment = assignment
        self.context = context
        self.fitness = fitness
        self.seconds = seconds
        self._began = time.perf_counter()
        self._begun = 0
        self._ended = 0
        self._message = current_recorder().note(
            "delegation",
            assignment.chunk.text,
            source="router",
            destination=node.spec.id,
            key=f"{assignment.chunk.number}/{node.spec.id}",
            status="open",
            details={"kind": assignment.kind, "fitness": fitness},
        )

    async def vote(self) -> NodeVote:
        """Return the node's vote; a failed one when its time is over."""
        found = self.assignment
        try:
            async with asyncio.timeout(self.seconds) as limit:
                voice = voiced("response", self.node.spec.id, ASSEMBLY, self._message)
                with metered(_Counting(current_meter(), self)), voice:
                    return await self.node.vote(found.chunk, self.context, found.kind, self.fitness)
        except TimeoutError:
            if not limit.expired():
                raise
        return self._nothing("failed", self._begun, f"It gave no answer within {self.seconds:g} s.")

    def cancelled(self) -> NodeVote:
        """Return the vote of a node that was cancelled, since it could change nothing. Calls cut off are saved ones."""
        return self._nothing("cancelled", self._ended)

    def closes(self, vote: NodeVote) -> None:
        """Write down what came of asking."""
        said, failed = current_recorder(), vote.how == "failed"
        said.close(self._message, "failed" if failed else "done")
        said.note(
            "error" if failed else "response" if vote.answer else "status",
            vote.answer or vote.error or "It was not waited for: its vote could not change anything.",
            source=vote.node,
            destination=ASSEMBLY,
            parent=self._message,
            key=f"{vote.chunk}/{vote.node}/vote",
            status="failed" if failed else "done",
            details=vote.model_dump(mode="json", include={"how", "confidence", "weight", "seconds", "calls"}),
        )

    def begins(self) -> None:
        """Take in that a call begins."""
        self._begun += 1

    def ends(self, call: CallRecord) -> None:
        """Take in a call that has ended."""
        self._ended += call.error != _CUT_OFF

    def _nothing(self, how: Literal["failed", "cancelled"], calls: int, error: str = "") -> NodeVote:
        return NodeVote(
            node=self.node.spec.id,
            chunk=self.assignment.chunk.number,
            kind=self.assignment.kind,
            fitness=self.fitness,
            how=how,
            seconds=round(time.perf_counter() - self._began, 6),
            calls=calls,
            error=error,
        )


class _Counting:
    """A meter that counts a node's calls, besides the one in force."""

    def __init__(self, meter: Meter, asked: Asked) -> None:
        self._meter = meter
        self._asked = asked

    def admit(self) -> None:
        """See `Meter.admit`."""
        self._meter.admit()
        self._asked.begins()

    def record(self, call: CallRecord) -> None:
        """See `Meter.record`."""
        self._meter.record(call)
        self._asked.ends(call)


def vote_event(vote: NodeVote) -> dict[str, Any]:
    """Return the event of a vote. What it weighs is the ballot's to say."""
    return {"type": "vote", **vote.model_dump(mode="json", exclude={"answers", "weight"})}
