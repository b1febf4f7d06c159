"""Votes on one chunk: equal answers are grouped, weighed and counted, and the counting ends early.

Weights are the log odds of being right, which are the best ones for voters that err independently
(S. Nitzan and J. Paroush, International Economic Review 23, 1982; B. Grofman, G. Owen and S. Feld,
Theory and Decision 15, 1983), for a question with several possible answers instead of two. The
simpler fitness × confidence is there as well; ``python -m bench --only ensemble`` measures both.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from matrioska.state.ensemble import Chunk, ChunkResult, NodeSpec, NodeVote
from matrioska.state.fitness import Reward

#: Answers that a question is taken to have, one of them right: between yes or no and an open question.
ALTERNATIVES = 3
#: Weight of a node that is worth no more than guessing: an answer counts more than none.
LEAST_WEIGHT = 0.05
#: Calls that a node makes at the least.
CALLS_PER_NODE = 2
# Sums of weights closer than this are equal.
_EQUAL = 1e-9
# Fitness of 0 or 1 would have infinite odds.
_LEAST_FITNESS = 0.01

Groups = Callable[[Sequence[str]], Awaitable[list[list[int]]]]
"""Groups answers that say the same, by their places; every place is in exactly one group."""
Weighing = Callable[[float, float], float]
"""From fitness and confidence to a weight, at least 0 and not falling with confidence."""


def log_odds(fitness: float, confidence: float) -> float:
    """Return the weight ln((n − 1) · f / (1 − f)) · c for n `ALTERNATIVES`, at least `LEAST_WEIGHT` · c.

    A wrong answer is one of n − 1, so that to agree by error is rarer than to be wrong.
    """
    bounded = min(1.0 - _LEAST_FITNESS, max(_LEAST_FITNESS, fitness))
    odds = math.log((ALTERNATIVES - 1) * bounded / (1.0 - bounded))
    return max(LEAST_WEIGHT, odds) * confidence


def linear(fitness: float, confidence: float) -> float:
    """Return the weight f · c."""
    return fitness * confidence


@dataclass
class _Group:
    """Votes for one answer."""

    votes: list[NodeVote] = field(default_factory=list)

    @property
    def weight(self) -> float:
        """The weight behind the answer."""
        # Exact, hence the same in whatever order the votes came.
        return math.fsum(vote.weight for vote in self.votes)


class Ballot:
    """The votes of some nodes on one chunk.

    An answer joins the group of equal answers that was there first, and a group never divides: what
    is decided stays decided, even where meaning is compared and "equal" is not transitive.

    Args:
        chunk: what is asked.
        nodes: those that are asked; among equals the first of them wins.
        fitness: what each node is expected to get right, by its id.
        groups: groups equal answers.
        weigh: weighs a vote; `log_odds` unless said otherwise.
        risk: end the count also when the answer would change with no more than this probability,
            by a bound that takes the nodes for independent; 0 ends it only when it cannot change.
    """

    def __init__(
        self,
        chunk: Chunk,
        nodes: Sequence[NodeSpec],
        *,
        fitness: Mapping[str, float],
        groups: Groups,
        weigh: Weighing = log_odds,
        risk: float = 0.0,
    ) -> None:
        self.chunk = chunk
        self._order = {node.id: place for place, node in enumerate(nodes)}
        self._fitness = {node.id: fitness[node.id] for node in nodes}
        self._alike = groups
        self._weigh = weigh
        self._risk = risk
        self._votes: dict[str, NodeVote] = {}
        self._groups: list[_Group] = []
        self._lock = asyncio.Lock()

    async def add(self, vote: NodeVote) -> None:
        """Count a vote. One without an answer, failed or cancelled, is kept and weighs nothing.

        Raises:
            ValueError: the node was not asked, or has voted.
        """
        async with self._lock:
            if vote.node not in self._order or vote.node in self._votes:
                raise ValueError(f"{vote.node} has no vote on chunk {self.chunk.number}, or has cast it")
            fitness = self._fitness[vote.node]
            counts = _answered(vote)
            weight = self._weigh(fitness, vote.confidence) if counts else 0.0
            weighed = vote.model_copy(update={"fitness": fitness, "weight": weight})
            group = await self._group_of(weighed.answer) if counts else None
            self._votes[vote.node] = weighed
            if group is not None:
                group.votes.append(weighed)

    async def _group_of(self, answer: str) -> _Group:
        """Return the group that an answer belongs to; a new one for an answer that is like none."""
        held = [(group, vote) for group in self._groups for vote in group.votes]
        places = await self._alike([*(vote.answer for _, vote in held), answer])
        alike = next(found for found in places if len(held) in found)
        joined = [held[place][0] for place in alike if place != len(held)]
        if joined:
            # Where answers of several groups are now alike, the heaviest takes the new one.
            return max(joined, key=lambda group: group.weight)
        self._groups.append(_Group())
        return self._groups[-1]

    @property
    def outstanding(self) -> list[str]:
        """Nodes that have not voted."""
        return [node for node in self._order if node not in self._votes]

    @property
    def decided(self) -> bool:
        """Whether the answer cannot change any more, whatever those still out may say."""
        if not self.outstanding:
            return True
        if not self._groups:
            return False
        # At full confidence, and all for the same other answer.
        still = [self._weigh(self._fitness[node], 1.0) for node in self.outstanding]
        ranked = sorted((group.weight for group in self._groups), reverse=True)
        lead = ranked[0] - (ranked[1] if len(ranked) > 1 else 0.0)
        if lead > math.fsum(still) + _EQUAL:
            return True
        return self._risk > 0.0 and lead > _EQUAL and self._chance_of_change(lead, still) <= self._risk

    def _chance_of_change(self, lead: float, still: Sequence[float]) -> float:
        """Return a bound on the probability that those still out change the answer.

        Either the leading answer is wrong, which by the log odds of all groups is as likely as it is;
        or it is right, and so many of those still out err that they overtake it, all of them for one
        other answer (Hoeffding's inequality).
        """
        odds = [math.fsum(log_odds(vote.fitness, vote.confidence) for vote in group.votes) for group in self._groups]
        leader = max(range(len(odds)), key=lambda place: self._groups[place].weight)
        others = max(0, ALTERNATIVES - len(odds))
        wrong = 1.0 - 1.0 / (
            math.fsum(math.exp(each - odds[leader]) for each in odds) + others * math.exp(-odds[leader])
        )
        drift = math.fsum(
            weight * max(0.0, 1.0 - 2.0 * self._fitness[node])
            for node, weight in zip(self.outstanding, still, strict=True)
        )
        room, spread = lead - drift, 2.0 * math.fsum(weight * weight for weight in still)
        overtaken = math.exp(-room * room / spread) if room > 0.0 else 1.0
        return min(1.0, wrong + overtaken)

    def result(self, *, early: bool = False) -> ChunkResult:
        """Return what was decided.

        Args:
            early: those that have not voted, or were cancelled, were spared because it was decided.
        """
        votes = sorted(self._votes.values(), key=lambda vote: self._order[vote.node])
        if not self._groups:
            reasons = "; ".join(f"{vote.node}: {vote.error or 'no answer'}" for vote in votes)
            return ChunkResult(chunk=self.chunk, votes=votes, error=reasons or "no node was asked")
        winner = min(self._groups, key=self._rank)
        total = math.fsum(group.weight for group in self._groups)
        best = min(winner.votes, key=lambda vote: (-vote.weight, self._order[vote.node]))
        return ChunkResult(
            chunk=self.chunk,
            answer=best.answer,
            confidence=winner.weight / total if total > 0.0 else 0.0,
            nodes=sorted((vote.node for vote in winner.votes), key=self._order.__getitem__),
            votes=votes,
            early=early,
            saved_calls=self._saved() if early else 0,
        )

    def _rank(self, group: _Group) -> tuple[float, int, int]:
        """Order groups: the heaviest first, of equals the one with more votes, then with the first node."""
        return -group.weight, -len(group.votes), min(self._order[vote.node] for vote in group.votes)

    def _saved(self) -> int:
        """Return calls never made or cut off, as far as they are certain: a node makes two or more."""
        cancelled = [vote.calls for vote in self._votes.values() if vote.how == "cancelled"]
        return len(self.outstanding) * CALLS_PER_NODE + sum(max(0, CALLS_PER_NODE - calls) for calls in cancelled)

    def rewards(self) -> list[Reward]:
        """Return the evidence that the votes are on their nodes: agreement with the others, and failure.

        Each node is held against what the others would have decided without it, so that no vote
        confirms itself. Fewer than three answers tell nothing, since two that differ both do.
        """
        found: list[Reward] = []
        answered = sum(len(group.votes) for group in self._groups)
        for vote in self._votes.values():
            if vote.how == "cancelled":
                continue
            reward = Reward(node=vote.node, kind=vote.kind, right=0.0, evidence="failure", seconds=vote.seconds)
            if not _answered(vote):
                found.append(reward)
            elif answered >= 3 and (agrees := self._agrees(vote)) is not None:
                found.append(reward.model_copy(update={"right": float(agrees), "evidence": "agreement"}))
        return found

    def _agrees(self, vote: NodeVote) -> bool | None:
        """Whether a vote says what the others decide without it; None when they decide nothing."""
        without = [
            (math.fsum(other.weight for other in group.votes if other.node != vote.node), vote in group.votes)
            for group in self._groups
        ]
        first, *rest = sorted(without, reverse=True)
        lead = first[0] - (rest[0][0] if rest else 0.0)
        return first[1] if lead > _EQUAL else None


def _answered(vote: NodeVote) -> bool:
    return bool(vote.answer.strip()) and vote.how not in ("failed", "cancelled")
