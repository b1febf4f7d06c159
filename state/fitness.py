"""What is known of a node's fitness: evidence counted and forgotten, and the posterior that follows from it.

Fitness is the share of right answers to expect. Each node has, for each kind of task, a Beta
posterior over it; whoever chooses a node draws from that (Thompson sampling), whoever counts its
vote takes the mean. Old evidence is discounted as in V. Raj and S. Kalyani, "Taming Non-stationary
Bandits: A Bayesian Approach", arXiv:1707.09727, with two differences: a node's evidence ages by
its own observations, not with every round, since all nodes are at work all the time and a kind of
task that is rarely asked for should not be forgotten meanwhile; and rewards may be fractions.
docs/fitness.md says more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.ensemble import NodeId

KindName = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
Evidence = Literal["check", "person", "failure", "agreement"]
"""Where a reward comes from.

``check``: contract checks of what the node made. ``person``: a person's thumb. ``failure``: the node
gave no answer. ``agreement``: whether it said what the others decided on, which is weak.
"""

#: Observations that one reward counts for. Agreement is told apart, see `AGREEMENT_WEIGHT`.
STRENGTH: Mapping[Evidence, float] = MappingProxyType({"check": 1.0, "person": 5.0, "failure": 0.5, "agreement": 1.0})
#: What remains of evidence with each further observation: what is remembered comes to 1 ÷ (1 − 0.98) = 50 of them.
DISCOUNT = 0.98
#: Observations that the prior is worth.
PRIOR_STRENGTH = 10.0
#: Observations that one agreement is worth.
AGREEMENT_WEIGHT = 0.1
#: Observations that all agreement together is worth at the most: half of what the prior is.
AGREEMENT_CAP = 5.0
# A prior of 0 or 1 could never be unlearnt.
_LEAST_PRIOR, _MOST_PRIOR = 0.02, 0.98
# No clock tells shorter times well, and their logarithm has no bound.
_LEAST_SECONDS = 1e-3

_Amount = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]


class Reward(BaseModel):
    """One piece of evidence on a node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: NodeId
    kind: KindName
    right: Annotated[float, Field(ge=0.0, le=1.0)]
    """How right the answer was: 1 for right, 0 for wrong."""
    evidence: Evidence = "check"
    seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    """What the answer took; None when it was not timed."""


class Tally(BaseModel):
    """All evidence on a node and a kind of task, discounted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: _Amount = 0.0
    wrong: _Amount = 0.0
    """Both from checks, persons and failures."""
    agreed: _Amount = 0.0
    differed: _Amount = 0.0
    observations: Annotated[int, Field(ge=0, le=10**12)] = 0
    """Rewards of every sort, not discounted."""
    timed: _Amount = 0.0
    """Answers that were timed."""
    log_seconds: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)] = 0.0
    """Sum of the natural logarithms of their seconds."""

    def after(self, reward: Reward) -> Tally:
        """Return the tally with one reward more. What is known ages by that reward's strength.

        Agreement ages agreement only: any amount of it leaves what was checked as it is.
        """
        strength = STRENGTH[reward.evidence]
        keep = DISCOUNT**strength
        right, wrong = strength * reward.right, strength * (1.0 - reward.right)
        changes: dict[str, float] = {"observations": self.observations + 1}
        if reward.evidence == "agreement":
            changes |= {"agreed": keep * self.agreed + right, "differed": keep * self.differed + wrong}
        else:
            changes |= {"right": keep * self.right + right, "wrong": keep * self.wrong + wrong}
        if reward.seconds is not None:
            spent = math.log(max(_LEAST_SECONDS, reward.seconds))
            changes |= {"timed": DISCOUNT * self.timed + 1.0, "log_seconds": DISCOUNT * self.log_seconds + spent}
        return self.model_copy(update=changes)


@dataclass(frozen=True)
class Posterior:
    """What is believed of a node: its share of right answers follows Beta(alpha, beta)."""

    alpha: float
    beta: float
    observations: int = 0
    """Rewards that it rests on."""
    seconds: float | None = None
    """What an answer takes: the median, taking times for log-normal; None before any was timed."""

    @property
    def mean(self) -> float:
        """The expected share of right answers."""
        return self.alpha / (self.alpha + self.beta)

    def draw(self, rng: random.Random) -> float:
        """Return a share of right answers as likely as the posterior makes it."""
        return rng.betavariate(self.alpha, self.beta)

    def interval(self, mass: float = 0.9) -> tuple[float, float]:
        """Return the central interval that holds the share of right answers with a probability of ``mass``."""
        tail = (1.0 - mass) / 2.0
        return _quantile(tail, self.alpha, self.beta), _quantile(1.0 - tail, self.alpha, self.beta)


def posterior(prior: float, own: Tally, others: Iterable[Tally] = ()) -> Posterior:
    """Return what to believe of a node at one kind of task.

    The node's other kinds, with ``prior``, make the prior of this one: it has their mean and always
    the same strength, so that a new kind starts from what the node is worth overall and soon goes
    its own way. A kind's own evidence is not among that, hence counted once.

    Args:
        prior: share of right answers expected before anything is known.
        own: evidence on this kind.
        others: evidence on the node's other kinds.
    """
    rest = list(others)
    mean = overall(prior, rest).mean
    right, wrong = _observed([own])
    return Posterior(
        alpha=mean * PRIOR_STRENGTH + right,
        beta=(1.0 - mean) * PRIOR_STRENGTH + wrong,
        observations=own.observations,
        seconds=_median([own] if own.timed else rest),
    )


def overall(prior: float, tallies: Iterable[Tally]) -> Posterior:
    """Return what to believe of a node whatever it is asked."""
    every = list(tallies)
    mean = min(_MOST_PRIOR, max(_LEAST_PRIOR, prior))
    right, wrong = _observed(every)
    return Posterior(
        alpha=mean * PRIOR_STRENGTH + right,
        beta=(1.0 - mean) * PRIOR_STRENGTH + wrong,
        observations=sum(tally.observations for tally in every),
        seconds=_median(every),
    )


def _observed(tallies: Sequence[Tally]) -> tuple[float, float]:
    """Return observations for right and for wrong, with agreement damped and bounded."""
    agreed, differed = sum(tally.agreed for tally in tallies), sum(tally.differed for tally in tallies)
    total = agreed + differed
    damped = min(AGREEMENT_WEIGHT, AGREEMENT_CAP / total) if total > 0 else 0.0
    right, wrong = sum(tally.right for tally in tallies), sum(tally.wrong for tally in tallies)
    return right + damped * agreed, wrong + damped * differed


def _median(tallies: Sequence[Tally]) -> float | None:
    timed = sum(tally.timed for tally in tallies)
    return math.exp(sum(tally.log_seconds for tally in tallies) / timed) if timed > 0 else None


def _quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of Beta(a, b), to within 1e-9, by bisection."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2.0
        if _cumulative(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _cumulative(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for 0 < x < 1.

    By its continued fraction, on the side where that converges fast (dlmf.nist.gov/8.17#v).
    """
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _cumulative(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + …)) of DLMF 8.17.22, from the far end."""
    terms = 50 + int(5.0 * math.sqrt(max(a, b)))
    value = 1.0
    for n in range(terms, 0, -1):
        m = n // 2
        if n % 2:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1.0 + factor / value
    return value
