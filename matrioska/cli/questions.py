"""What a run can wait for, each kind with how it is shown, offered and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from matrioska.cli.budget_view import show_budget
from matrioska.cli.plan_view import show_plan, show_repair
from matrioska.i18n import N_
from matrioska.reports import RunReport


@dataclass(frozen=True)
class Choice:
    """One answer that is offered. Its words are in English; they are put into another language where they are shown."""

    key: str
    words: str
    """With the key in brackets."""
    act: str
    """``approve``, ``edit``, ``respond``, ``reject``, ``later`` or ``view``."""


@dataclass(frozen=True)
class Question:
    """One kind of question. Its texts are in English; they are put into another language where they are shown."""

    show: Callable[[Console, Mapping[str, Any]], None]
    waits: str
    """Why the run waits."""
    choices: tuple[Choice, ...]
    commands: tuple[tuple[list[str], str], ...]
    """Options of ``resume`` that answer it, each with what it means."""
    asks: str
    """Question for the text of a response; '' when it takes none."""
    confirms: str = ""
    """Question before a refusal; '' when it needs none."""


_LATER = Choice("l", N_("[l]ater"), "later")
#: Offered besides where a plan is too large to be shown whole.
VIEW = Choice("v", N_("[v]iew every module"), "view")

QUESTIONS = {
    "approval": Question(
        show_plan,
        N_("The plan waits for your approval."),
        (
            Choice("a", N_("[a]pprove"), "approve"),
            Choice("e", N_("[e]dit"), "edit"),
            Choice("r", N_("[r]espond"), "respond"),
            Choice("j", N_("re[j]ect"), "reject"),
            _LATER,
        ),
        (
            (["--approve"], N_("build it")),
            (["--edit", "FILE"], N_("build your plan")),
            (["--respond", "TEXT"], N_("ask for another plan")),
            (["--reject"], N_("refuse it")),
        ),
        N_("What should change? "),
        N_("Refuse the plan? The run ends with it."),
    ),
    "repair": Question(
        show_repair,
        N_("Modules failed, and the run waits for your decision."),
        (
            Choice("r", N_("[r]etry"), "approve"),
            Choice("e", N_("[e]dit the plan"), "edit"),
            Choice("h", N_("[h]int"), "respond"),
            Choice("w", N_("go on [w]ithout them"), "reject"),
            _LATER,
        ),
        (
            (["--approve"], N_("try again")),
            (["--edit", "FILE"], N_("change the plan")),
            (["--respond", "TEXT"], N_("give a hint")),
            (["--reject"], N_("go on without them")),
        ),
        N_("A hint for the modules that failed: "),
    ),
    "budget": Question(
        show_budget,
        N_("The budget is used up, and the run waits for you to raise it."),
        (
            Choice("m", N_("as [m]uch again"), "approve"),
            Choice("s", N_("[s]et the limit"), "respond"),
            Choice("e", N_("[e]nd here"), "reject"),
            _LATER,
        ),
        (
            (["--approve"], N_("as much again")),
            (["--budget-tokens", "N"], N_("another limit (or --budget-cost, --timeout)")),
            (["--reject"], N_("end here, with what there is")),
        ),
        N_("New limit (a number): "),
        N_("End here? What is not built yet stays missing."),
    ),
}


def question_of(request: Mapping[str, Any]) -> Question:
    """Return the kind of a pending question; one that is not ours is asked like an approval."""
    return QUESTIONS.get(str(request.get("kind")), QUESTIONS["approval"])


def question_in(report: RunReport) -> Question:
    """Return the kind of question that a waiting run asks first."""
    return question_of(report.waiting[0])
