"""The three shapes of the graph ``cascade``: input, state and output. Every value is plain JSON."""

from __future__ import annotations

from typing import Any

# pydantic, which draws the schemas for Studio, refuses typing's own before Python 3.12.
from typing_extensions import TypedDict


class CascadeInput(TypedDict):
    """What a caller gives."""

    question: str
    """What is asked, in words."""


class CascadeOutput(TypedDict, total=False):
    """What a caller gets back: `CascadeAnswer` as JSON, all of it written by think."""

    answer: str
    """The root's answer."""
    minds: list[dict[str, Any]]
    """`MindReply` of each mind, in the tree's order."""
    missing: list[str]
    """Ids of the minds whose word is missing."""
    usage: dict[str, Any]
    """`Usage` of all calls."""
    seconds: float
    """Seconds at work."""


class CascadeState(CascadeInput, CascadeOutput, total=False):
    """What the nodes share."""

    format: int
    """`STATE_FORMAT` of the code that began the thread; written by the first node."""
    turn: str
    """Token of this question, by which the journal knows what it led to; written by the first node."""
    options: dict[str, Any]
    """`RunOptions` as JSON; written by the first node."""
    tree: dict[str, Any]
    """`MindTree` as JSON, so that a resumed question is thought about by the same minds; by the first node."""
