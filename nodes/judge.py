"""The checks of a module, applied to an answer before it is kept: for workers that choose among several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matrioska.models.gateway import Reply
from matrioska.nodes.checks.contract import value_complaints
from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.checks.registry import Checked, module_complaints
from matrioska.nodes.claims import reached_path
from matrioska.nodes.replies import complaint_about
from matrioska.state.answers import parse_contract, parse_files, parse_json_object
from matrioska.state.artifacts import SourceFile
from matrioska.state.errors import AnswerError
from matrioska.state.jobs import Job


@dataclass(frozen=True)
class Judge:
    """Says what is wrong with an answer to a job.

    It finds what `keep_files` and `check` would complain of; it stores nothing and runs nothing.
    """

    job: Job
    present: Sequence[SourceFile] = ()
    """Files that stay unless the answer replaces them."""
    values: dict[str, Any] = field(default_factory=dict)
    """Values that stay unless the answer gives others."""

    def __call__(self, reply: Reply) -> list[str]:
        """Return the complaints about an answer; none for one that passes."""
        if complaint := complaint_about(reply):
            return [complaint]
        try:
            if self.job.kind == "agree":
                return value_complaints(own_values(parse_json_object(reply.text), self.job), self.job.wanted)
            return self._files(reply.text)
        except AnswerError as error:
            return [error.complaint]

    def _files(self, text: str) -> list[str]:
        module = self.job.spec.id
        # What reaches into other modules' folders, and values that it reads, are claims and no faults.
        blocks = [block for block in parse_files(text) if not reached_path(block.path, module)]
        new = [SourceFile(path=below_module(block.path, module), text=block.text) for block in blocks]
        values = own_values(parse_contract(text) or self.values or None, self.job)
        kept = {file.path: file for file in self.present} | {file.path: file for file in new}
        files = list(kept.values())
        faults = value_complaints(values, self.job.wanted) if self.job.wanted else []
        faults += file_complaints(files)
        return faults + module_complaints(Checked(self.job.spec, files, self.job.promised or values or {}))


def below_module(path: str, module_id: str) -> str:
    """Return a path below its module: models often repeat the folder that is theirs anyway, ``shop/app.js``."""
    return path.removeprefix("./").removeprefix(f"../{module_id}/").removeprefix(f"{module_id}/")


def own_values(values: dict[str, Any] | None, job: Job) -> dict[str, Any] | None:
    """Return the values without those that the module reads: of these it may think otherwise, and claim it."""
    return values and {key: value for key, value in values.items() if key not in job.spec.shared_state_reads}
