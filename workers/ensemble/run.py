"""From a query to its answer: divided, voted on by all nodes, joined.

The steps are methods of their own (`plan`, `decide`, `join`), so that a graph can save what each
of them brings; `Ensemble.ask` takes them all in one go.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from matrioska.models.recorder import current_recorder
from matrioska.state.ensemble import (
    MAX_QUERY,
    Chunk,
    ChunkResult,
    EnsembleAnswer,
    NodeVote,
    Timings,
    Topology,
)
from matrioska.state.errors import EnsembleError, EnsembleTimeoutError
from matrioska.state.given import check_words
from matrioska.store.fitness import FitnessBook
from matrioska.store.settings import find_member
from matrioska.workers.ensemble.agreement import Embeds, Meaning, groups
from matrioska.workers.ensemble.asked import ASSEMBLY, Asked, Assignment, vote_event
from matrioska.workers.ensemble.assembly import Ballot
from matrioska.workers.ensemble.decompose import decompose
from matrioska.workers.ensemble.kinds import kind_of
from matrioska.workers.ensemble.learning import believed, learn, priors_of
from matrioska.workers.ensemble.node import Find, Node, as_client, make_node
from matrioska.workers.ensemble.router import assign
from matrioska.workers.ensemble.synthesis import synthesise

#: ``{"type": …}``: ``chunk``, ``asked``, ``vote``, ``decided``, ``synthesis`` or ``done``; plain JSON.
OnEvent = Callable[[dict[str, Any]], None]

#: Seconds beyond all nodes' and the synthesis' time that a query may take, for what is done in between.
_SLACK = 30.0
#: Characters of an earlier answer that a later chunk is shown.
_SHOWN = 20_000
#: Nodes whose failure a message names.
_FAILURES_TOLD = 5


def check_query(query: object) -> str:
    """Return a query's text, cleaned.

    Raises:
        TaskError: not text, empty, binary, or longer than `MAX_QUERY` characters.
    """
    return check_words(query, "query", MAX_QUERY)


def _unheard(event: dict[str, Any]) -> None:
    """Tell nobody."""


class Ensemble:
    """The nodes of a topology, ready to be asked.

    Args:
        topology: who votes.
        find: returns the member of a name, or a client of it; called here for every model, since it may read files.
        fitness: what was learnt of the nodes; None learns for as long as this object lives.
        embedder: compares long answers by meaning; None does so by their words.
        seed: makes the router's choices repeatable; None leaves them to chance.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        find: Find = find_member,
        fitness: FitnessBook | None = None,
        embedder: Embeds | None = None,
        seed: int | None = None,
    ) -> None:
        self.topology = topology
        self._meaning = Meaning(embedder)
        self._nodes: dict[str, Node] = {
            spec.id: make_node(spec, find, meaning=self._meaning, timeout=topology.node_timeout)
            for spec in topology.nodes
        }
        self._synthesizer = as_client(find(topology.synthesizer)) if topology.synthesizer else None
        self._fitness = fitness or FitnessBook(None, priors_of(topology))
        self._chance = random.Random(seed)  # noqa: S311 - exploration, no secret

    async def ask(self, query: str, *, on_event: OnEvent | None = None) -> EnsembleAnswer:
        """Answer a query.

        Args:
            query: what is asked, in words.
            on_event: told what happens, as it happens.

        Raises:
            TaskError: the query is empty, binary or too long.
            EnsembleError: no node answered any part of it.
            EnsembleTimeoutError: nothing came in time.
        """
        text, tell, began = check_query(query), on_event or _unheard, time.perf_counter()
        assignments = await self.plan(text, tell)
        planned, seconds = time.perf_counter(), self.deadline(assignments)
        try:
            async with asyncio.timeout(seconds) as limit:
                results = await self._decide_all(assignments, tell)
                require_an_answer(results, self.topology.node_timeout)
                voted = time.perf_counter()
                answer = await self.join(text, results, tell)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise EnsembleTimeoutError(
                f"The ensemble had not answered after {seconds:g} s.",
                seconds=seconds,
                next_step="Raise node_timeout, or see which model hangs.",
            ) from error
        ended = time.perf_counter()
        answer.timings = Timings(
            decompose=planned - began, nodes=voted - planned, synthesis=ended - voted, total=ended - began
        )
        tell({"type": "done", "answer": answer.model_dump(mode="json")})
        return answer

    def deadline(self, assignments: Sequence[Assignment]) -> float:
        """Return the seconds after which a query is given up: the longest chain of chunks, and the synthesis."""
        depth: dict[int, int] = {}
        for found in assignments:
            depth[found.chunk.number] = 1 + max((depth[number] for number in found.chunk.after), default=0)
        return (max(depth.values(), default=0) + 1) * self.topology.node_timeout + _SLACK

    async def plan(self, query: str, tell: OnEvent = _unheard) -> list[Assignment]:
        """Divide a query, and say who votes on what. Tells a ``chunk`` event for each unit."""
        # A long query takes its time: other queries go on meanwhile.
        chunks = bounded(await asyncio.to_thread(decompose, query), self.topology.max_chunks)
        kinds = {chunk.number: kind_of(chunk.text) for chunk in chunks}
        found = await believed(self._fitness, [spec.id for spec in self.topology.nodes], set(kinds.values()))
        seats = assign(chunks, self.topology.nodes, found, self._chance)
        assignments = [
            Assignment(
                chunk=chunk,
                kind=kinds[chunk.number],
                nodes=[spec.id for spec in seats[chunk.number]],
                fitness=[found[spec.id, kinds[chunk.number]].mean for spec in seats[chunk.number]],
            )
            for chunk in chunks
        ]
        for each in assignments:
            told = {"chunk": each.chunk.number, "text": each.chunk.text, "after": list(each.chunk.after)}
            tell({"type": "chunk", **told, "kind": each.kind, "nodes": each.nodes})
        return assignments

    async def _decide_all(self, assignments: Sequence[Assignment], tell: OnEvent) -> list[ChunkResult]:
        """Decide on every chunk as soon as those before it are decided."""
        tasks: dict[int, asyncio.Task[ChunkResult]] = {}

        async def after(assignment: Assignment, needs: list[asyncio.Task[ChunkResult]]) -> ChunkResult:
            return await self.decide(assignment, await asyncio.gather(*map(asyncio.shield, needs)), tell)

        try:
            for assignment in assignments:
                needs = [tasks[number] for number in assignment.chunk.after]
                tasks[assignment.chunk.number] = asyncio.create_task(after(assignment, needs))
            return list(await asyncio.gather(*tasks.values()))
        finally:
            await ended(tasks.values())

    async def decide(
        self, assignment: Assignment, before: Sequence[ChunkResult] = (), tell: OnEvent = _unheard
    ) -> ChunkResult:
        """Let the nodes vote on one chunk, and end the vote as soon as it cannot change.

        Tells ``asked`` and ``vote`` for each node, and ``decided``. Where no node answers, the
        result has no answer but an error.

        Args:
            assignment: the chunk and its nodes.
            before: what was decided on the chunks that it needs.
            tell: told what happens.

        Raises:
            GraphBubbleUp, BudgetError: the meter in force stops the run.
        """
        ballot = self._ballot(assignment)
        early = await self._count(ballot, assignment, context_of(before), tell)
        result = ballot.result(early=early)
        # What nobody answered is asked again by a resumed query, and that is new evidence.
        await learn(self._fitness, ballot.rewards(), once=assignment.ticket if result.answer else None)
        decided = result.model_dump(mode="json", exclude={"chunk", "votes"})
        number = assignment.chunk.number
        current_recorder().note(
            "status",
            result.answer or result.error,
            source=ASSEMBLY,
            destination="ensemble",
            key=f"{number}/decided",
            status="done" if result.answer else "failed",
            details={name: decided[name] for name in ("confidence", "nodes", "early", "saved_calls")},
        )
        tell({"type": "decided", "chunk": number, **decided})
        return result

    def _ballot(self, assignment: Assignment) -> Ballot:
        fitness = dict(zip(assignment.nodes, assignment.fitness, strict=True))
        specs = [self._nodes[name].spec for name in assignment.nodes]
        return Ballot(assignment.chunk, specs, fitness=fitness, groups=partial(groups, meaning=self._meaning))

    async def _count(self, ballot: Ballot, assignment: Assignment, context: str, tell: OnEvent) -> bool:
        """Ask all nodes at once, and count their votes as they come; return whether the rest was cancelled."""
        asked: dict[asyncio.Task[NodeVote], Asked] = {}
        try:
            for name, fitness in zip(assignment.nodes, assignment.fitness, strict=True):
                one = Asked(self._nodes[name], assignment, context, fitness, self.topology.node_timeout)
                asked[asyncio.create_task(one.vote())] = one
                tell({"type": "asked", "chunk": assignment.chunk.number, "node": name})
            pending = set(asked)
            while pending and not ballot.decided:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                # In the order of asking, so that votes that come together are counted alike each time.
                for task in (one for one in asked if one in done):
                    await _take_in(task.result(), asked[task], ballot, tell)
        finally:
            await ended(asked)
        for task in (one for one in asked if one in pending):
            vote = asked[task].cancelled() if task.cancelled() else task.result()
            await _take_in(vote, asked[task], ballot, tell)
        return bool(pending)

    async def join(self, query: str, results: Sequence[ChunkResult], tell: OnEvent = _unheard) -> EnsembleAnswer:
        """Make one answer of those to all chunks; without the larger model when that takes too long."""
        try:
            async with asyncio.timeout(self.topology.node_timeout) as limit:
                joined = await synthesise(query, results, self._synthesizer)
        except TimeoutError:
            if not limit.expired():
                raise
            joined = await synthesise(query, results, None)
        tell({"type": "synthesis", "by": joined.by})
        return EnsembleAnswer(
            answer=joined.text,
            chunks=list(results),
            votes=[vote for result in results for vote in result.votes],
            timings=Timings(),
            synthesized_by=joined.by,
            missing=[result.chunk.number for result in results if not result.answer],
        )


