"""What the screen knows of a running run: progress events in, phases and module rows out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matrioska.cli.text import duration, line, listed
from matrioska.i18n import _, counted, told
from matrioska.state.results import Phase

STEPS = ("architect", "approval", "execute", "assemble", "verify", "deliver")
WORKING = frozenset({Phase.AGREEING, Phase.PRODUCING, Phase.MENDING})
_PHASES = {phase.value: phase for phase in Phase}


@dataclass
class ModuleRow:
    """A line of the module table."""

    id: str
    phase: Phase = Phase.WAITING
    since: float | None = None
    """When it began to work; None while it does not."""
    worked: float = 0.0
    """Seconds of work that ended."""
    tokens: int = 0
    files: int = 0
    note: str = ""
    """Why it failed, or what it waits for."""
    changed: int = 0
    """Number of the event that touched it last."""

    def seconds(self, now: float) -> float:
        """Return the seconds it worked so far."""
        return self.worked + (now - self.since if self.since is not None else 0.0)


@dataclass
class StepRow:
    """A step of the run."""

    name: str
    began: float
    ended: float | None = None

    def seconds(self, now: float) -> float:
        """Return the seconds it took, so far."""
        return (self.ended if self.ended is not None else now) - self.began


@dataclass
class Progress:
    """State of the screen.

    Args:
        began: when the drive began, on the clock that `apply` is given.
    """

    began: float
    steps: dict[str, StepRow] = field(default_factory=dict)
    modules: dict[str, ModuleRow] = field(default_factory=dict)
    base_tokens: int = 0
    """Tokens of everything that was saved when the present step began."""
    step_tokens: int = 0
    """Tokens of the present step so far."""
    events: int = 0

    @property
    def is_begun(self) -> bool:
        """Whether any module has been worked on."""
        return any(row.changed for row in self.modules.values())

    @property
    def tokens(self) -> int:
        """Tokens of the whole run so far."""
        return self.base_tokens + self.step_tokens

    @property
    def current(self) -> str:
        """Name of the step that runs; '' before the first."""
        return next((row.name for row in self.steps.values() if row.ended is None), "")

    def counts(self) -> dict[Phase, int]:
        """Return how many modules are in each phase, phases in their natural order."""
        found = Counter(row.phase for row in self.modules.values())
        return {phase: found[phase] for phase in Phase if found[phase]}

    def apply(self, event: Mapping[str, Any], now: float) -> None:
        """Take in one event; one of an unknown kind changes nothing."""
        self.events += 1
        if event.get("type") == "step":
            self._step(event, now)
        elif event.get("type") == "module" and event.get("phase") in _PHASES:
            self._module(event, now)

    def saved_usage(self, usage: Mapping[str, Any]) -> None:
        """Take in what the whole run had cost when the present step began."""
        self.base_tokens, self.step_tokens = _tokens(usage), 0

    def saved_outcome(self, stage: str, outcome: Mapping[str, Any]) -> None:
        """Take in a stage that ended before the run was cut off: it sends no events again."""
        module, _dot, kind = stage.rpartition(".")
        row = self.modules.setdefault(module, ModuleRow(module))
        status = outcome.get("status", "done")
        if status != "done":
            row.phase = Phase.FAILED if status == "failed" else Phase.BLOCKED
        elif kind != "agree":
            row.phase = Phase.DONE
        elif row.phase == Phase.WAITING:
            row.phase = Phase.AGREED
        self._spend(row, outcome.get("usage") or {})

    def finish(self, now: float) -> None:
        """Close what is open: the drive ended."""
        for step in self.steps.values():
            if step.ended is None:
                step.ended = now
        for row in self.modules.values():
            self._rest(row, now)

    def _step(self, event: Mapping[str, Any], now: float) -> None:
        for open_step in self.steps.values():
            if open_step.ended is None:
                open_step.ended = now
        name = str(event.get("step", ""))
        before = self.steps.pop(name, None)
        # A step that comes again (another round, after a repair) goes on counting.
        self.steps[name] = StepRow(name, now - (before.seconds(now) if before else 0.0))
        if name == "execute":
            self._begin_pass(event)

    def _begin_pass(self, event: Mapping[str, Any]) -> None:
        for module in event.get("settled") or []:
            self.modules.setdefault(module, ModuleRow(module)).phase = Phase.DONE
        for stage in event.get("stages") or []:
            module, _dot, kind = str(stage).rpartition(".")
            row = self.modules.setdefault(module, ModuleRow(module))
            row.phase, row.note = Phase.WAITING, _("to mend") if kind == "mend" else ""

    def _module(self, event: Mapping[str, Any], now: float) -> None:
        name, phase = str(event.get("module", "")), _PHASES[event["phase"]]
        row = self.modules.setdefault(name, ModuleRow(name))
        row.phase, row.changed = phase, self.events
        if phase in WORKING:
            row.since, row.note = (now if row.since is None else row.since), ""
            if event.get("complaints"):
                row.note = line(told(str(event["complaints"][0])), 120)
            return
        self._rest(row, now)
        self._spend(row, event.get("usage") or {})
        row.files = len(event.get("files") or []) or row.files
        row.note = _note(event)

    def _spend(self, row: ModuleRow, usage: Mapping[str, Any]) -> None:
        row.tokens += _tokens(usage)
        self.step_tokens += _tokens(usage)

    def _rest(self, row: ModuleRow, now: float) -> None:
        if row.since is not None:
            row.worked, row.since = row.worked + now - row.since, None


def _tokens(usage: Mapping[str, Any]) -> int:
    return int(usage.get("input_tokens") or 0) + int(usage.get("output_tokens") or 0)


def _note(event: Mapping[str, Any]) -> str:
    if event.get("error"):
        return line(told(str(event["error"])), 120)
    if event.get("blocked_by"):
        return _("waits for {modules}").format(modules=listed(event["blocked_by"], 3))
    return _("unchanged") if event.get("reused") else ""


def phase_word(phase: Phase) -> str:
    """Return the word for where a module stands."""
    return {
        Phase.WAITING: _("waiting"),
        Phase.AGREEING: _("agreeing"),
        Phase.AGREED: _("agreed"),
        Phase.PRODUCING: _("producing"),
        Phase.MENDING: _("mending"),
        Phase.DONE: _("done"),
        Phase.FAILED: _("failed"),
        Phase.BLOCKED: _("blocked"),
    }[phase]


def step_word(step: str) -> str:
    """Return the word for a step; one that is not known stands for itself."""
    return {
        "architect": _("architect"),
        "approval": _("approval"),
        "execute": _("execute"),
        "reconcile": _("reconcile"),
        "repair": _("repair"),
        "assemble": _("assemble"),
        "verify": _("verify"),
        "review": _("review"),
        "deliver": _("deliver"),
        "remember": _("remember"),
    }.get(step, step)


def event_line(event: Mapping[str, Any], progress: Progress, now: float) -> str:
    """Return the line that a screen without redraw prints for an event; '' for none.

    ``progress`` has the event taken in already.
    """
    elapsed = f"[{duration(now - progress.began):>6}]"
    if event.get("type") == "step":
        stages = event.get("stages")
        modules = {str(stage).rpartition(".")[0] for stage in stages} if stages else set()
        step = step_word(line(event.get("step", ""), 40))
        return f"{elapsed} {step}" + (f": {counted('{n} module', '{n} modules', len(modules))}" if modules else "")
    row = progress.modules.get(str(event.get("module", "")))
    if event.get("type") != "module" or row is None:
        return ""
    facts = [duration(row.seconds(now))] if row.phase not in WORKING else []
    facts += [counted("{n} token", "{n} tokens", row.tokens)] if row.tokens and row.phase == Phase.DONE else []
    facts += [counted("{n} file", "{n} files", row.files)] if row.files and row.phase == Phase.DONE else []
    facts += [row.note] if row.note else []
    return f"{elapsed}   {line(row.id, 64)} {phase_word(row.phase)}" + (f" ({'; '.join(facts)})" if facts else "")
