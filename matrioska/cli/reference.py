"""The text of ``docs/cli.md``, from the commands themselves: ``python -m matrioska.cli.reference``."""

from __future__ import annotations

import sys
from typing import Any

from typer.main import get_command

from matrioska.cli.app import app

_HEAD = """\
# The command line

Written by `python -m matrioska.cli.reference > docs/cli.md`; a test compares the two.

Progress, questions and errors go to stderr, results to stdout. Exit codes: 0 complete, 1 failed or partial,
2 wrong use, 3 waiting for a person, 130 stopped (saved).

`matrioska --lang pt_BR COMMAND …` says messages and help in Portuguese ([languages](languages.md)); what programs
read, such as the output of `--json`, stays as it is.

| variable | meaning |
|---|---|
| `MATRIOSKA_*` | any setting of `matrioska.toml`, such as `MATRIOSKA_MODEL` or `MATRIOSKA_BASE_PATH` |
| `MATRIOSKA_CONFIG` | another settings file than `./matrioska.toml` |
| `MATRIOSKA_LANG` | the language of messages and help, such as `pt_BR`; unset: that of the system |
| `MATRIOSKA_SERVE_TOKEN` | what requests to `matrioska serve` must bear; needed for any `--host` but this machine |
| `MATRIOSKA_GRACE_SECONDS` | time for the current step after Ctrl-C or SIGTERM, 10 unless set |
| `MATRIOSKA_EMBEDDED_SECONDS_PER_CALL` | slows the embedded model, to watch it work |
| `MATRIOSKA_DEBUG` | any value: faults in Matrioska come with a traceback |
| `VISUAL`, `EDITOR` | the editor for plans |
| `NO_COLOR` | any value: no colours |

What a run asks is answered on a terminal by a letter and Enter, and elsewhere by `matrioska resume`:

* **The plan**: `a` approves it, `e` opens it in your editor, `r` says what should change, `j` refuses it.
  Of a plan with more than 60 modules the order alone is shown; `v` shows every module, page by page.
* **Modules that failed**: `r` tries again, `e` edits the plan, `h` gives them a hint, `w` goes on without them.
* **A used-up budget**: `m` gives as much again, `s` sets another limit, `e` ends with what there is.

Everywhere `l`, or the end of input, leaves it for later. A question that a yes answers takes `y`, `yes`, `s` and `sim`.
"""


def reference() -> str:
    """Return the reference as Markdown."""
    root: Any = get_command(app)
    parts = [_HEAD]
    for name, command in root.commands.items():
        parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    # From the parameters and not from the help's layout, which differs between versions of Typer.
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    words = " ".join(_metavar(parameter) for parameter in command.params if parameter.param_type_name == "argument")
    usage = f"matrioska {name} {words}".strip()
    table = ["| | |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `{usage}`", "", command.help or "", "", *table, ""])


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{_metavar(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
        name = ", ".join(f"`{option}{value}`" for option in parameter.opts)
    return f"| {name} | {(parameter.help or '').replace('|', '/')} |"


def _metavar(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).strip("[]")
    return name if parameter.required else f"[{name}]"


if __name__ == "__main__":
    sys.stdout.write(reference())
