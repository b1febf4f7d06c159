"""What `execute` says in the journal: which module is given what to do, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from matrioska.graph.schedule import Stage
from matrioska.models.recorder import current_recorder, voiced
from matrioska.nodes.recording import BOSS, defer
from matrioska.state.architecture import ModuleSpec
from matrioska.state.outcomes import Outcome

_ASKED = {"agree": "Agree on your values.", "produce": "Write your files.", "mend": "Mend your files."}


class Delegation:
    """One stage of a module, from its beginning to its end.

    It bears keys: a stage that begins anew after a kill says the same again, in the same places. So
    nobody waits for its end to be kept: one that is done, and was killed before that, gets it by `again`.

    Args:
        stage: the stage.
        spec: its module.
    """

    def __init__(self, stage: Stage, spec: ModuleSpec) -> None:
        self._stage = stage
        self._spec = spec
        self._message = ""

    @property
    def begun(self) -> bool:
        """Whether the module was told, on record, to work."""
        return bool(self._message)

    @contextmanager
    def working(self, complaints: list[str]) -> Iterator[None]:
        """Say what the module is to do; what is said inside answers that, unless it says otherwise.

        Args:
            complaints: what a mend is about.
        """
        stage, spec = self._stage, self._spec
        told = [spec.description, _ASKED[stage.kind], *complaints]
        told += [f"Reads: {', '.join(spec.shared_state_reads)}."] if spec.shared_state_reads else []
        told += [f"Writes: {', '.join(spec.shared_state_writes)}."] if spec.shared_state_writes else []
        self._message = current_recorder().note(
            "delegation",
            "\n".join(told),
            source=BOSS,
            destination=stage.module,
            key="delegation",
            status="open",
            details={"stage": stage.kind, "outputs": spec.outputs},
        )
        with voiced("response", stage.module, BOSS, self._message):
            yield

    def again(self, complaints: list[str], outcome: Outcome) -> None:
        """Say all of it once more, of a stage whose outcome was saved."""
        if outcome.delegated:
            with self.working(complaints):
                self.end(outcome)

    def end(self, outcome: Outcome) -> None:
        """Say what came of it. What was never begun, since its result was there, says so in one line."""
        said, module = current_recorder(), self._stage.module
        failed = outcome.status != "done"
        if self._message:
            said.close(self._message, "failed" if failed else "done")
        if failed:
            blocked = f"{module} waits for what failed: {', '.join(outcome.blocked_by)}."
            told = outcome.error.message if outcome.error else blocked
        elif not self._message:
            told = f"{module} has done this before: its result stands."
        else:
            told = _done(outcome)
        said.note(
            "error" if failed else "response" if self._message else "status",
            told,
            source=module,
            destination=BOSS,
            parent=self._message,
            key="end",
            status="failed" if failed else "done",
            details={"stage": self._stage.kind, "usage": outcome.usage.model_dump(), "findings": outcome.findings},
        )
        if self.begun:
            defer()


def _done(outcome: Outcome) -> str:
    """Return what a module hands over, by name."""
    told = [f"Files: {', '.join(ref.path for ref in outcome.artifacts)}."] if outcome.artifacts else []
    told += [f"Values: {', '.join(sorted(outcome.values))}."] if outcome.values else []
    return "\n".join(told) or "Done."
