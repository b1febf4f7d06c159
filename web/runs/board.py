"""Where the modules of a run stand, by what its journal says. Pure.

The journal is durable within milliseconds, whichever process writes it; a run's checkpoint knows of
modules only once all of them have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matrioska.nodes.recording import BOSS, CHECKS
from matrioska.state.journal import Message
from matrioska.state.results import Phase

_BEGINS = {"agree": Phase.AGREEING, "produce": Phase.PRODUCING, "mend": Phase.MENDING}
WORKING = frozenset({Phase.AGREEING, Phase.PRODUCING, Phase.MENDING})
_PHASES = {phase.value: phase for phase in Phase}


@dataclass(slots=True)
class Row:
    """One module."""

    state: Phase = Phase.WAITING
    started: float | None = None
    """When its latest work began, in seconds since 1970."""
    ended: float | None = None
    touched: float = 0.0
    """When something was last said about it."""
    tokens: int = 0
    seconds: float = 0.0
    """Spent on calls."""
    mends: int = 0
    findings: int = 0
    error: str = ""


class Board:
    """The rows of a run.

    Attributes:
        rows: by module id.
        last: number of the last message taken in.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.last = 0

    def take(self, message: Message) -> str:
        """Take a message in; return the id of the module whose state it changed, '' for none."""
        self.last = max(self.last, message.number)
        stage = message.processing.get("stage")
        if message.type == "delegation" and message.source == BOSS and stage in _BEGINS:
            self._begin(message.destination, _BEGINS[stage], message.created)
            return message.destination
        if stage in _BEGINS and message.destination == BOSS:
            self._end(message.source, str(stage), message)
            return message.source
        if message.type == "critique" and message.source == CHECKS:
            return self._criticised(message.destination, message)
        if message.metrics and message.source in self.rows:
            self._count(self.rows[message.source], message)
        return ""

    def hear(self, event: Mapping[str, Any], now: float) -> None:
        """Take in a progress event of the graph, where no journal is kept."""
        phase, module = _PHASES.get(str(event.get("phase"))), str(event.get("module", ""))
        if event.get("type") != "module" or phase is None:
            return
        if phase in WORKING:
            self._begin(module, phase, now)
            return
        row = self.rows.setdefault(module, Row())
        row.state, row.ended, row.touched, row.error = phase, now, now, str(event.get("error", ""))
        usage = event.get("usage") or {}
        row.tokens += int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))
        row.seconds += float(usage.get("seconds", 0.0))

    def _begin(self, module: str, phase: Phase, at: float) -> None:
        row = self.rows.setdefault(module, Row())
        # Agreed values are followed by files, and a mend by another: one bar.
        if row.started is None or row.state not in WORKING | {Phase.AGREED}:
            row.started = at
        row.state, row.ended, row.touched, row.error = phase, None, at, ""

    def _end(self, module: str, stage: str, message: Message) -> None:
        row = self.rows.setdefault(module, Row())
        began = row.state in WORKING
        if message.type == "error":
            row.state, row.error = (Phase.FAILED if began else Phase.BLOCKED), message.content
        else:
            row.state, row.error = (Phase.AGREED if stage == "agree" else Phase.DONE), ""
        row.ended = row.touched = message.created
        row.findings = len(message.processing.get("findings") or [])

    def _criticised(self, module: str, message: Message) -> str:
        row = self.rows.get(module)
        if row is None or row.state not in WORKING:
            return ""
        row.state, row.touched = Phase.MENDING, message.created
        row.mends = int(message.processing.get("mends") or 0) + 1
        return module

    def _count(self, row: Row, message: Message) -> None:
        row.tokens += message.tokens
        row.seconds += sum(metric.seconds for metric in message.metrics)
        row.touched = message.created
