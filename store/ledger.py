"""The ledger of a run: every call and what it cost, and every word about its budget.

One JSON object a line, appended. It stands beside the checkpoints and not in them, since money
is spent whether or not the step that spent it is saved.
"""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from matrioska.state.budget import Budget, Spent
from matrioska.state.results import Usage
from matrioska.store.layout import unwritable

# One thread for all ledgers keeps their lines in order.
_WRITER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="matrioska-ledger")


class Ledger:
    """What one run has spent and may spend.

    Args:
        path: its file, created with the first line; None keeps it in memory.
        deferred: write in a thread of its own, for loops in which nothing may block.

    Raises:
        StoreError: the file cannot be read, or (from every method that writes) written.

    Attributes:
        spent: what its calls cost in all, as far as they have ended.
        usage: the same, input and output apart; its seconds are those of the calls.
        budget: the limits in force; None before anybody wished for any.
        wish: the limits that a caller asked for last.
        first: the limits that a caller asked for first.
        ended: whether a person ended the run at its budget, and nobody asked for other limits since.
    """

    def __init__(self, path: Path | None, *, deferred: bool = False) -> None:
        self.path = path
        self._deferred = deferred
        self._last: Future[None] | None = None
        self.spent = Spent()
        self.usage = Usage()
        self.budget: Budget | None = None
        self.wish: Budget | None = None
        self.first: Budget | None = None
        self.ended = False
        self._pauses: dict[str, list[bool]] = {}
        self._lock = threading.Lock()
        if path is not None:
            self._open(path)

    def call(self, *, tokens: int, cost: float, seconds: float, **details: Any) -> None:
        """Write down a call that ended.

        Args:
            tokens: input and output together.
            cost: US dollars.
            seconds: time at work of the whole run so far.
            **details: whatever else is worth keeping, as JSON.
        """
        entry = {"at": round(time.time(), 3), "tokens": tokens, "cost": cost, "active": round(seconds, 3), **details}
        self._append("call", entry)

    def ask_for(self, budget: Budget) -> None:
        """Take in the limits that a caller asks for. The same wish as before changes nothing."""
        if budget != self.wish and not (self.wish is None and budget == Budget()):
            self._append("wish", {"budget": budget.model_dump()})

    def pauses(self, task: str) -> list[bool]:
        """Return the pauses of one task of the graph: whether each was answered."""
        return list(self._pauses.get(task, []))

    def pause(self, task: str) -> None:
        """Write down that a task is about to pause."""
        self._append("pause", {"task": task, "active": round(self.spent.seconds, 3)})

    def answer(self, task: str, number: int, budget: Budget | None) -> None:
        """Write down the answer to a task's pause: the new limits, or None to end the run."""
        self._append(
            "answer", {"task": task, "number": number, "budget": budget.model_dump() if budget is not None else None}
        )

    def forget(self, task: str, count: int) -> None:
        """Forget the last pauses of a task whose answers LangGraph has lost; what they raised stays raised."""
        if count:
            self._append("forget", {"task": task, "count": count})

    def _append(self, kind: str, entry: dict[str, Any]) -> None:
        line = {"kind": kind, **entry}
        with self._lock:
            self._take_in(line)
            if self.path is not None:
                self._keep(self.path, json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))

    def _keep(self, path: Path, data: bytes) -> None:
        if not self._deferred:
            _write(path, data)
            return
        if self._last is not None and self._last.done():
            self._last.result()
        self._last = _WRITER.submit(_write, path, data)

    def _open(self, path: Path) -> None:
        try:
            # After whatever the task before has yet to write.
            data = _WRITER.submit(_contents, path).result() if self._deferred else _contents(path)
        except OSError as error:
            raise unwritable(path, error) from error
        for line in data.splitlines():
            try:
                self._take_in(json.loads(line))
            except ValueError:
                # The rest of a line that a kill cut off; what it would have said is lost.
                continue

    def _take_in(self, line: dict[str, Any]) -> None:
        kind = line["kind"]
        self.spent.seconds = max(self.spent.seconds, line.get("active", 0.0))
        if kind == "call":
            self.spent.tokens += line["tokens"]
            self.spent.cost = round(self.spent.cost + line["cost"], 9)
            self.spent.calls += 1
            self.usage += Usage(
                calls=1,
                input_tokens=line.get("input", 0),
                output_tokens=line.get("output", 0),
                seconds=line.get("took", 0.0),
                cost=line["cost"],
            )
        elif kind == "wish":
            self.wish = self.budget = Budget.model_validate(line["budget"])
            self.first = self.first or self.wish
            # Who asks for other limits goes on, whatever was answered before.
            self.ended = False
        elif kind == "pause":
            self._pauses.setdefault(line["task"], []).append(False)
        elif kind == "forget":
            del self._pauses[line["task"]][-line["count"] :]
        elif kind == "answer":
            self._pauses[line["task"]][line["number"]] = True
            self.ended = line["budget"] is None
            if not self.ended:
                self.budget = Budget.model_validate(line["budget"])


def _contents(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.read_bytes() if path.exists() else b""


def _write(path: Path, line: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
            torn = size > 0 and os.read(descriptor, 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + line + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error
