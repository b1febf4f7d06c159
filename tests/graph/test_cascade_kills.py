"""Kills with -9 during cascades: the answer is that of an unkilled one, nothing saved is asked again, and the
journal ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from matrioska.store.checkpointer import open_checkpointer
from matrioska.workers.cascade.plan import units
from tests.graph import killable_cascade, processes
from tests.graph.killable_cascade import TREE
from tests.graph.test_journal_kills import Said, Trial, check, forget, journal
from tests.support import MODES

__all__ = ["journal"]

RUNS = 2
KILLS_A_RUN = 3


@dataclass
class CascadeTrial(Trial):
    down: str = ""

    def begin(self) -> ForkServerProcess:
        return processes.begin(killable_cascade.run, self.base, self.log, self.mode, self.journal, self.down)

    def begun(self, after: int = 0) -> Counter[str]:
        lines = self.log.read_text().splitlines()[after:] if self.log.exists() else []
        return Counter(line[2:] for line in lines if line.startswith("B "))

    def saved(self) -> Counter[str]:
        """Return the steps whose results the database holds, read from a copy of it."""
        copy = self.base / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in self.base.glob("runs.sqlite*"):
            shutil.copy(path, copy)
        if not (copy / "runs.sqlite").exists():
            return Counter()
        saver = open_checkpointer(copy / "runs.sqlite")
        try:
            rows = saver.conn.execute("SELECT task_path FROM writes WHERE channel = '__return__'").fetchall()
        finally:
            saver.conn.close()
        places = [int(next(part for part in str(path).split(", ") if part.isdigit())) for (path,) in rows]
        every = units(TREE)
        return Counter(f"{every[place].mind}.{every[place].step}" for place in places)

    def answer(self) -> str:
        return str(json.loads((self.base / "answer.json").read_text())["answer"])


@pytest.fixture(scope="module", params=["", "nova"], ids=["all-up", "nova-down"])
def down(request: pytest.FixtureRequest) -> str:
    """The mind whose model never answers; '' for none."""
    return str(request.param)


@pytest.fixture(scope="module")
def unkilled(down: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, str, Counter[str], int]:
    """Return what is said in a cascade that nobody kills, its answer, its calls, and how many lines it logs."""
    trial = CascadeTrial(tmp_path_factory.mktemp("unkilled"), "async", "", down)
    trial.finish()
    with pytest.MonkeyPatch.context() as patch:
        said = trial.said(trial.messages(patch))
    return said, trial.answer(), trial.begun(), trial.lines()


def test_a_cascade_survives_kills(
    unkilled: tuple[Said, str, Counter[str], int],
    down: str,
    journal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said, answer, calls, lines = unkilled
    chance, kills = random.Random(20251121), 0
    for number in range(RUNS):
        trial = CascadeTrial(tmp_path / f"{number}", MODES[number % 2], journal, down)
        trial.base.mkdir()
        for part in range(KILLS_A_RUN):
            moment = chance.randint(1, lines // (2 * part + 2))
            kills += trial.kill_after(moment, chance.uniform(0, killable_cascade.CALL_SECONDS))
            before, saved = trial.lines(), trial.saved()
        trial.finish()
        assert trial.begun(before) == calls - saved, "what was saved is not asked again, and all else is"
        assert trial.answer() == answer
        assert ("Missing in this answer: Nova" in answer) == bool(down)
        messages = trial.messages(monkeypatch)
        check(messages)
        assert trial.said(messages) == said
        assert trial.rows() == len(messages)
        if journal:
            forget(trial, monkeypatch)
    assert kills >= RUNS * KILLS_A_RUN - 2
