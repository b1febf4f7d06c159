"""The arithmetic: limits that keep their level, and verdicts that are rarely wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, multinomial

from matrioska.comparison.preference import Tally, chance, fewest, holm, preference_interval, questions_needed
from matrioska.comparison.summary import in_words, verdict_of
from tests.matrioska.comparison.worlds import drawn

COUNTS = st.builds(Tally, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
SOME = COUNTS.filter(lambda tally: tally.judged > 0)
#: Wins and ties of the ways seen first: better, equal, worse; without ties, with some, with many.
WORLDS = [(0.7, 0.0), (0.5, 0.0), (0.3, 0.0), (0.6, 0.2), (0.4, 0.2), (0.2, 0.2), (0.25, 0.6), (0.2, 0.6), (0.1, 0.6)]


def _every(number: int) -> Iterator[Tally]:
    for wins in range(number + 1):
        for ties in range(number + 1 - wins):
            yield Tally(wins, ties, number - wins - ties)


def _likely(tally: Tally, wins: float, ties: float) -> float:
    return float(multinomial.pmf((tally.wins, tally.ties, tally.losses), tally.judged, (wins, ties, 1 - wins - ties)))


@settings(deadline=None)
@given(SOME)
def test_the_interval_holds_what_was_seen(tally: Tally) -> None:
    low, high = preference_interval(tally)
    assert 0 <= low <= tally.preference <= high <= 1
    assert low < high


@settings(deadline=None)
@given(SOME)
def test_both_sides_see_the_same(tally: Tally) -> None:
    low, high = preference_interval(tally)
    other = preference_interval(Tally(tally.losses, tally.ties, tally.wins))
    assert other == pytest.approx((1 - high, 1 - low), abs=1e-9)


@settings(deadline=None)
@given(SOME)
def test_more_questions_of_the_same_kind_make_it_narrower(tally: Tally) -> None:
    low, high = preference_interval(tally)
    more = preference_interval(Tally(4 * tally.wins, 4 * tally.ties, 4 * tally.losses))
    assert more[1] - more[0] < high - low


@settings(deadline=None)
@given(SOME)
def test_its_limits_are_where_the_score_test_refuses(tally: Tally) -> None:
    """Held against the likeliest shares under the limit, found by a search instead of the formula."""
    for limit in preference_interval(tally):
        difference = 2 * limit - 1
        if not -0.999 < difference < 0.999:
            continue

        def unlikely(losses: float, difference: float = difference) -> float:
            shares = (losses + difference, 1 - 2 * losses - difference, losses)
            counts = (tally.wins, tally.ties, tally.losses)
            return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True))

        least, most = max(0.0, -difference), (1 - difference) / 2
        losses = minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
        variance = tally.judged * (2 * losses + difference - difference**2)
        score = (abs(tally.wins - tally.losses - tally.judged * difference) - 1) / math.sqrt(variance)
        assert score == pytest.approx(1.959964, rel=2e-3)


@settings(deadline=None)
@given(COUNTS)
def test_the_sign_test_is_the_exact_binomial_one(tally: Tally) -> None:
    uneven = tally.wins + tally.losses
    expected = binomtest(tally.wins, uneven).pvalue if uneven else 1.0
    assert chance(tally) == pytest.approx(expected)


@pytest.mark.parametrize("number", [1, 5, 6, 10, 30, 100])
def test_a_verdict_needs_both_the_test_and_the_interval(number: int) -> None:
    apart = 0
    for tally in _every(number):
        low, high = preference_interval(tally)
        tested, left_out = chance(tally) <= 0.05, not low <= 0.5 <= high
        assert (verdict_of(tally, chance(tally)) != "open") == (tested and left_out), tally
        apart += tested != left_out
    # The two hardly ever differ, so that a person seldom sees an interval that contradicts the words.
    assert apart <= 0.01 * sum(1 for _ in _every(number))


def test_very_many_questions_are_no_trouble() -> None:
    tally = Tally(1_050, 100, 850)
    assert chance(tally) < 1e-4
    assert preference_interval(tally)[0] > 0.52


def test_nothing_judged_says_nothing() -> None:
    assert preference_interval(Tally()) == (0.0, 1.0)
    assert (Tally().preference, chance(Tally())) == (0.5, 1.0)


def test_holm_corrects_for_the_number_of_pairs() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@pytest.mark.parametrize("pairs", [1, 3])
def test_the_fewest_questions_are_the_fewest(pairs: int) -> None:
    number = fewest(pairs)
    assert pairs * chance(Tally(wins=number)) <= 0.05 < pairs * chance(Tally(wins=number - 1))


@pytest.mark.parametrize(("wins", "ties"), [(0.6, 0.0), (0.45, 0.3)])
def test_a_study_of_the_size_advised_shows_the_difference_in_four_of_five(wins: float, ties: float) -> None:
    seen = Tally(round(1000 * wins), round(1000 * ties), round(1000 * (1 - wins - ties)))
    number = questions_needed(seen)
    found = sum(
        verdict_of(tally := Tally(*drawn(seed, number, wins, ties)), chance(tally)) == "better" for seed in range(400)
    )
    assert 0.72 <= found / 400 <= 0.9


@pytest.mark.parametrize("number", [10, 30, 100])
@pytest.mark.parametrize(("wins", "ties"), WORLDS)
def test_of_100_studies_90_intervals_hold_the_truth_and_few_verdicts_are_wrong(
    wins: float, ties: float, number: int
) -> None:
    truth = wins + ties / 2
    holds = wrong = 0
    for seed in range(100):
        tally = Tally(*drawn(seed, number, wins, ties))
        low, high = preference_interval(tally)
        holds += low <= truth <= high
        right = "open" if truth == 0.5 else "better" if truth > 0.5 else "worse"
        wrong += verdict_of(tally, chance(tally)) not in ("open", right)
    assert holds >= 90
    assert wrong <= 5


@pytest.mark.parametrize("number", [10, 30])
@pytest.mark.parametrize(("wins", "ties"), WORLDS)
def test_over_all_studies_that_can_be_the_interval_keeps_its_level(wins: float, ties: float, number: int) -> None:
    truth, covered, wrong = wins + ties / 2, 0.0, 0.0
    for tally in _every(number):
        likely = _likely(tally, wins, ties)
        low, high = preference_interval(tally)
        covered += likely * (low <= truth <= high)
        right = "open" if abs(truth - 0.5) < 1e-9 else "better" if truth > 0.5 else "worse"
        wrong += likely * (verdict_of(tally, chance(tally)) not in ("open", right))
    assert covered >= 0.95
    assert wrong <= 0.05


@pytest.mark.parametrize(
    ("tally", "pairs", "says"),
    [
        (Tally(27, 1, 2), 1, "The single model is better than the cascade (preferred in 92% of 30 questions"),
        (Tally(2, 1, 27), 1, "The single model is worse than the cascade"),
        (Tally(16, 0, 14), 1, "No difference between the single model and the cascade could be shown (n = 30; to see"),
        (Tally(1, 0, 0), 1, "One question tells nothing"),
        (Tally(), 1, "there is no verdict"),
        (Tally(5, 0, 0), 1, "5 questions are too few, whoever wins them; 6 are the least"),
        (Tally(6, 0, 0), 3, "6 questions are too few, whoever wins them; 7 are the least"),
        (Tally(10, 20, 2), 3, "The single model leads, but that may be chance."),
    ],
)
def test_the_verdict_in_words(tally: Tally, pairs: int, says: str) -> None:
    corrected = min(1.0, pairs * chance(tally))
    assert says in in_words("single", "cascade", tally, corrected, pairs)
