"""What a run can wait for, each kind with how it is shown, offered and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from matrioska.cli.budget_view import show_budget
from matrioska.cli.plan_view import show_plan, show_repair
from matrioska.reports import RunReport


@dataclass(frozen=True)
class Choice:
    """One answer that is offered."""

    key: str
    words: str
    """With the key in brackets."""
    act: str
    """``approve``, ``edit``, ``respond``, ``reject`` or ``later``."""


@dataclass(frozen=True)
class Question:
    """One kind of question."""

    show: Callable[[Console, Mapping[str, Any]], None]
    waits: str
    """Why the run waits, as the beginning of a sentence."""
    choices: tuple[Choice, ...]
    commands: tuple[tuple[list[str], str], ...]
    """Options of ``resume`` that answer it, each with what it means."""
    asks: str
    """Question for the text of a response; '' when it takes none."""
    confirms: str = ""
    """Question before a refusal; '' when it needs none."""


_LATER = Choice("l", "[l]ater", "later")

QUESTIONS = {
    "approval": Question(
        show_plan,
        "The plan waits for your approval",
        (
            Choice("a", "[a]pprove", "approve"),
            Choice("e", "[e]dit", "edit"),
            Choice("r", "[r]espond", "respond"),
            Choice("j", "re[j]ect", "reject"),
            _LATER,
        ),
        (
            (["--approve"], "build it"),
            (["--edit", "FILE"], "build your plan"),
            (["--respond", "TEXT"], "ask for another plan"),
            (["--reject"], "refuse it"),
        ),
        "What should change? ",
        "Refuse the plan? The run ends with it.",
    ),
    "repair": Question(
        show_repair,
        "Modules failed, and the run waits for your decision",
        (
            Choice("r", "[r]etry", "approve"),
            Choice("e", "[e]dit the plan", "edit"),
            Choice("h", "[h]int", "respond"),
            Choice("w", "go on [w]ithout them", "reject"),
            _LATER,
        ),
        (
            (["--approve"], "try again"),
            (["--edit", "FILE"], "change the plan"),
            (["--respond", "TEXT"], "give a hint"),
            (["--reject"], "go on without them"),
        ),
        "A hint for the modules that failed: ",
    ),
    "budget": Question(
        show_budget,
        "The budget is used up, and the run waits for you to raise it",
        (
            Choice("m", "as [m]uch again", "approve"),
            Choice("s", "[s]et the limit", "respond"),
            Choice("e", "[e]nd here", "reject"),
            _LATER,
        ),
        (
            (["--approve"], "as much again"),
            (["--budget-tokens", "N"], "another limit (or --budget-cost, --timeout)"),
            (["--reject"], "end here, with what there is"),
        ),
        "New limit (a number): ",
        "End here? What is not built yet stays missing.",
    ),
}


def question_of(request: Mapping[str, Any]) -> Question:
    """Return the kind of a pending question; one that is not ours is asked like an approval."""
    return QUESTIONS.get(str(request.get("kind")), QUESTIONS["approval"])


def question_in(report: RunReport) -> Question:
    """Return the kind of question that a waiting run asks first."""
    return question_of(report.waiting[0])
