"""The plan: what the architect proposes and the person approves."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from matrioska.state.repository import Term

Text = Annotated[str, Field(max_length=20_000)]
ShortText = Annotated[str, Field(max_length=400)]
Name = Annotated[str, Field(max_length=200)]
#: Most names in any list of a module.
MOST_NAMES = 500
Names = Annotated[list[Name], Field(max_length=MOST_NAMES)]

#: Largest plan accepted: far above any plan seen, low enough to bound memory and time.
MAX_MODULES = 5_000

#: Longest task and goal, in characters.
MAX_GOAL = 100_000

#: ISO 639's code for a language that nobody has named.
UNDETERMINED = "und"

#: Id of the one module of a task that is not planned.
DIRECT_MODULE = "deliverable"

#: The kinds of work that are built in; plugins may add adapters for more.
MODALITIES = ("code", "prose", "data", "vision", "audio")
Modality = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ModuleSpec(BaseModel):
    """One module of the plan and its contract with the others.

    Ids and paths are checked by the plan checks, which report every fault at once, and not
    here, where the first one would hide the rest.
    """

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    id: Name
    """Name of the module in the graph: ``^[a-z][a-z0-9_-]{0,63}$``."""
    name: Name = ""
    """Title for people."""
    description: Text = ""
    """The manual: what to build, in full sentences."""
    inputs: list[ShortText] = Field(default_factory=list, max_length=100)
    """What the module is given, in words."""
    outputs: list[ShortText] = Field(default_factory=list, max_length=100)
    """What the module must hand over, in words (file names welcome)."""
    dependencies: Names = Field(default_factory=list)
    """Ids of modules that must come first."""
    rules: list[Annotated[str, Field(max_length=2_000)]] = Field(default_factory=list, max_length=100)
    """What the module must keep to."""
    shared_state_reads: Names = Field(default_factory=list)
    """Whiteboard keys whose values the module is given."""
    shared_state_writes: Names = Field(default_factory=list)
    """Whiteboard keys that only this module writes."""
    worker: Name = "chat"
    """Way of doing the module."""
    model: Name | None = None
    """``provider:model`` for this module; None takes the run's worker model."""
    modality: Modality = "code"
    """Kind of work, chooses how context is presented."""
    size: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Estimate of the effort, in any unit common to the plan; orders the schedule."""
    artifact_reads: Names = Field(default_factory=list)
    """Ids of modules whose files (not only values) the module is given."""
    contract_first: bool = True
    """False when the written values are known only after the work is done."""
    asset_reads: Names = Field(default_factory=list)
    """Names of the project's assets that the module is given; ``images/*`` stands for all that match."""
    worker_options: dict[str, Any] = Field(default_factory=dict)
    """What the worker must know besides: for ``pipeline`` its ``task`` and ``parameters`` (docs/pipelines.md)."""

    @property
    def title(self) -> str:
        """The name for people; the id when no name was given."""
        return self.name or self.id


class Architecture(BaseModel):
    """A whole plan."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: Name = "project"
    """Title of the project."""
    goal: Annotated[str, Field(max_length=MAX_GOAL)] = ""
    """What the person wants, complete enough for a module that never sees the task."""
    constraints: list[Annotated[str, Field(max_length=2_000)]] = Field(default_factory=list, max_length=100)
    """What holds for every module."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] = "en"
    """Language of the deliverable, as an ISO 639 code; `UNDETERMINED` for the goal's own."""
    guidelines: list[Annotated[str, Field(max_length=2_000)]] = Field(default_factory=list, max_length=100)
    """Style guidelines, for the kinds of work that have a style."""
    timeline: list[Annotated[str, Field(max_length=2_000)]] = Field(default_factory=list, max_length=100)
    """What comes when, in words."""
    glossary: list[Term] = Field(default_factory=list, max_length=200)
    """Terms that mean the same under other names in other domains."""
    modules: list[ModuleSpec] = Field(min_length=1, max_length=MAX_MODULES)

    def module(self, module_id: str) -> ModuleSpec:
        """Return the module with that id.

        Raises:
            KeyError: no such module.
        """
        for spec in self.modules:
            if spec.id == module_id:
                return spec
        raise KeyError(module_id)

    @property
    def is_direct(self) -> bool:
        """Whether the plan is a single module, which needs no assembly."""
        return len(self.modules) == 1
