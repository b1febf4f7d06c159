from __future__ import annotations

import asyncio
import signal

import pytest

from matrioska.cli import signals
from matrioska.cli.signals import AtOnce, Stopped


def _ignored(text: str) -> None:
    """Say nothing."""


async def _stopped_midway(stopper: AtOnce, ending: float, ended: list[str]) -> None:
    """Drive work that takes a while to end once it is cancelled, and stop it while the stopper waits for it."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(ending)
            ended.append("ended")
            raise OSError("its sockets are closed")

    asyncio.get_running_loop().call_later(0.5, signal.raise_signal, signal.SIGINT)
    with pytest.raises((Stopped, OSError)):
        await stopper.drive(work())


async def test_work_that_is_cancelled_gets_its_time_to_end() -> None:
    ended: list[str] = []
    with AtOnce(_ignored) as stopper:
        await _stopped_midway(stopper, 1.2, ended)
        assert ended == ["ended"]


async def test_work_that_does_not_end_is_left_behind_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_PATIENCE", 0.1)
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(str(context)))
    ended: list[str] = []
    with AtOnce(_ignored) as stopper:
        await _stopped_midway(stopper, 1.2, ended)
        assert ended == []
    await asyncio.sleep(1.5)
    assert ended == ["ended"]
    assert complaints == []
