"""How sure wins, ties and losses can make one. Pure arithmetic.

Each question ends in one of three ways, so the counts are trinomial, and what is asked for is the
preference: the share of wins, a tie counting half. It is (1 + d) / 2, where d is the share of wins
minus that of losses: the difference of two paired proportions. For that difference there is Tango's
score interval, which holds for few questions and many ties, where the usual one (estimate ± 1.96
standard errors) may have no width at all. It is taken with Edwards' correction for continuity: without
it, 92 of 100 intervals hold the truth at 10 questions; with it, 95 or more at any size that we tried
(tests/matrioska/comparison/test_preference.py goes through all studies that can be). It is computed
here because the libraries that have score intervals (statsmodels, scipy) have them for unpaired
proportions only, and are large.

* T. Tango, *Equivalence test and confidence interval for the difference in proportions for the
  paired-sample design*, Statistics in Medicine 17 (1998), 891-908. Compared with others by
  R. Newcombe, *Improved confidence intervals for the difference between binomial proportions based
  on paired data*, ibid. 2635-2650.
* A. Edwards, *Note on the "correction for continuity" in testing the significance of the difference
  between correlated proportions*, Psychometrika 13 (1948), 185-187.
* Whether there is a difference at all is decided by the exact sign test (McNemar's exact test), which
  errs in at most 5 of 100 studies at any size; and the interval must leave out 50 %, which it nearly
  always does then (not at 13 wins of 17, where the one says 4.9 % and the other 5.2 %).
* Several pairs: S. Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian
  Journal of Statistics 6 (1979), 65-70.
* Size of a study: R. Connor, *Sample size for testing differences in proportions for the
  paired-sample design*, Biometrics 43 (1987), 207-211.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

#: Chance of a wrong "better" or "worse" that is taken.
RISK = 0.05
#: Chance with which a study of the size advised shows the difference.
POWER = 0.8
#: Halvings after which a limit is exact to the last digit shown.
_HALVINGS = 60


@dataclass(frozen=True)
class Tally:
    """What came of the questions that were judged, seen from one side."""

    wins: int = 0
    ties: int = 0
    losses: int = 0

    @property
    def judged(self) -> int:
        """Number of questions."""
        return self.wins + self.ties + self.losses

    @property
    def preference(self) -> float:
        """Share of wins, a tie counting half; 0.5 where nothing was judged."""
        return (self.wins + self.ties / 2) / self.judged if self.judged else 0.5


def preference_interval(tally: Tally, level: float = 1 - RISK) -> tuple[float, float]:
    """Return the limits between which the preference lies, with a confidence of ``level``."""
    if not tally.judged:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    mirrored = Tally(tally.losses, tally.ties, tally.wins)
    return (1 - _highest(mirrored, z)) / 2, (1 + _highest(tally, z)) / 2


def _highest(tally: Tally, z: float) -> float:
    """Return the largest difference that the score test at ``z`` does not refuse."""
    low, high = (tally.wins - tally.losses) / tally.judged, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(tally, middle) >= -z else (low, middle)
    return high


def _score(tally: Tally, difference: float) -> float:
    """Return Tango's statistic: how far the counts are from a difference, in standard errors."""
    wins, losses, number = tally.wins, tally.losses, tally.judged
    # The share of losses that is likeliest under that difference solves a x² + b x + c = 0.
    a = 2 * number
    b = (2 * number - wins + losses) * difference - wins - losses
    c = -losses * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = number * (2 * share + difference * (1 - difference))
    distance = wins - losses - number * difference
    # Edwards: counts are whole, and one answer that turns moves wins minus losses by two.
    beyond = max(0.0, abs(distance) - 1)
    if beyond == 0 or variance <= 0:
        return math.copysign(math.inf, distance) if beyond else 0.0
    return math.copysign(beyond / math.sqrt(variance), distance)


def chance(tally: Tally) -> float:
    """Return how likely so uneven a result is when both are equally good: the exact sign test, two-sided."""
    uneven = tally.wins + tally.losses
    tail = sum(math.comb(uneven, few) for few in range(min(tally.wins, tally.losses) + 1))
    return min(1.0, 2 * tail / (1 << uneven))


def holm(chances: Sequence[float]) -> list[float]:
    """Return the chances corrected for their number, so that all of them together err as rarely as one."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    corrected, highest = [1.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = highest
    return corrected


def fewest(pairs: int = 1) -> int:
    """Return the fewest questions of which anything can be shown, by winning all of them."""
    return 1 + math.ceil(math.log2(pairs / RISK))


def questions_needed(tally: Tally, points: float = 10.0, pairs: int = 1) -> int:
    """Return about how many questions show a preference that is ``points`` away from 50 %, in 4 of 5 studies.

    The fewer ties, the more it takes: the share of ties is taken from what was seen so far.
    """
    difference = 2 * points / 100
    # Of nothing seen, half are ties; of few, not all.
    uneven = max(difference, (tally.wins + tally.losses + 1) / (tally.judged + 2))
    sure, found = NormalDist().inv_cdf(1 - RISK / pairs / 2), NormalDist().inv_cdf(POWER)
    size = (sure * math.sqrt(uneven) + found * math.sqrt(uneven - difference**2)) ** 2 / difference**2
    return max(fewest(pairs), math.ceil(size))
