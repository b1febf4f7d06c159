"""The entry, and the boundary at which every error becomes one message and an exit code.

Nothing but the standard library is imported before the signals are in hand, so that Ctrl-C
in the first moments ends as quietly as later.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

COMPLETE, FAILED, USAGE, WAITING, INTERRUPTED = 0, 1, 2, 3, 130

#: Signals that came. Python can lose the exception that one raises, in a finalizer for example.
seen: list[int] = []


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the arguments; None takes the process's own.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    seen.clear()
    if "matrioska.cli.ui" in sys.modules:
        # An earlier call in this process left its own behind.
        sys.modules["matrioska.cli.ui"].forget()
    # Before the signals are ours: one that raises in the midst of it leaves Python without its stderr.
    _tolerate_any_text()
    restore: Callable[[], None] = _nothing
    try:
        restore = catch_signals()
        code = _traced(arguments, to_the_end=argv is None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        # All is said and saved: in our own process a late signal must not spoil the exit code.
        _ignore_signals() if argv is None else restore()
    if code == INTERRUPTED and not _said_more() and sys.stderr is not None:
        sys.stderr.write(f"\n{_stopped(arguments)}\n")
    if code == INTERRUPTED and argv is None:
        # Python would end by SIGINT, were the exception ever inside an `exec`, caught or not.
        leave_now(code)
    return code


def catch_signals() -> Callable[[], None]:
    """Make SIGINT and SIGTERM raise KeyboardInterrupt; return what undoes it."""
    try:
        before = {name: signal.signal(name, _interrupt) for name in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        # Not the main thread: whoever runs us there keeps the signals.
        return _nothing

    def restore() -> None:
        for name, handler in before.items():
            # None: the handler was not set from Python and cannot be put back.
            signal.signal(name, handler if handler is not None else signal.SIG_DFL)

    return restore


def _nothing() -> None:
    """Undo nothing."""


def leave_now(code: int) -> NoReturn:
    """End the process at once, without waiting for threads that still work for what was stopped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)


def _ignore_signals() -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    seen.append(number)
    raise KeyboardInterrupt


def _traced(arguments: list[str], *, to_the_end: bool) -> int:
    from matrioska.cli.tracing import sending
    from matrioska.i18n import speaking_everywhere

    with speaking_everywhere(*_languages(arguments)), sending(to_the_end=to_the_end):
        return _bounded(arguments)


def _stopped(arguments: list[str]) -> str:
    from matrioska.i18n import _, speaking_everywhere

    with speaking_everywhere(*_languages(arguments)):
        return _("Stopped before anything was begun.")


def _languages(arguments: list[str]) -> list[str]:
    """Return the language named, if any. It must be known before the arguments are read: for their help."""
    from matrioska.i18n import wished

    for at, word in enumerate(arguments):
        if not word.startswith("-"):
            break
        name, equals, given = word.partition("=")
        if name == "--lang":
            named = [given] if equals else arguments[at + 1 : at + 2]
            # That a language is not there is told in the one that would be spoken without it.
            return [*named, *wished()]
    return []


def _bounded(arguments: list[str]) -> int:
    from matrioska.cli.app import app
    from matrioska.cli.root import click_exceptions

    click_error, aborted = click_exceptions()
    from typer.main import get_command

    from matrioska.i18n import ENGLISH, spoken

    command = get_command(app)
    if spoken() != ENGLISH:
        from matrioska.cli.spoken import translate

        translate(command)
    try:
        ended = command.main(args=arguments, prog_name="matrioska", standalone_mode=False)
    except click_error as error:
        return _usage(error, "--json" in arguments)
    except aborted:
        return INTERRUPTED
    except BrokenPipeError:
        _mute_stdout()
        return FAILED
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback ever reaches a person unasked
        return report_error(error)
    return _flushed(ended if isinstance(ended, int) else COMPLETE)


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _mute_stdout()
    return code


def _usage(error: Any, as_json: bool) -> int:
    """Report a mistake in the arguments, found by the parser."""
    from matrioska.state.errors import UsageError

    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "matrioska"
    return report_error(UsageError(error.format_message(), next_step=f"See `{command} --help`."), as_json=as_json)


def report_error(error: Exception, *, as_json: bool = False) -> int:
    """Print one message with the next step, and return the exit code that goes with it."""
    from matrioska.cli.ui import current
    from matrioska.state.errors import MatrioskaError, PlanError, UsageError

    ui = current()
    ui.json = ui.json or as_json
    if isinstance(error, MatrioskaError):
        code = USAGE if isinstance(error, UsageError) or (isinstance(error, PlanError) and ui.plan_is_given) else FAILED
        ui.fail(error.code, error.message, error.next_step)
        return code
    if os.environ.get("MATRIOSKA_DEBUG"):
        traceback.print_exception(error)
    ui.fail(
        "unexpected",
        f"A fault in Matrioska: {type(error).__name__}: {error}",
        "Please report this line; with MATRIOSKA_DEBUG=1 it comes with a traceback.",
    )
    return FAILED


def _tolerate_any_text() -> None:
    """Let output that a terminal cannot show appear as '?', instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _mute_stdout() -> None:
    """Send what is left in the buffer nowhere: nobody reads it, and the exit must stay quiet."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def _said_more() -> bool:
    ui_module = sys.modules.get("matrioska.cli.ui")
    return ui_module is not None and ui_module.current().stopped_said
