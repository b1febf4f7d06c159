"""What is told about a run: where it stands, and the lines of its history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langgraph.types import Interrupt, StateSnapshot

from matrioska.state.architecture import Architecture
from matrioska.state.results import Deliverable


@dataclass(frozen=True)
class RunReport:
    """Where a run stands after it was driven, or when it was looked at."""

    thread_id: str
    status: str
    """``complete``, ``partial``, ``failed``, ``waiting`` (for a person), ``interrupted``
    (stopped on request), ``unfinished`` (died or stopped before its end), ``empty``, or, in a
    list of runs, ``unreadable`` (saved by a newer version, say)."""
    values: dict[str, Any]
    """The graph's state, as JSON."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    """Payloads of the pending interrupts, each with its ``id``."""
    next: tuple[str, ...] = ()
    """Nodes that would run next."""
    seconds: float = 0.0
    """Wall time of this drive."""
    created_at: str = ""
    """ISO time of the last checkpoint."""
    checkpoint_id: str = ""

    @property
    def deliverable(self) -> Deliverable | None:
        """The joined result; None before assembly."""
        raw = self.values.get("deliverable")
        return Deliverable.model_validate(raw) if raw else None

    @property
    def architecture(self) -> Architecture | None:
        """The plan; None before there is one."""
        raw = self.values.get("architecture")
        return Architecture.model_validate(raw) if raw else None


@dataclass(frozen=True)
class CheckpointSummary:
    """One line of a thread's history."""

    checkpoint_id: str
    created_at: str
    step: int
    next: tuple[str, ...]
    done: int
    """Modules done at that point."""
    modules: int
    """Modules planned at that point."""


def report_of(thread_id: str, snapshot: StateSnapshot, *, seconds: float = 0.0, drained: bool = False) -> RunReport:
    """Return where a run stands by its latest checkpoint.

    Args:
        thread_id: the run.
        snapshot: its latest checkpoint.
        seconds: wall time of the drive that led here.
        drained: whether that drive was asked to stop.
    """
    waiting = [{"id": found.id, **_payload(found.value)} for found in snapshot.interrupts]
    status = snapshot.values.get("status") or "empty"
    if waiting:
        status = "waiting"
    elif snapshot.next:
        status = "interrupted" if drained else "unfinished"
    return RunReport(
        thread_id=thread_id,
        status=status,
        values=snapshot.values,
        waiting=waiting,
        next=snapshot.next,
        seconds=seconds,
        created_at=snapshot.created_at or "",
        checkpoint_id=snapshot.config["configurable"].get("checkpoint_id", ""),
    )


def kind_of(found: Interrupt) -> str:
    """Return what an interrupt asks about: ``approval``, ``repair`` or ``budget``; '' for one that is not ours."""
    return str(_payload(found.value).get("kind", ""))


def _payload(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


def summary_of(snapshot: StateSnapshot) -> CheckpointSummary:
    """Return the line of a checkpoint in its thread's history."""
    results = snapshot.values.get("results") or {}
    return CheckpointSummary(
        checkpoint_id=snapshot.config["configurable"]["checkpoint_id"],
        created_at=snapshot.created_at or "",
        step=int((snapshot.metadata or {}).get("step", 0)),
        next=snapshot.next,
        done=len([result for result in results.values() if result["status"] == "done"]),
        modules=len((snapshot.values.get("architecture") or {}).get("modules", [])),
    )
