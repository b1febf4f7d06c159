"""Many threads, loops and processes at one journal, and processes that are killed at it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from matrioska.models.recorder import Voice
from matrioska.store.journal import Journal, writer
from matrioska.store.journal.tables import messages
from tests.store.journal.conftest import Open, called, rows, scope_of

_SPAWN = multiprocessing.get_context("spawn")


def test_threads_and_loops_of_one_process(journal: Journal) -> None:
    async def steps(name: str) -> None:
        async def step(number: int) -> None:
            async with scope_of(journal, f"{name} {number}") as scope:
                for turn in range(3):
                    scope.call(called(f"{name} {number} {turn}"), Voice())
                    await asyncio.sleep(0)

        await asyncio.gather(*(step(number) for number in range(10)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: asyncio.run(steps(name)), "abcd"))
    said = journal.messages("c")[1:]
    assert {message.content for message in said} == {
        f"{name} {number} {turn}" for name in "abcd" for number in range(10) for turn in range(3)
    }
    assert len({message.number for message in said}) == len(said) == 120
    assert all(len(message.metrics) == 1 for message in said)


def test_threads_of_one_step_speak_in_turn(journal: Journal) -> None:
    with scope_of(journal) as scope, ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda number: scope.note("status", str(number)), range(200)))
    assert len(set(ids)) == 200
    assert len(journal.messages("c")) == 201


def _write_steps(address: str | Path, pending: Path, name: str, count: int) -> None:
    journal = Journal(address, pending)
    for number in range(count):
        with scope_of(journal, f"{name} {number}") as scope:
            scope.call(called(f"{name} {number}"), Voice())
    journal.close()


def test_two_processes_write_to_one_conversation(opened: Open, address: str | Path, pending: Path) -> None:
    others = [_SPAWN.Process(target=_write_steps, args=(address, pending, name, 40)) for name in "ab"]
    for process in others:
        process.start()
    _write_steps(address, pending, "c", 40)
    for process in others:
        process.join(60)
        assert process.exitcode == 0
    said = opened().messages("c")
    assert {message.content for message in said[1:]} == {f"{name} {n}" for name in "abc" for n in range(40)}
    assert len({message.number for message in said}) == len(said) == 121
    assert not pending.exists()


def _work_for_ever(address: str | Path, pending: Path) -> None:
    """Steps of which each has a call or three, and now and then one that leaves something open."""
    journal, begun = Journal(address, pending), time.time()
    for number in range(10_000):
        with scope_of(journal, f"step {number}") as scope:
            begins = scope.note("delegation", f"begins {number}", status="open", key="begins")
            for turn in range(number % 3 + 1):
                # What is said differs between attempts, and so does how much.
                scope.call(called(f"{number} {turn} {begun}"), Voice("response", "nova", "atlas", begins))
            if number % 2 and random.random() < 0.5:
                scope.note("status", "only sometimes", parent=begins)
            scope.close(begins)


_WRONG = {
    "orphans": """SELECT m.id FROM messages m LEFT JOIN messages p ON p.id = m.parent_id
        WHERE m.parent_id IS NOT NULL AND (p.id IS NULL OR p.conversation_id <> m.conversation_id)""",
    "of no conversation": """SELECT m.id FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id
        WHERE c.id IS NULL""",
    "of no question": """SELECT m.id FROM messages m LEFT JOIN messages r ON r.id = m.correlation_id
        WHERE r.id IS NULL OR r.parent_id IS NOT NULL""",
    "metrics of nothing": """SELECT x.id FROM metrics x LEFT JOIN messages m ON m.id = x.message_id
        WHERE m.id IS NULL OR m.conversation_id <> x.conversation_id""",
    "more than one metric": "SELECT message_id FROM metrics GROUP BY message_id HAVING count(*) > 1",
}


def test_kills_leave_no_orphan_no_duplicate_and_no_null(opened: Open, address: str | Path, pending: Path) -> None:
    """Each process begins with the steps of the one before, like a graph that is resumed from its start."""
    rng = random.Random(7)
    for _ in range(6):
        process = _SPAWN.Process(target=_work_for_ever, args=(address, pending))
        process.start()
        watched = opened()
        before = _written(watched)
        while _written(watched) == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        _hold(opened())
    _finished(opened())


def _written(journal: Journal) -> float:
    return max((conversation.updated for conversation in journal.conversations()), default=0.0)


def _hold(journal: Journal) -> None:
    with journal._keeper.database.connect() as connection:
        assert {what: rows(connection, query) for what, query in _WRONG.items()} == {what: [] for what in _WRONG}
        empty = " OR ".join(f"{column.name} IS NULL" for column in messages.c if column.name != "parent_id")
        assert (
            rows(connection, f"SELECT id FROM messages WHERE {empty} OR (parent_id IS NULL AND type <> 'query')") == []
        )


def _finished(journal: Journal) -> None:
    """A last attempt that comes to its end: every step is there exactly once, and nothing is left open."""
    total = max(int(message.content.split()[1]) for message in journal.messages("c") if message.type == "delegation")
    for number in range(total + 1):
        with scope_of(journal, f"step {number}") as scope:
            begins = scope.note("delegation", f"begins {number}", key="begins")
            for turn in range(number % 3 + 1):
                scope.call(called(f"{number} {turn} last"), Voice("response", "nova", "atlas", begins))
    said = journal.messages("c")[1:]
    expected = [f"begins {n}" for n in range(total + 1)] + [
        f"{n} {t} last" for n in range(total + 1) for t in range(n % 3 + 1)
    ]
    assert sorted(message.content for message in said) == sorted(expected)
    assert {message.status for message in said} == {"done"}
    with journal._keeper.database.connect() as connection:
        assert rows(connection, "SELECT count(*) FROM messages WHERE superseded") == [(0,)]
    _hold(journal)


def test_an_idle_journal_holds_no_thread_and_no_file(
    journal: Journal, address: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LINGER_SECONDS", 0.01)
    monkeypatch.setattr(writer, "IDLE_SECONDS", 0.05)
    for step in ("first", "later"):
        with scope_of(journal, step) as scope:
            scope.note("status", step)
        _wait_until(lambda: "matrioska-journal" not in [thread.name for thread in threading.enumerate()])
        if isinstance(address, Path):
            assert not address.with_name(f"{address.name}-wal").exists()
    assert [message.content for message in journal.messages("c")][1:] == ["first", "later"]


def test_what_nobody_waits_for_is_kept_soon(opened: Open) -> None:
    with scope_of(opened()) as scope:
        scope.note("status", "still at work")
        another = opened()
        _wait_until(lambda: len(another.messages("c")) == 2)


def _wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to be")
