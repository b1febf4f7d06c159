"""25 kills with -9 of a slowed run, at every phase: nothing finished runs again, nothing is lost."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from matrioska.store.checkpointer import open_checkpointer
from tests.graph import killable, processes
from tests.support import MODES, delivered

KILLS = 25
AGAIN = 0.25
_PATIENCE = 60


@dataclass
class Trial:
    base: Path
    mode: str

    @property
    def log(self) -> Path:
        return self.base / "calls.log"

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def begin(self) -> ForkServerProcess:
        return processes.begin(killable.run, self.base, self.log, self.mode)

    def finish(self) -> None:
        process = self.begin()
        process.join(_PATIENCE)
        assert process.exitcode == 0, f"the resumed run ended with {process.exitcode}"

    def kill_in(self, phase: str, occurrence: int, delay: float) -> bool:
        """Run, and kill once ``phase`` has begun ``occurrence`` times, ``delay`` seconds later.

        Returns:
            Whether it was killed; False when it ended before.
        """
        offset = len(self.lines())
        process = self.begin()
        deadline = time.monotonic() + _PATIENCE
        while process.is_alive() and time.monotonic() < deadline:
            begun = [line for line in self.lines()[offset:] if line.startswith(f"B {phase}")]
            if len(begun) >= occurrence:
                time.sleep(delay)
                break
            time.sleep(0.002)
        process.kill()
        process.join(_PATIENCE)
        assert process.exitcode in (0, -9), f"the run ended with {process.exitcode}"
        return process.exitcode == -9


def _moment(phase: str, chance: random.Random) -> tuple[int, float]:
    """Return at which occurrence of a phase to kill, and how many seconds into it."""
    occurrence = chance.randint(1, {"agree": 2, "produce": 3, "deliver": 3}.get(phase, 1))
    return occurrence, chance.uniform(0, 1.2 * killable.CALL_SECONDS)


def _calls(lines: list[str]) -> Counter[str]:
    """Return how often each model call was made."""
    stages = ("plan", "agree", "produce", "mend", "assemble")
    return Counter(line[2:] for line in lines if line.startswith("B ") and line[2:].split(" ")[0] in stages)


def _recorded(base: Path, whole: Counter[str]) -> Counter[str]:
    """Return the model calls whose results the database holds, read from a copy of it."""
    copy = base / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in base.glob("runs.sqlite*"):
        shutil.copy(path, copy)
    saver = open_checkpointer(copy / "runs.sqlite")
    try:
        saved = list(saver.list({"configurable": {"thread_id": "one"}}))
    finally:
        saver.conn.close()
    latest: dict[str, Any] = {}
    returned: set[str] = set()
    for found in saved:
        latest.setdefault(found.config["configurable"]["checkpoint_ns"], found)
        returned |= {task for task, channel, _ in found.pending_writes if channel == "__return__"}
    if "" not in latest:
        return Counter()
    channels = set(latest[""].checkpoint["channel_values"]) | {write[1] for write in latest[""].pending_writes}
    recorded = Counter(
        {name: 1 for name, sign in (("plan", "architecture"), ("assemble", "deliverable")) if sign in channels}
    )
    for namespace, found in latest.items():
        if namespace:
            recorded += _recorded_of(namespace, found, returned, whole)
    return recorded


def _recorded_of(namespace: str, found: Any, returned: set[str], whole: Counter[str]) -> Counter[str]:
    """Return the recorded calls of one stage: a finished stage's all, else its nodes' one by one."""
    stage, _, task = namespace.split("|")[-1].partition(":")
    module, _, kind = stage.rpartition(".")
    seen, mends = set(found.checkpoint["versions_seen"]), found.checkpoint["channel_values"].get("mends", 0)
    calls = Counter({f"{kind} {module}": int(kind in seen)}) + Counter({f"mend {module}": mends})
    if task in returned:
        assert calls[f"{kind} {module}"] == whole[f"{kind} {module}"]
    return calls


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], bytes, Counter[str]]:
    """Return files, zip and calls of a run that nobody kills."""
    trial = Trial(tmp_path_factory.mktemp("unkilled"), "async")
    trial.finish()
    calls = _calls(trial.lines())
    assert calls["mend shop"] == calls["mend desk"] == 1
    begun = {line[2:].split(" ")[0] for line in trial.lines() if line.startswith("B ")}
    assert begun == set(killable.PHASES)
    return delivered(trial.base / "matrioska_artifacts"), (trial.base / "matrioska_results.zip").read_bytes(), calls


def test_every_kill_resumes_to_the_same_and_nothing_finished_runs_again(
    unkilled: tuple[dict[str, str], bytes, Counter[str]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    files, archive, whole = unkilled
    assert set(whole.values()) == {1}, "a call made twice on the way would hide a stage that ran again"
    chance = random.Random(20250131)
    kills: Counter[str] = Counter()
    again: Counter[str] = Counter()
    under_way, runs = 0, 0
    while kills.total() < KILLS:
        trial = Trial(tmp_path / f"{runs}", MODES[runs % 2])
        trial.base.mkdir()
        phase = killable.PHASES[runs % len(killable.PHASES)]
        runs += 1
        saved: list[tuple[int, Counter[str]]] = []
        while trial.kill_in(phase, *_moment(phase, chance)):
            kills[phase] += 1
            recorded = _recorded(trial.base, whole)
            assert recorded <= _calls(trial.lines())
            saved.append((len(trial.lines()), recorded))
            if chance.random() > AGAIN:
                break
            phase = chance.choice(killable.PHASES[killable.PHASES.index(phase) :])
        trial.finish()
        for offset, recorded in saved:
            after = _calls(trial.lines()[offset:])
            again += after & recorded
        last_offset, last_recorded = saved[-1] if saved else (0, Counter[str]())
        assert _calls(trial.lines()[last_offset:]) == whole - last_recorded
        under_way += _calls(trial.lines()).total() - whole.total()
        assert delivered(trial.base / "matrioska_artifacts") == files
        assert (trial.base / "matrioska_results.zip").read_bytes() == archive
    assert not again
    assert set(kills) == set(killable.PHASES)
    _report(
        request,
        f"kills: {kills.total()} in {runs} runs ({', '.join(f'{p} {kills[p]}' for p in killable.PHASES)}); "
        f"calls under way when killed: {under_way}; finished stages run again: {again.total()}",
    )


def _report(request: pytest.FixtureRequest, line: str) -> None:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line("\n" + line)
