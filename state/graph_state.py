"""The three shapes of the graph ``matrioska`` (input, state, output) and the module's own state.

Every value is plain JSON: nodes validate it into the pydantic types of this room at their
door. A change that older code could not read raises `STATE_FORMAT`.
"""

from __future__ import annotations

from typing import Annotated, Any

# pydantic, which draws the schemas for Studio, refuses typing's own before Python 3.12.
from typing_extensions import TypedDict

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
    turn: str
    """Token of the task, by which the journal knows what it led to, on a thread that had several; by architect."""
    options: dict[str, Any]
    """`RunOptions` as JSON, so that a resumed run goes by what it began with; by architect."""
    approval: dict[str, Any]
    """`Decision` on the plan, as JSON, with ``by`` (``person``, or ``architect`` in a run that approves by itself) and
    ``edited`` when the plan is by the person's hand; by approval."""
    results: Annotated[dict[str, dict[str, Any]], merge_by_key]
    """`ModuleResult` by module id, as JSON; written by execute. None drops one (redo)."""
    feedback: dict[str, list[str]]
    """Complaints for modules to mend, by module id; written by verify, reconcile and review, cleared by execute."""
    rounds: int
    """Refinements made so far; written by verify, cleared by approval."""
    repair: dict[str, Any]
    """The decision taken on failed modules; written by repair."""
    usage: Annotated[dict[str, float], add_usage]
    """`Usage` of the whole thread; every node that calls a model adds to it."""
    reasoning: Annotated[dict[str, str], merge_by_key]
    """SHA-256, in the artifact store, of what models thought aloud in their last answer to each question:
    by ``plan``, ``assemble`` or ``<module>.<stage>``; by whoever asked. Absent where there was nothing."""
    assets: dict[str, dict[str, Any]]
    """`Asset` by name, as JSON: what the project held when the run was planned; written by architect."""
    claims: list[dict[str, Any]]
    """`Claim`s that nobody has settled yet, as JSON; written by execute, cleared by reconcile."""
    settlements: Annotated[dict[str, dict[str, Any]], merge_by_key]
    """`Settlement` by ``value:<key>`` or ``file:<path>``, as JSON; written by reconcile, taken away by execute when
    a module concerned begins anew."""
    hearings: int
    """Times that disputes were settled so far; written by reconcile, cleared by approval."""
    reviews: list[dict[str, Any]]
    """`Review` of each round so far, as JSON; written by review, cleared by approval."""
    notes: Annotated[dict[str, str], merge_by_key]
    """Remarks for the person, by stable name; any node."""


class ModuleInput(TypedDict, total=False):
    """What a stage of a module starts from. The bulk stands in the artifact store."""

    module: str
    """Id of the module."""
    stage: str
    """``agree``, ``produce`` or ``mend``."""
    job: str
    """SHA-256 of the stage's `Job` in the artifact store: all that the module may see."""
    options: dict[str, Any]
    """`RunOptions` as JSON."""


class ModuleState(ModuleInput, total=False):
    """State of the module subgraph."""

    package: str
    """SHA-256 of the context package in the artifact store; written by distill."""
    record: dict[str, Any]
    """What the package holds, with token counts, by distill; ``reasoning``, the digest of the last
    answer's, by agree, produce and mend."""
    files: list[dict[str, Any]]
    """`ArtifactRef`s written so far; by produce and mend."""
    values: dict[str, Any] | None
    """Whiteboard values written so far; by agree, produce and mend."""
    reached: list[dict[str, Any]]
    """`ArtifactRef`s of files written into folders beyond the module's own, with paths below the deliverable's
    root; by produce and mend."""
    argument: str
    """What the last answer that may hold claims said beside them; by agree, produce and mend."""
    unusable: str
    """Complaint about an answer that could not be read, '' when it could; by the same."""
    raw_answer: str
    """Start of an answer that could not be read."""
    complaints: list[str]
    """What the last check found; written by check."""
    fatal: bool
    """Whether the complaints leave nothing usable; written by check."""
    mends: int
    """Mends made; written by mend."""
    usage: Annotated[dict[str, float], add_usage]
    """Cost of the stage's calls."""
