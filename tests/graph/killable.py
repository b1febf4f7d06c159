"""A slowed run that can be killed anywhere and gone on with: what `test_kills.py` runs and kills.

Every call of a model and every step without one is written to a log as it begins (``B``) and
ends (``E``), each line in one append, so that nothing of it is lost with the process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.types import Command

from matrioska.graph import open_graph
from matrioska.nodes import approval, deliver, progress
from tests.support import Author, Driven, fenced, file_block, good_answer, plan, reader, spec

PHASES = ("plan", "approval", "agree", "produce", "mend", "assemble", "verify", "deliver")
TASK = "Build it, whatever happens."
CALL_SECONDS = 0.02
STEP_SECONDS = 0.02
#: Two modules answer badly at first, one in each kind of stage, so that mends can be killed too.
PLAN = plan(
    reader("core"),
    reader("shop", "core"),
    reader("desk", "core", contract_first=False),
    reader("page", "shop", "desk"),
    spec("docs", artifact_reads=["page"]),
)
TOLD: dict[str, Any] = {
    "agree shop": "I promise nothing.",
    "mend shop": lambda prompt, n: good_answer("mend", "shop", prompt),
    "produce desk": "No files today.",
    "mend desk": lambda prompt, n: file_block("desk.py", "def desk_api_call(): ...") + "\n\n" + _desk_contract(),
}


def _desk_contract() -> str:
    return fenced({"desk.api": {"functions": ["desk_api_call"], "note": ""}}).replace("```json", "```json contract", 1)


class _Log:
    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __call__(self, kind: str, name: str) -> None:
        os.write(self._handle, f"{kind} {name}\n".encode())


def _author(log: _Log) -> Author:
    def begins(stage: str, module: str) -> float:
        log("B", f"{stage} {module}".strip())
        return CALL_SECONDS

    author = Author(PLAN, TOLD, latency=begins)
    answer = author.model.script

    def ends(stage: str, module: str, prompt: str) -> Any:
        log("E", f"{stage} {module}".strip())
        return answer(stage, module, prompt)

    author.model.script = ends
    return author


def _slow_steps(log: _Log) -> None:
    """Make the steps that call no model long enough to be hit."""

    def slow(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def slowed(*args: Any, **kwargs: Any) -> Any:
            log("B", name)
            time.sleep(STEP_SECONDS)
            result = function(*args, **kwargs)
            time.sleep(STEP_SECONDS)
            return result

        return slowed

    emit = progress.emit

    def emit_slowly(event: dict[str, Any]) -> None:
        emit(event)
        if event.get("step") == "verify":
            log("B", "verify")
            time.sleep(STEP_SECONDS)

    progress.emit = emit_slowly
    approval._decided = slow(approval._decided, "approval")
    for name in ("write_records", "write_tree", "write_archive"):
        setattr(deliver, name, slow(getattr(deliver, name), "deliver"))


def run(base: Path, log: Path, mode: str, answer: Any = None, **options: Any) -> None:
    """Begin the run or go on with it, to its end or its next question.

    Args:
        base: where it is kept.
        log: file for its calls.
        mode: ``sync`` or ``async``.
        answer: answer to what it waits for.
        **options: fields of its `RunContext`.
    """
    line = _Log(log)
    _slow_steps(line)
    with open_graph(base / "runs.sqlite") as graph:
        driven = Driven(graph, mode, base, _author(line).model, options=options)
        waiting = driven.state().interrupts
        if answer is not None:
            driven.run(Command(resume={found.id: answer for found in waiting}))
        else:
            driven.run(TASK if not driven.state().values else None)
