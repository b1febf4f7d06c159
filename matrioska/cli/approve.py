"""Asking the person: at the plan, where modules failed, and at a used-up budget."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from matrioska.cli.editor import edit_plan
from matrioska.cli.plan_view import architecture_of
from matrioska.cli.questions import QUESTIONS, Choice, question_of
from matrioska.cli.ui import Ui
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
    while True:
        choice = _choose(ui, question.choices)
        if choice is None or choice.act == "later":
            return None
        if choice.act == "edit":
            plan = edit_plan(ui, architecture_of(request))
            if plan is not None:
                return Decision(type="edit", plan=plan)
        elif choice.act == "respond":
            text = _line(ui, question.asks)
            if text:
                # A budget takes a bare number; read_raise complains of anything else.
                return text if question is QUESTIONS["budget"] else Decision(type="respond", text=text)
        elif choice.act == "reject" and question.confirms and not confirm(ui, question.confirms):
            continue
        else:
            return Decision(type="approve" if choice.act == "approve" else "reject")


def find_choice(typed: str, choices: tuple[Choice, ...]) -> Choice | None:
    """Return the choice that a person typed: its key, or the beginning of its words."""
    word = typed.strip().casefold()
    if not word:
        return None
    for choice in choices:
        plain_words = choice.words.replace("[", "").replace("]", "")
        if word == choice.key or (len(word) > 1 and (plain_words.startswith(word) or choice.act.startswith(word))):
            return choice
    return None


def _choose(ui: Ui, choices: tuple[Choice, ...]) -> Choice | None:
    ui.err.print()
    while True:
        typed = _line(ui, "  ".join(choice.words for choice in choices) + "  > ")
        if typed is None:
            return None
        if (choice := find_choice(typed, choices)) is not None:
            return choice
        keys = ", ".join(choice.key for choice in choices)
        ui.say(("Type one of the letters ", "dim"), keys, (", then Enter.", "dim"))


def confirm(ui: Ui, question: str) -> bool:
    """Ask a question that only a clear yes answers."""
    typed = _line(ui, f"{question} [y/N] ")
    return typed is not None and typed.strip().casefold() in {"y", "yes", "s", "sim"}


def _line(ui: Ui, prompt: str) -> str | None:
    """Read a line; None at the end of input."""
    try:
        return _read_line(ui, prompt).strip()
    except EOFError:
        ui.err.print()
        return None


def _read_line(ui: Ui, prompt: str) -> str:
    if sys.stdout.isatty():
        with contextlib.suppress(ImportError):
            # Arrow keys and deletion of whole characters, where the system has it.
            import readline  # noqa: F401
        return input(prompt)
    # The result goes elsewhere, and `input` would write its prompt there.
    ui.err.print(Text(prompt), end="", soft_wrap=True)
    ui.err.file.flush()
    if not (typed := sys.stdin.readline()):
        raise EOFError
    return typed


def _forget_typed_ahead() -> None:
    """Drop keys typed while the run worked: an old Enter must not answer a new question."""
    with contextlib.suppress(Exception):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
