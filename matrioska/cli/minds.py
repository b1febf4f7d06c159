"""What the screen knows of a cascade: its events in, one row for each mind out. Pure: no terminal, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from matrioska.cli.text import duration, line, listed
from matrioska.i18n import N_, _, told

#: Steps as a person would say them.
_DOING = {
    "analyse": N_("first thoughts"),
    "split": N_("dividing the question"),
    "reflect": N_("reflecting"),
    "critique": N_("criticising itself"),
    "synthesise": N_("writing its answer"),
}
# By then all children have answered, or failed.
_AFTER_CHILDREN = frozenset({"reflect", "critique", "synthesise"})
#: Characters kept of what a mind says at the moment.
_KEPT = 400


class MindPhase(StrEnum):
    """Where a mind stands, in English; `MindRow.state` says it in the language spoken."""

    QUIET = N_("not yet asked")
    ASKED = N_("asked")
    THINKING = N_("thinking")
    LISTENING = N_("waits for others")
    ANSWERED = N_("answered")
    IDLE = N_("had nothing to do")
    FAILED = N_("failed")


_ENDED = frozenset({MindPhase.ANSWERED, MindPhase.IDLE, MindPhase.FAILED})
_BY_STATUS = {"answered": MindPhase.ANSWERED, "idle": MindPhase.IDLE, "failed": MindPhase.FAILED}


@dataclass
class MindRow:
    """A line of the tree."""

    id: str
    name: str
    parent: str = ""
    depth: int = 0
    phase: MindPhase = MindPhase.QUIET
    doing: str = ""
    """The step under way, or the last one, in words."""
    said: str = ""
    """The end of what it says at the moment, or said last."""
    note: str = ""
    """Why it failed, or whose word is missing in its answer."""
    since: float | None = None
    """When its step began; None while it does not think."""
    worked: float = 0.0
    """Seconds of steps that ended."""
    changed: int = 0
    """Number of the event that touched it last."""

    def seconds(self, now: float) -> float:
        """Return the seconds it has thought so far."""
        return self.worked + (now - self.since if self.since is not None else 0.0)

    @property
    def state(self) -> str:
        """What it does, in words."""
        return self.doing if self.phase == MindPhase.THINKING else _(self.phase.value)


@dataclass
class MindsProgress:
    """State of the screen.

    Args:
        began: when the drive began, on the clock that `apply` is given.
    """

    began: float
    rows: dict[str, MindRow] = field(default_factory=dict)
    events: int = 0

    @property
    def is_begun(self) -> bool:
        """Whether any mind is known."""
        return bool(self.rows)

    def apply(self, event: Mapping[str, Any], now: float) -> None:
        """Take in one event; one of an unknown kind changes nothing."""
        self.events += 1
        kind = event.get("type")
        if kind == "minds":
            self._plant(event.get("minds") or [])
        elif kind == "mind":
            self._step(event, now)
        elif kind == "piece":
            row = self.row(event.get("mind"))
            row.said = "" if event.get("restart") else (row.said + str(event.get("text") or ""))[-_KEPT:]
        elif kind == "delegation":
            row = self.row(event.get("to"))
            row.phase, row.changed = MindPhase.ASKED, self.events
        elif kind == "reply":
            self._reply(event)

    def row(self, mind: Any) -> MindRow:
        """Return the row of a mind, a new one for a mind not heard of before."""
        name = str(mind or "")
        return self.rows.setdefault(name, MindRow(name, name))

    def name_of(self, mind: Any) -> str:
        """Return what a mind is called."""
        return self.row(mind).name

    def finish(self, now: float) -> None:
        """Close what is open: the drive ended."""
        for row in self.rows.values():
            self._rest(row, now)

    def _plant(self, minds: Iterable[Mapping[str, Any]]) -> None:
        for mind in minds:
            row = self.row(mind["id"])
            row.name, row.parent = str(mind.get("name") or row.id), str(mind.get("parent") or "")
            row.depth = self.rows[row.parent].depth + 1 if row.parent in self.rows else 0

    def _step(self, event: Mapping[str, Any], now: float) -> None:
        row, step = self.row(event.get("mind")), str(event.get("step") or "")
        row.changed = self.events
        if event.get("phase") == "begin":
            row.phase, row.since, row.said = MindPhase.THINKING, now, ""
            row.doing = doing(step, event.get("round"))
            self._infer(row, step)
            return
        self._rest(row, now)
        row.said = str(event.get("text") or "")[-_KEPT:] or row.said
        if row.phase == MindPhase.THINKING:
            row.phase = MindPhase.LISTENING if step == "split" else MindPhase.ASKED
        if event.get("phase") == "failed":
            row.note = line(told(event.get("error") or ""), 120)

    def _infer(self, row: MindRow, step: str) -> None:
        """Take in what happened before a stop, and sends no events again: who is asked has been asked by someone."""
        above = self.rows.get(row.parent)
        while above is not None and above.phase in (MindPhase.QUIET, MindPhase.ASKED):
            above.phase = MindPhase.LISTENING
            above = self.rows.get(above.parent)
        if step in _AFTER_CHILDREN:
            for child in self.rows.values():
                if child.parent == row.id and child.phase not in _ENDED:
                    child.phase = MindPhase.ANSWERED

    def _reply(self, event: Mapping[str, Any]) -> None:
        row = self.row(event.get("mind"))
        row.phase, row.changed = _BY_STATUS.get(str(event.get("status")), MindPhase.ANSWERED), self.events
        missing = [self.name_of(mind) for mind in event.get("missing") or [] if mind != row.id]
        if row.phase == MindPhase.ANSWERED:
            row.note = _("without {minds}").format(minds=listed(missing, 4)) if missing else ""

    def _rest(self, row: MindRow, now: float) -> None:
        if row.since is not None:
            row.worked, row.since = row.worked + now - row.since, None


def doing(step: str, number: Any = None) -> str:
    """Return a step in words, with the number of its round from the second on."""
    words = _(_DOING[step]) if step in _DOING else line(step, 20)
    return f"{words} ({number})" if isinstance(number, int) and number > 1 else words


def minds_line(event: Mapping[str, Any], progress: MindsProgress, now: float) -> str:
    """Return the line that a screen without redraw prints for an event; '' for none.

    ``progress`` has the event taken in already.
    """
    says = _says(event, progress)
    return f"[{duration(now - progress.began):>6}] {says}" if says else ""


def _says(event: Mapping[str, Any], progress: MindsProgress) -> str:
    kind = event.get("type")
    if kind == "delegation":
        return _("{mind} asks {other}: {question}").format(
            mind=_called(progress, event.get("mind")),
            other=_called(progress, event.get("to")),
            question=line(event.get("text") or "", 100),
        )
    name = _called(progress, event.get("mind"))
    if kind == "mind" and event.get("phase") == "end":
        said = f": {line(event.get('text') or '', 100)}" if event.get("text") else ""
        return f"{name}, {doing(str(event.get('step')), event.get('round'))}{said}"
    if kind == "mind" and event.get("phase") == "failed":
        reason = line(told(event.get("error") or ""), 120)
        return _("{mind}, {step}, failed: {reason}").format(
            mind=name, step=doing(str(event.get("step"))), reason=reason
        )
    if kind == "reply":
        row = progress.row(event.get("mind"))
        return f"{name} {_(row.phase.value)}" + (f": {row.note}" if row.note else "")
    return ""


def _called(progress: MindsProgress, mind: Any) -> str:
    return line(progress.name_of(mind), 40)
