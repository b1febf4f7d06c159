"""Calls a minute, and the breaker: what they let through, by a clock of the test's own."""

from __future__ import annotations

import pytest

from matrioska.models.gateway.breaker import Breaker
from matrioska.models.gateway.limits import Starts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("per_minute", "waits"),
    [
        (1, [0, 60, 120]),
        (3, [0, 0, 0, 60, 60, 60, 120]),
        (0.5, [0, 120, 240]),
        (2.5, [0, 0, 48, 48, 96]),
    ],
)
def test_no_minute_has_more_calls_than_it_may(per_minute: float, waits: list[float]) -> None:
    starts = Starts(per_minute, Clock())
    assert [starts.reserve() for _ in waits] == pytest.approx(waits)


def test_a_pause_earns_no_more_than_a_minutes_calls() -> None:
    clock = Clock()
    starts = Starts(2, clock)
    assert [starts.reserve(), starts.reserve()] == [0, 0]
    clock.now += 30
    assert starts.reserve() == 30
    clock.now += 3600
    assert [starts.reserve() for _ in range(3)] == [0, 0, 60]


def _opened(clock: Clock) -> Breaker:
    breaker = Breaker(3, 15.0, clock)
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, 15.0, Clock())
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.answered()
    assert breaker.wait == breaker.admit() == 0


def test_it_lets_one_probe_through_after_the_cool_off() -> None:
    clock = Clock()
    breaker = _opened(clock)
    assert breaker.wait == breaker.admit() == 15
    clock.now += 15
    assert breaker.wait == 0
    assert breaker.admit() == 0
    assert breaker.wait > 0
    assert breaker.admit() > 0


def test_the_probe_decides() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 15
    assert breaker.admit() == 0
    breaker.failed()
    assert breaker.admit() == 15
    clock.now += 15
    assert breaker.admit() == 0
    breaker.answered()
    assert [breaker.admit() for _ in range(3)] == [0, 0, 0]


def test_a_probe_that_was_given_up_makes_room_for_another() -> None:
    clock = Clock()
    breaker = _opened(clock)
    clock.now += 15
    assert breaker.admit() == 0
    breaker.dropped()
    assert breaker.admit() == 0
