"""Reading a line from the person."""

from __future__ import annotations

import contextlib
import sys

from rich.text import Text

from matrioska.cli.ui import Ui
from matrioska.i18n import _


def confirm(ui: Ui, question: str) -> bool:
    """Ask a question that only a clear yes answers."""
    typed = read_line(ui, _("{question} [y/N]").format(question=question) + " ")
    return typed is not None and typed.strip().casefold() in {"y", "yes", "s", "sim"}


def read_line(ui: Ui, prompt: str) -> str | None:
    """Read a line; None at the end of input."""
    try:
        return _read(ui, prompt).strip()
    except EOFError:
        ui.err.print()
        return None
    except KeyboardInterrupt:
        # What is said of it stands on a line of its own, not behind the question.
        ui.err.print()
        raise


def _read(ui: Ui, prompt: str) -> str:
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
