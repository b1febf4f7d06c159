"""What the monitor and the HTTP API show, as plain JSON. Every text in it is bounded.

Texts are what models, people and files said: whoever shows them shows them as text, never as markup.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from matrioska.state.text import clean_text

#: Longest one-line text, in characters.
MAX_LINE = 400
#: Longest text of a prompt or an answer.
MAX_TEXT = 100_000
#: Most entries of a list of findings, complaints or attempts.
MOST_ENTRIES = 500


def in_line(text: object) -> str:
    """Return a text in one line, of `MAX_LINE` characters at most."""
    if isinstance(text, str) and len(text) <= MAX_LINE and text.isascii() and text.isprintable() and "  " not in text:
        # Most are such a line: a run of 1,000 modules has 5,000 of them, looked at several times a second.
        return text.strip()
    joined = " ".join(clean_text(str(text or "")[: MAX_LINE * 4]).split())
    return joined if len(joined) <= MAX_LINE else joined[: MAX_LINE - 1].rstrip() + "…"


def bounded(text: object) -> str:
    """Return a text of `MAX_TEXT` characters at most; of a longer one the beginning, and how much was cut."""
    told = str(text or "")
    if len(told) <= MAX_TEXT:
        return clean_text(told)
    return f"{clean_text(told[:MAX_TEXT])}\n[{len(told) - MAX_TEXT:,} more characters were cut]"


Line = Annotated[str, BeforeValidator(in_line)]
Text = Annotated[str, BeforeValidator(bounded)]
Waiting = Literal["", "approval", "failures", "budget"]


class RunLine(BaseModel):
    """One run or question in the list."""

    thread: str
    graph: str = Field(description="matrioska, cascade, ensemble or single.")
    title: Line
    status: str = Field(
        description="working, complete, partial, failed, waiting (for a person), unfinished (died or was stopped), "
        "empty or unreadable."
    )
    updated: float = Field(description="Seconds since 1970.")
    modules: int = 0
    done: int = Field(default=0, description="Modules that are done.")
    tokens: int = 0
    cost: float = Field(default=0.0, description="US dollars.")
    here: bool = Field(default=False, description="Whether this process drives it.")


class FileView(BaseModel):
    """One file of a run."""

    path: str = Field(description="Below the deliverable's root; of a module's as it wrote them, below its id.")
    size: int = Field(description="Bytes.")
    media_type: str
    module: str = Field(default="", description="Whose it is; empty where several made it, or the assembly.")


class ModuleView(BaseModel):
    """One module of a run."""

    id: str
    name: Line = ""
    description: Line = ""
    state: str = Field(default="waiting", description="waiting, agreeing, agreed, producing, mending, done, failed …")
    depends_on: list[str] = Field(default_factory=list, description="All that it waits for, by id.")
    layer: int = Field(default=0, description="Longest way to it through the plan, in modules.")
    started: float | None = Field(default=None, description="Seconds since 1970.")
    ended: float | None = None
    tokens: int = 0
    seconds: float = Field(default=0.0, description="Spent on calls to models.")
    findings: int = 0
    mends: int = 0
    error: Line = ""
    critical: bool = Field(default=False, description="Whether it lies on the critical path.")
    model: Line = ""
    worker: Line = ""


class RunView(BaseModel):
    """A run as a whole."""

    line: RunLine
    task: Text
    status: str
    step: str = Field(default="", description="The step under way, or the one that comes next.")
    modules: list[ModuleView] = Field(default_factory=list)
    waiting: Waiting = ""
    question: dict[str, Any] | None = Field(default=None, description="What a person is asked, with its id.")
    plan: dict[str, Any] | None = None
    shared_state: dict[str, Any] = Field(default_factory=dict, description="The whiteboard: value by key.")
    findings: list[Line] = Field(default_factory=list)
    budget: dict[str, Any] = Field(default_factory=dict, description="Limits in force: tokens, cost, seconds.")
    spent: dict[str, Any] = Field(default_factory=dict, description="tokens, cost, seconds, calls.")
    critical_path: float = Field(default=0.0, description="Seconds that its longest chain of modules took.")
    files: list[FileView] = Field(default_factory=list)
    entry_point: str = ""
    error: dict[str, Any] | None = Field(default=None, description="What ended it: code, message, next_step.")
    events: int = Field(default=0, description="Id of the last event known; further ones follow it.")


class Attempt(BaseModel):
    """One call to a model, and what became of its answer."""

    stage: str
    prompt: list[dict[str, Any]] = Field(default_factory=list, description="role and content of each message.")
    answer: Text = ""
    model: Line = ""
    tokens: int = 0
    seconds: float = 0.0
    at: float = Field(default=0.0, description="Seconds since 1970.")
    error: Text = ""
    complaints: list[Line] = Field(default_factory=list, description="What the checks then found.")


class ModuleDetail(BaseModel):
    """One module, opened."""

    view: ModuleView
    contract: dict[str, Any] = Field(default_factory=dict, description="Its spec in the plan.")
    package: dict[str, Any] = Field(
        default_factory=dict, description="Its context: what was included, compressed, left out, with tokens."
    )
    attempts: list[Attempt] = Field(default_factory=list)
    files: list[FileView] = Field(default_factory=list)
    findings: list[Line] = Field(default_factory=list)


class CheckpointView(BaseModel):
    """One line of a run's history."""

    id: str
    at: float = Field(description="Seconds since 1970.")
    step: int
    next: list[str] = Field(description="Steps that come next; none at the end.")
    done: int = Field(description="Modules done at that point.")
    modules: int = Field(description="Modules planned at that point.")


class MindView(BaseModel):
    """One mind of a cascade, or one node of an ensemble."""

    id: str
    name: Line = ""
    parent: str = Field(default="", description="Id of the mind that asks it; empty at the root.")
    state: str = Field(default="waiting", description="waiting, working, answered, idle or failed.")
    question: Text = ""
    reply: Text = ""
    model: Line = ""
    tokens: int = 0
    seconds: float = 0.0


class QuestionView(BaseModel):
    """A question to one model, the cascade or the ensemble."""

    line: RunLine
    question: Text
    answer: Text = ""
    missing: list[Line] = Field(default_factory=list)
    minds: list[MindView] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict, description="The whole answer: votes, replies, timings.")
    events: int = 0


class Event(BaseModel):
    """Something that happened. ``id`` grows by one with each event that is kept.

    Types: ``step``, ``module``, ``mind`` and the like as the graphs tell them; ``message`` (something was
    written into the journal), ``state`` (a checkpoint was saved: look again), ``piece`` (streaming text),
    ``status`` (the run began, waits, ended), and ``reset``: events were lost to you, look at the whole again.
    """

    id: int
    type: str
    data: dict[str, Any] = Field(default_factory=dict)