async def _take_in(vote: NodeVote, asked: Asked, ballot: Ballot, tell: OnEvent) -> None:
    """Count a vote, and let everybody know of it."""
    await ballot.add(vote)
    asked.closes(vote)
    tell(vote_event(vote))


def context_of(before: Sequence[ChunkResult]) -> str:
    """Return what a chunk's nodes are told of the chunks that it needs."""
    return "\n\n".join(
        f"{result.chunk.text}\n{result.answer[:_SHOWN] or '(Nobody could answer this.)'}" for result in before
    )


def bounded(chunks: Sequence[Chunk], most: int) -> list[Chunk]:
    """Return at most so many chunks; what is more stays in the last."""
    kept, rest = list(chunks[:most]), chunks[most:]
    if rest:
        last = kept[-1]
        after = sorted({number for chunk in (last, *rest) for number in chunk.after if number < last.number})
        text = " ".join([last.text, *(chunk.whole for chunk in rest)])
        kept[-1] = last.model_copy(update={"text": text, "after": tuple(after)})
    return kept


def require_an_answer(results: Sequence[ChunkResult], node_timeout: float) -> None:
    """Check that some chunk was answered.

    Raises:
        EnsembleTimeoutError: none was, and no node said anything in its time.
        EnsembleError: none was.
    """
    if any(result.answer for result in results):
        return
    votes = [vote for result in results for vote in result.votes]
    failures = {vote.node: vote.error or "no answer" for vote in votes}
    told = "; ".join(f"{node}: {reason}" for node, reason in list(failures.items())[:_FAILURES_TOLD])
    if votes and all(vote.how == "failed" and vote.seconds >= node_timeout for vote in votes):
        raise EnsembleTimeoutError(
            f"No node answered within {node_timeout:g} s.",
            seconds=node_timeout,
            failures=failures,
            next_step="Raise node_timeout, or see which models hang with `matrioska doctor`.",
        )
    raise EnsembleError(
        f"No node could answer. {told}",
        failures=failures,
        next_step="See whether the models of the topology can be reached with `matrioska doctor`.",
    )


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks that still run, and wait for the end of all."""
    every = list(tasks)
    for task in every:
        task.cancel()
    await asyncio.gather(*every, return_exceptions=True)
