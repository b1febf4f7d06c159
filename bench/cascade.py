"""A whole tree of minds, with simulated latency: wall time beside the critical path, memory, journal and checkpoints.

The critical path is what no way of doing it can undercut: on every level with children five calls in a
row (analyse, split, reflect, critique, synthesise), and four on the lowest, which divides nothing. Each
figure comes from a process of its own, since memory is only given back at the end of one.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.report import Section, Verdict
from matrioska.graph import cascade
from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.questions import open_questions
from matrioska.state.cascade import MindSpec, MindTree
from matrioska.state.context import RunContext
from matrioska.store.layout import Layout
from matrioska.workers.cascade.plan import calls_of
from matrioska.workers.cascade.run import Cascade

QUESTION = "What does each of you know?"
_CHILDREN = 3
_INNER_STEPS, _LEAF_STEPS = 5, 4
_WALL_BOUND = 1.25
_COLUMNS = (
    "way",
    "minds",
    "calls",
    "wall s",
    "critical s",
    "wall ÷ critical",
    "ms CPU a call",
    "peak MB",
    "journal KB a mind",
    "checkpoints KB a mind",
)


@dataclass(frozen=True)
class Choice:
    """What is measured."""

    depths: Sequence[int] = (2, 3, 4, 5)
    latency: float = 1.0
    """Seconds that each call takes."""
    answer: int = 600
    """Characters of each answer."""


@dataclass(frozen=True)
class Found:
    """What one cascade took."""

    way: str
    minds: int
    calls: int
    wall: float
    critical: float
    cpu: float
    """Milliseconds a call."""
    peak: float
    """Megabytes of the process, beyond what it had before the question."""
    journal: float | None = None
    """Kilobytes a mind."""
    checkpoints: float | None = None
    """Likewise."""

    @property
    def ratio(self) -> float:
        """Wall time, in critical paths."""
        return self.wall / self.critical

    def row(self) -> list[Any]:
        """Return its line of the table."""
        return [
            self.way, self.minds, self.calls, self.wall, self.critical, self.ratio, self.cpu, self.peak,
            self.journal, self.checkpoints,
        ]  # fmt: skip


def tree_of(depth: int) -> MindTree:
    """Return a ternary tree; the root stands on level 0, the leaves on level ``depth``."""
    minds, level = [MindSpec(id="r", parent=None)], ["r"]
    for _ in range(depth):
        level = [f"{mind}{number}" for mind in level for number in range(_CHILDREN)]
        minds += [MindSpec(id=mind, parent=mind[:-1]) for mind in level]
    return MindTree(minds=tuple(minds))


def critical_path(depth: int, latency: float) -> float:
    """Return the seconds of the calls that wait for each other, from the question to the answer."""
    return (depth * _INNER_STEPS + _LEAF_STEPS) * latency


def _model(choice: Choice) -> ScriptedChatModel:
    said = ("What is known of this is told here. " * choice.answer)[: choice.answer]

    def answers(step: str, module: str, prompt: str) -> str:
        if step != "split":
            return said
        ids = next(line for line in prompt.splitlines() if line.startswith("Ids: "))
        return json.dumps(dict.fromkeys(ids[5:].split(", "), QUESTION))

    return ScriptedChatModel(script=answers, latency=choice.latency)


async def _in_process(depth: int, choice: Choice, folder: Path) -> int:
    answer = await Cascade(tree_of(depth), default_model=client_of(_model(choice))).ask(QUESTION)
    return answer.usage.calls


async def _in_graph(depth: int, choice: Choice, folder: Path) -> int:
    cascade.load_tree = lambda default_model=None: tree_of(depth)  # the tree is made here, not by settings
    async with open_questions(folder, RunContext(model=_model(choice))) as questions:
        return (await questions.ask(QUESTION, "cascade", thread_id="one")).usage.calls


WAYS = {"asyncio, nothing kept": _in_process, "graph, SQLite and journal": _in_graph}


def _peak() -> float:
    """Return the most memory that this process had, in megabytes."""
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _one(way: str, depth: int, choice: Choice) -> Found:
    """Run one cascade in this process."""
    with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
        asyncio.run(WAYS[way](1, Choice(latency=0.0), Path(folder) / "warm"))
        before, began, cpu = _peak(), time.perf_counter(), time.process_time()
        calls = asyncio.run(WAYS[way](depth, choice, Path(folder) / "run"))
        wall, worked = time.perf_counter() - began, time.process_time() - cpu
        layout, minds = Layout.at(Path(folder) / "run"), len(tree_of(depth).minds)

        def kilobytes(path: Path) -> float | None:
            files = list(path.parent.glob(f"{path.name}*")) if path.parent.exists() else []
            return sum(file.stat().st_size for file in files) / 1024 / minds if files else None

        kept = {"journal": kilobytes(layout.journal), "checkpoints": kilobytes(layout.database)}
    critical = critical_path(depth, choice.latency)
    return Found(way, minds, calls, wall, critical, worked * 1000 / calls, _peak() - before, **kept)


def measure(choice: Choice, say: Callable[[str], None]) -> Section:
    """Measure trees of each depth, with plain asyncio over the same units beside the graph."""
    section = Section(
        f"A ternary tree of minds (calls of {choice.latency:g} s, answers of {choice.answer} characters)", _COLUMNS
    )
    found: list[Found] = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for depth in choice.depths:
            for way in WAYS:
                say(f"cascade: depth {depth}, {way}")
                found.append(pool.apply(_one, (way, depth, choice)))
    section.rows = [one.row() for one in found]
    section.data = [asdict(one) for one in found]
    graphs = [one for one in found if one.checkpoints is not None]
    largest, smallest = graphs[-1], graphs[0]
    assert largest.checkpoints and smallest.checkpoints and largest.journal and smallest.journal
    section.verdicts = [
        Verdict(f"{largest.minds} minds: wall time ÷ critical path", largest.ratio, _WALL_BOUND),
        Verdict("checkpoints a mind, largest ÷ smallest tree", largest.checkpoints / smallest.checkpoints, 1.5),
        Verdict("journal a mind, largest ÷ smallest tree", largest.journal / smallest.journal, 1.5),
    ]
    section.notes = [
        f"Critical path: ({_INNER_STEPS} calls × levels with children + {_LEAF_STEPS}) × latency. Calls: at most "
        f"{max(sum(calls_of(tree_of(depth)).values()) for depth in choice.depths):,}, all of one level at once.",
        "CPU and memory are of the whole process, the scripted model's share included; peak is what came on top of a "
        "process that had already answered a question.",
    ]
    return section
