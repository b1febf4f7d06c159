"""20 kills with -9 during runs of modules: the journal ends as that of a run that nobody killed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import sqlalchemy as sa

from matrioska.state.journal import Message
from matrioska.store.journal import open_journal
from tests.graph import killable_journal, processes
from tests.postgres import new_database
from tests.support import MODES

RUNS = 5
KILLS_A_RUN = 2
_PATIENCE = 60

#: What is the same in every run: who said what to whom, in answer to what.
Said = Counter[tuple[str, ...]]


@dataclass
class Trial:
    base: Path
    mode: str
    journal: str

    @property
    def log(self) -> Path:
        return self.base / "calls.log"

    def lines(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def begin(self) -> ForkServerProcess:
        return processes.begin(killable_journal.run, self.base, self.log, self.mode, self.journal)

    def kill_after(self, lines: int, delay: float) -> bool:
        """Run, and kill ``delay`` seconds after so many lines were logged; return whether it was killed."""
        goal, process = self.lines() + lines, self.begin()
        deadline = time.monotonic() + _PATIENCE
        while process.is_alive() and self.lines() < goal and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(delay)
        process.kill()
        process.join(_PATIENCE)
        assert process.exitcode in (0, -9), f"the run ended with {process.exitcode}"
        return process.exitcode == -9

    def finish(self) -> None:
        process = self.begin()
        process.join(_PATIENCE)
        assert process.exitcode == 0, f"the resumed run ended with {process.exitcode}"

    def messages(self, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
        monkeypatch.setenv("MATRIOSKA_JOURNAL", self.journal)
        journal = open_journal(self.base)
        try:
            (conversation,) = journal.conversations()
            assert (conversation.id, conversation.status) == ("one", "done")
            return journal.messages("one")
        finally:
            journal.close()

    def rows(self) -> int:
        """Return how many messages the database holds, shown or not."""
        place = f"sqlite:///{self.base}/matrioska_checkpoints/journal.sqlite"
        engine = sa.create_engine(self.journal.replace("postgresql://", "postgresql+psycopg://") or place)
        try:
            with engine.connect() as connection:
                return int(connection.execute(sa.text("SELECT count(*) FROM messages")).scalar_one())
        finally:
            engine.dispose()

    def said(self, messages: list[Message]) -> Said:
        by_id = {message.id: message for message in messages}

        def told(message: Message) -> tuple[str, ...]:
            content = message.content.replace(str(self.base), "BASE")
            return message.type, message.source, message.destination, message.status, content

        return Counter((*told(one), *(told(by_id[one.parent]) if one.parent else ())) for one in messages)


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting of a journal on each database."""
    if request.param == "sqlite":
        yield ""
        return
    with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, int]:
    """Return what is said in a run that nobody kills, and how many lines it logs."""
    trial = Trial(tmp_path_factory.mktemp("unkilled"), "async", "")
    trial.finish()
    with pytest.MonkeyPatch.context() as patch:
        said = trial.said(trial.messages(patch))
    assert {kind for kind, *_ in said} >= {"query", "delegation", "response", "iteration", "critique", "synthesis"}
    return said, trial.lines()


def test_a_journal_survives_kills(
    unkilled: tuple[Said, int], journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, lines = unkilled
    chance, kills = random.Random(20251121), 0
    for number in range(RUNS):
        trial = Trial(tmp_path / f"{number}", MODES[number % 2], journal)
        trial.base.mkdir()
        for part in range(KILLS_A_RUN):
            # The first kill in the first half, the second one somewhere in what is left.
            moment = chance.randint(1 + number, lines // 2) if part == 0 else chance.randint(1, lines // 3)
            kills += trial.kill_after(moment, chance.uniform(0, 0.03))
        trial.finish()
        messages = trial.messages(monkeypatch)
        check(messages)
        assert trial.said(messages) == said
        assert trial.rows() == len(messages)
        if journal:
            forget(trial, monkeypatch)
    assert kills >= RUNS * KILLS_A_RUN - 1


def check(messages: list[Message]) -> None:
    """Check that no message is an orphan, left open or without an answer."""
    ids = {message.id for message in messages}
    assert len(ids) == len(messages)
    (root,) = [message for message in messages if message.parent is None]
    assert root.type == "query"
    assert all(message.parent in ids for message in messages if message is not root)
    assert all(message.correlation == root.id for message in messages)
    assert all(message.status != "open" for message in messages)
    answered = {message.parent for message in messages if message.type in ("response", "error") and not message.metrics}
    assert {message.id for message in messages if message.type == "delegation"} <= answered


def forget(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the run out of the server's database: the next one has the same name."""
    monkeypatch.setenv("MATRIOSKA_JOURNAL", trial.journal)
    journal = open_journal(trial.base)
    try:
        assert journal.prune(conversation="one") == 1
    finally:
        journal.close()
