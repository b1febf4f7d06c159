"""Evidence, how it is forgotten, and the posterior that follows from it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from matrioska.state.fitness import (
    AGREEMENT_CAP,
    DISCOUNT,
    PRIOR_STRENGTH,
    Evidence,
    Posterior,
    Reward,
    Tally,
    overall,
    posterior,
)


def told(*rights: float, evidence: Evidence = "check", seconds: float | None = None) -> Tally:
    tally = Tally()
    for right in rights:
        tally = tally.after(Reward(node="n", kind="maths", right=right, evidence=evidence, seconds=seconds))
    return tally


shapes = st.floats(0.2, 500.0)


def test_without_evidence_it_is_the_prior() -> None:
    found = posterior(0.8, Tally())
    assert (found.alpha, found.beta) == pytest.approx((8.0, 2.0))
    assert found.seconds is None


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_a_prior_that_is_sure_can_be_unlearnt(prior: float) -> None:
    found = posterior(prior, told(*[1.0 - prior] * 200))
    assert abs(found.mean - prior) > 0.7


def test_it_counts_right_and_wrong_and_fractions() -> None:
    tally = told(1.0, 0.0, 0.25)
    assert tally.right == pytest.approx(DISCOUNT**2 + 0.25)
    assert tally.wrong == pytest.approx(DISCOUNT + 0.75)
    assert tally.observations == 3


def test_a_thumb_counts_as_five_checks() -> None:
    assert told(1.0, evidence="person").right == 5.0
    assert posterior(0.5, told(0.0, evidence="person")).mean < posterior(0.5, told(0.0)).mean


def test_what_is_remembered_is_bounded_and_turns() -> None:
    good = told(*[1.0] * 1000)
    assert good.right == pytest.approx(1.0 / (1.0 - DISCOUNT), rel=1e-6)
    turned = good
    for _ in range(60):
        turned = turned.after(Reward(node="n", kind="maths", right=0.0))
    assert posterior(0.5, turned).mean < 0.5


def test_a_new_kind_starts_from_what_the_node_is_worth_overall_and_goes_its_own_way() -> None:
    elsewhere = told(*[1.0] * 100)
    fresh = posterior(0.5, Tally(), [elsewhere])
    assert fresh.mean == pytest.approx(overall(0.5, [elsewhere]).mean)
    assert fresh.alpha + fresh.beta == pytest.approx(PRIOR_STRENGTH)
    assert posterior(0.5, told(*[0.0] * 20), [elsewhere]).mean < 0.5


@given(st.lists(st.booleans(), max_size=400), st.integers(0, 6))
def test_agreement_alone_stays_between_two_ninths_and_seven(agrees: list[bool], kinds: int) -> None:
    tally = told(*map(float, agrees), evidence="agreement")
    found = posterior(0.5, tally, [tally] * kinds)
    assert 2 / 9 - 1e-9 <= found.mean <= 7 / 9 + 1e-9
    assert found.alpha + found.beta <= PRIOR_STRENGTH + AGREEMENT_CAP + 1e-9


def test_checks_overrule_any_amount_of_agreement() -> None:
    tally = told(*[1.0] * 5000, evidence="agreement")
    assert tally.right == 0.0
    for _ in range(30):
        tally = tally.after(Reward(node="n", kind="maths", right=0.0))
    assert posterior(0.5, tally).mean < 0.4
    assert tally.agreed == told(*[1.0] * 5000, evidence="agreement").agreed


def test_seconds_are_a_median_that_forgets() -> None:
    assert posterior(0.5, told(1.0, 1.0, seconds=4.0)).seconds == pytest.approx(4.0)
    slower = told(*[1.0] * 300, seconds=1.0)
    for _ in range(300):
        slower = slower.after(Reward(node="n", kind="maths", right=1.0, seconds=9.0))
    assert posterior(0.5, slower).seconds == pytest.approx(9.0, rel=0.02)
    assert posterior(0.5, Tally(), [told(1.0, seconds=4.0)]).seconds == pytest.approx(4.0), "known from other kinds"
    assert told(1.0, seconds=0.0).log_seconds < 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"right": 1.1},
        {"right": -0.1},
        {"right": float("nan")},
        {"seconds": -1.0},
        {"seconds": float("inf")},
        {"node": "../n"},
        {"node": ""},
        {"kind": "Maths"},
        {"evidence": "rumour"},
    ],
)
def test_a_reward_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Reward.model_validate({"node": "n", "kind": "maths", "right": 1.0} | wrong)


@pytest.mark.parametrize(
    ("alpha", "beta", "low", "high"),
    [
        (1.0, 1.0, 0.05, 0.95),
        (2.0, 1.0, 0.05**0.5, 0.95**0.5),
        (1.0, 5.0, 1 - 0.95**0.2, 1 - 0.05**0.2),
        # scipy.stats.beta.ppf([0.05, 0.95], alpha, beta), SciPy 1.17.
        (8.0, 2.0, 0.57086445, 0.95897683),
        (50.0, 20.0, 0.62264558, 0.79891658),
    ],
)
def test_the_interval_is_that_of_the_beta_distribution(alpha: float, beta: float, low: float, high: float) -> None:
    assert Posterior(alpha, beta).interval() == pytest.approx((low, high), abs=1e-8)


@given(shapes, shapes)
def test_the_interval_mirrors_and_holds_the_median(alpha: float, beta: float) -> None:
    low, high = Posterior(alpha, beta).interval()
    assert 0.0 <= low < high <= 1.0
    mirrored = Posterior(beta, alpha).interval()
    assert (1.0 - mirrored[1], 1.0 - mirrored[0]) == pytest.approx((low, high), abs=1e-6)
    assert Posterior(alpha, beta).interval(0.5)[0] >= low


def test_draws_follow_the_posterior() -> None:
    rng = random.Random(1)
    found = Posterior(6.0, 3.0)
    low, high = found.interval(0.9)
    inside = sum(low <= found.draw(rng) <= high for _ in range(4000))
    assert 0.88 < inside / 4000 < 0.92
