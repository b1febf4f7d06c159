"""The two consoles of a command: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from matrioska.cli.text import plain
from matrioska.i18n import told

# Tables that go into a file or a pipe should not be cut to the 80 columns of no terminal.
_PIPE_WIDTH = 160


class SteadyConsole(Console):
    """A console that falls silent when its reader goes away, instead of ending the run."""

    def on_broken_pipe(self) -> None:
        """See `Console.on_broken_pipe`."""
        self.quiet = True
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        except (OSError, ValueError):
            return


def make_console(stream: TextIO) -> SteadyConsole:
    """Return a console that takes no markup: text of models and people shows as it is."""
    terminal = stream.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return SteadyConsole(
        file=stream, markup=False, emoji=False, highlight=False, width=width, legacy_windows=None if terminal else False
    )


class Ui:
    """What one command shows, and how.

    Attributes:
        out: the result.
        err: progress, questions and errors.
        json: exactly one JSON object goes to stdout.
        quiet: no progress, one line of result.
        go_on: commands with which a person can go on after an error.
        details: what the JSON object of an error says besides the error.
        plan_is_given: a faulty plan would be the person's own, given with the command.
        stopped_said: the person was already told that the command stopped.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.out = make_console(sys.stdout)
        self.err = make_console(sys.stderr)
        self.json = json
        self.quiet = quiet
        self.go_on: list[str] = []
        self.details: dict[str, Any] = {}
        self.plan_is_given = False
        self.stopped_said = False

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return bool(sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() and not self.json)

    @property
    def live(self) -> bool:
        """Whether the progress may redraw the screen."""
        return bool(sys.stderr.isatty() and not self.err.is_dumb_terminal and not self.quiet and not self.json)

    def say(self, *parts: str | tuple[str, str] | Text, soft_wrap: bool = False) -> None:
        """Print a line of progress or advice."""
        # In a log, a sentence stays on its line.
        self.err.print(Text.assemble(*parts), soft_wrap=soft_wrap or not self.err.is_terminal)

    def suggest(self, commands: list[str]) -> None:
        """Print commands, each on a line of its own, unbroken so that they can be copied."""
        for found in commands:
            self.err.print(Text.assemble("  ", (plain(found), "cyan")), soft_wrap=True)

    def emit_json(self, value: dict[str, Any] | list[Any]) -> None:
        """Write the one JSON value of ``--json``."""
        utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
        text = json.dumps(value, ensure_ascii=not utf8, indent=2, default=str)
        sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
        sys.stdout.flush()

    def fail(self, code: str, message: str, next_step: str) -> None:
        """Report an error: one message, the next step, and how to go on; to people in their language."""
        self.say(("✗ ", "bold red"), plain(told(message)))
        if next_step:
            self.say(("  → ", "dim"), plain(told(next_step)))
        self.suggest(self.go_on)
        if self.json:
            error = {"code": code, "message": message, "next_step": next_step}
            self.emit_json({"status": "error", **self.details, "error": error, "go_on": self.go_on})


def show_text(out: Console, text: str) -> None:
    """Show what a model wrote: on a screen no word is broken, in a file or a pipe no line."""
    out.print(Text(plain(text.strip())), soft_wrap=not out.is_terminal)


_current: list[Ui] = []


def use(ui: Ui) -> Ui:
    """Make ``ui`` the one that errors are reported on, and return it."""
    _current[:] = [ui]
    return ui


def forget() -> None:
    """Forget the ui of an earlier command."""
    _current.clear()


def current() -> Ui:
    """Return the ui of the running command; a plain one before there is any."""
    return _current[0] if _current else Ui()
