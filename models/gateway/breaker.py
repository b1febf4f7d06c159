"""The circuit breaker: a member that keeps being out of reach is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Calls, each with all its attempts, that must fail one after the other before it opens.
FAILURES = 3
#: Seconds for which it stays open.
COOL_OFF = 15.0


class Breaker:
    """Closed, it lets every call through. Open, none. After the cool-off, one, whose end decides.

    After M. Nygard, *Release It!* (2nd ed., 2018), "Circuit Breaker". It counts calls and not
    attempts, so that a server that restarts under many callers is not taken for dead.

    Args:
        failures: calls out of reach in a row that open it.
        cool_off: seconds for which it stays open.
        clock: monotonic seconds.
    """

    def __init__(
        self, failures: int = FAILURES, cool_off: float = COOL_OFF, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._cool_off = cool_off
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._until = 0.0
        self._probing = False

    @property
    def wait(self) -> float:
        """Seconds until a call may be let through; 0 when one may now."""
        with self._lock:
            return self._wait()

    def _wait(self) -> float:
        if self._failed < self._limit:
            return 0.0
        if self._probing:
            # Nobody knows how long the probe takes.
            return max(1.0, self._until - self._clock())
        return max(0.0, self._until - self._clock())

    def admit(self) -> float:
        """Let a call through and return 0, or return the seconds to wait. Who gets through must tell how it ended."""
        with self._lock:
            wait = self._wait()
            if not wait and self._failed >= self._limit:
                self._probing = True
            return wait

    def answered(self) -> None:
        """Tell that the server answered, whatever it said."""
        with self._lock:
            self._failed = 0
            self._probing = False

    def failed(self) -> None:
        """Tell that a call did not get through."""
        with self._lock:
            self._failed += 1
            self._probing = False
            self._until = self._clock() + self._cool_off

    def dropped(self) -> None:
        """Tell that a call was given up, which says nothing about the server."""
        with self._lock:
            self._probing = False
