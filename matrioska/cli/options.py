"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Thread = Annotated[str, typer.Argument(metavar="THREAD", help="The run's thread id; `matrioska threads` lists them.")]
BasePath = Annotated[
    Path | None,
    typer.Option("--base-path", metavar="DIR", help="Folder that holds the runs. Default: settings, else here."),
]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON value on stdout, all else on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the path of the result.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan and go on past failures without asking.")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-M", metavar="MODEL", help="Model for every role: embedded, openai:NAME, ollama:NAME, …"),
]
