"""The three shapes of the graph ``ensemble``: input, state and output. Every value is plain JSON."""

from __future__ import annotations

from typing import Any

# pydantic, which draws the schemas for Studio, refuses typing's own before Python 3.12.
from typing_extensions import TypedDict


class EnsembleInput(TypedDict):
    """What a caller gives."""

    query: str
    """What is asked, in words."""


class EnsembleOutput(TypedDict, total=False):
    """What a caller gets back: `EnsembleAnswer` as JSON, all of it written by synthesise."""

    answer: str
    """The answer to the whole query."""
    chunks: list[dict[str, Any]]
    """`ChunkResult` of each unit, in the order of the query."""
    votes: list[dict[str, Any]]
    """`NodeVote`s of all units."""
    timings: dict[str, float]
    """`Timings` in seconds at work; of a resumed run, those of the drive that ended each step."""
    synthesized_by: str
    """Model that wrote the answer; '' when none did."""
    missing: list[int]
    """Numbers of units that nobody answered."""


class EnsembleState(EnsembleInput, EnsembleOutput, total=False):
    """What the nodes share."""

    format: int
    """`STATE_FORMAT` of the code that began the thread; written by decompose."""
    turn: str
    """Token of the query, by which the journal knows what it led to, on a thread that had several; by decompose."""
    options: dict[str, Any]
    """`RunOptions` as JSON; written by decompose."""
    topology: dict[str, Any]
    """`Topology` as JSON, so that a resumed query is voted on by the nodes it was assigned to; by decompose."""
    assignments: list[dict[str, Any]]
    """`Assignment` of each unit, in the order of the query; written by decompose."""
    results: list[dict[str, Any]]
    """`ChunkResult` of each unit; written by vote, cleared by synthesise, which hands them over as ``chunks``."""
