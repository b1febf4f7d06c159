"""The three shapes of the graph ``matrioska`` (input, state, output) and the module's own state.

Every value is plain JSON: nodes validate it into the pydantic types of this room at their
door. A change that older code could not read raises `STATE_FORMAT`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from matrioska.state.reducers import add_usage, merge_by_key

#: Version of the saved state. Older versions open; newer ones are refused by name.
STATE_FORMAT = 1


class MatrioskaInput(TypedDict):
    """What a caller gives."""

    task: str
    """The big task, in the person's words."""


class MatrioskaOutput(TypedDict, total=False):
    """What a caller gets back."""

    status: str
    """``complete``, ``partial`` or ``failed``; written by deliver."""
    deliverable: dict[str, Any]
    """`Deliverable` as JSON; written by assemble, completed by deliver."""
    findings: list[dict[str, Any]]
    """`Finding`s that remain, as JSON; written by verify."""
    architecture: dict[str, Any]
    """`Architecture` as JSON; written by architect and approval."""
    shared_state: dict[str, Any]
    """The whiteboard: value by key; written by execute."""
    error: dict[str, Any] | None
    """`ErrorRecord` of what ended a run without a deliverable; None when nothing did."""


class MatrioskaState(MatrioskaInput, MatrioskaOutput, total=False):
    """What the nodes share."""

    format: int
    """`STATE_FORMAT` of the code that began the thread; written by architect."""
    options: dict[str, Any]
    """`RunOptions` as JSON, so that a resumed run goes by what it began with; by architect."""
    approval: dict[str, Any]
    """`Decision` of the person, as JSON; written by approval."""
    results: Annotated[dict[str, dict[str, Any]], merge_by_key]
    """`ModuleResult` by module id, as JSON; written by execute. None drops one (redo)."""
    feedback: dict[str, list[str]]
    """Complaints for modules to mend, by module id; written by verify, cleared by execute."""
    rounds: int
    """Refinements made so far; written by verify, cleared by approval."""
    repair: dict[str, Any]
    """The decision taken on failed modules; written by repair."""
    usage: Annotated[dict[str, float], add_usage]
    """`Usage` of the whole thread; every node that calls a model adds to it."""
    notes: Annotated[dict[str, str], merge_by_key]
    """Remarks for the person, by stable name; any node."""


class ModuleInput(TypedDict, total=False):
    """What one stage of one module is given: its own spec and reads, nothing else."""

    stage: str
    """``agree``, ``produce`` or ``mend``."""
    spec: dict[str, Any]
    """`ModuleSpec` as JSON."""
    project: dict[str, Any]
    """Name, goal, constraints and language of the plan."""
    values: dict[str, Any]
    """Whiteboard values that the module declared to read."""
    promised: dict[str, Any] | None
    """Values agreed before; None when the stage is to write them itself."""
    wanted: list[str]
    """Whiteboard keys that this stage must write."""
    files: list[dict[str, Any]]
    """`ArtifactRef`s of the module's present files, for ``mend``."""
    readable: dict[str, list[dict[str, Any]]]
    """`ArtifactRef`s of the modules named in ``artifact_reads``, by module id."""
    complaints: list[str]
    """Faults to mend."""
    direct: bool
    """Whether the module is the whole plan."""


class ModuleState(ModuleInput, total=False):
    """State of the module subgraph."""

    package: dict[str, Any]
    """The context package: prompt sections and the record of what went in; by distill."""
    answer: str
    """The model's last answer; written by agree, produce and mend, dropped by check."""
    written: dict[str, Any]
    """Values written so far; by check."""
    mends: int
    """Mends made; by mend."""
    passed: bool
    """Whether the last check found nothing; by check."""
    usage: Annotated[dict[str, float], add_usage]
    """Cost of the module's calls in this stage."""
