"""Asking the person: at the plan, where modules failed, and at a used-up budget."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from matrioska.cli.budget_view import read_limit
from matrioska.cli.editor import edit_plan
from matrioska.cli.plan_view import architecture_of, is_large, show_every_module
from matrioska.cli.prompt import confirm, read_line
from matrioska.cli.questions import QUESTIONS, VIEW, Choice, question_of
from matrioska.cli.ui import Ui
from matrioska.i18n import _, figure
from matrioska.reports import RunReport
from matrioska.state.approval import Decision


def ask_person(ui: Ui, report: RunReport) -> Any | None:
    """Show what a run waits for and return the person's answer; None to leave it for later.

    Raises:
        KeyboardInterrupt: Ctrl-C or a signal.
    """
    request: Mapping[str, Any] = report.waiting[0]
    question = question_of(request)
    question.show(ui.err, request)
    _forget_typed_ahead()
    choices = (*question.choices, VIEW) if question is QUESTIONS["approval"] and is_large(request) else question.choices
    while True:
        choice = _choose(ui, choices)
        if choice is None or choice.act == "later":
            return None
        if choice.act == "view":
            show_every_module(ui.err, request)
        elif choice.act == "edit":
            plan = edit_plan(ui, architecture_of(request))
            if plan is not None:
                return Decision(type="edit", plan=plan)
        elif choice.act == "respond":
            text = read_line(ui, _(question.asks))
            if text and question is not QUESTIONS["budget"]:
                return Decision(type="respond", text=text)
            if text and (limit := read_limit(text)) is not None:
                return limit
            if text:
                ui.say((_("A limit is a number above 0, such as {example}.").format(example=figure(200_000)), "dim"))
        elif choice.act == "reject" and question.confirms and not confirm(ui, _(question.confirms)):
            continue
        else:
            return Decision(type="approve" if choice.act == "approve" else "reject")


def find_choice(typed: str, choices: tuple[Choice, ...]) -> Choice | None:
    """Return the choice that a person typed: its key, or the beginning of its words, in English or as shown."""
    word = typed.strip().casefold()
    if not word:
        return None
    for choice in choices:
        if word == choice.key or (len(word) > 1 and any(known.startswith(word) for known in _spellings(choice))):
            return choice
    return None


def _spellings(choice: Choice) -> list[str]:
    """Return the words that mean a choice; where the key stands before them, as in ``[e] editar``, without it too."""
    shown = [words.casefold() for words in (choice.words, _(choice.words))]
    behind = [words.partition("] ")[2] for words in shown if words.startswith("[")]
    return [*(words.replace("[", "").replace("]", "") for words in shown), *filter(None, behind), choice.act]


def _choose(ui: Ui, choices: tuple[Choice, ...]) -> Choice | None:
    ui.err.print()
    while True:
        typed = read_line(ui, "  ".join(_(choice.words) for choice in choices) + "  > ")
        if typed is None:
            return None
        if (choice := find_choice(typed, choices)) is not None:
            return choice
        before, keys, after = _("Type one of the letters {keys}, then Enter.").partition("{keys}")
        ui.say((before, "dim"), keys.format(keys=", ".join(choice.key for choice in choices)), (after, "dim"))


def _forget_typed_ahead() -> None:
    """Drop keys typed while the run worked: an old Enter must not answer a new question."""
    with contextlib.suppress(Exception):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
