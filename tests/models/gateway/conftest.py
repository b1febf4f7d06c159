"""What the gateway's tests share: pauses that are not taken, and calls that cannot hang."""

from __future__ import annotations

import pytest
from tenacity import RetryCallState

from matrioska.models.gateway import attempts, line


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses that the gateway chooses itself instead of taking them."""
    chosen: list[float] = []
    choose = attempts._pauses

    def instead(state: RetryCallState) -> float:
        chosen.append(choose(state))
        return 0.0

    monkeypatch.setattr(attempts, "_pauses", instead)
    return chosen


@pytest.fixture(autouse=True)
def _own_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test members whom nobody has asked yet."""
    monkeypatch.setattr(line, "_lines", {})
