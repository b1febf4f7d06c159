"""The help in the reader's language: what the commands say, and what the parser adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matrioska.i18n import N_, _

#: What the parser puts around the help of a command.
_HEADINGS = frozenset({N_("Arguments"), N_("Options"), N_("Commands")})
_HELP = N_("Show this message and exit.")


def texts(command: Any) -> Iterator[str]:
    """Yield what a command and those below it say in their help.

    Args:
        command: a command as Typer makes it.
    """
    for said in (command.help, command.epilog, *(parameter.help for parameter in command.params)):
        if said:
            yield said
    for inner in getattr(command, "commands", {}).values():
        yield from texts(inner)


def translate(command: Any) -> None:
    """Put the help of a command, and of those below it, into the language spoken.

    Args:
        command: a command as Typer makes it; it is changed.
    """
    for said in (command, *command.params):
        for field in ("help", "epilog"):
            text = getattr(said, field, None)
            if text:
                setattr(said, field, _(text))
    command.context_class = _context(command.context_class)
    for inner in getattr(command, "commands", {}).values():
        translate(inner)


def _context(plain: Any) -> Any:
    """Return a context whose help has the parser's own words in the language spoken.

    Args:
        plain: the parser's class of contexts, wherever this Typer keeps it.
    """

    class Formatter(plain.formatter_class):  # type: ignore[misc]  # known only at run time
        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, _("Usage: ") if prefix is None else prefix)

        def write_heading(self, heading: str) -> None:
            super().write_heading(_(heading) if heading in _HEADINGS else heading)

        def write_dl(self, rows: Any, *args: Any, **kwargs: Any) -> None:
            told = [(first, _(_HELP) if second == _HELP else _extras(second)) for first, second in rows]
            super().write_dl(told, *args, **kwargs)

    class Context(plain):  # type: ignore[misc]
        formatter_class = Formatter

    return Context


def _extras(text: str) -> str:
    """Return a row of the help with what the parser adds at its end, such as ``[required]``, in the language spoken."""
    said, gap, added = text.rpartition("  [")
    if not gap or not added.endswith("]"):
        return text
    words = {"required": _("required")}
    parts = [words.get(part, part) for part in added[:-1].split("; ")]
    default = _("default: {value}")
    parts = [
        default.format(value=part.removeprefix("default: ")) if part.startswith("default: ") else part for part in parts
    ]
    return f"{said}  [{'; '.join(parts)}]"
