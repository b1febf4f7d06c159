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
    typer.Option(
        "--model", "-M", metavar="MODEL", help="For every role: embedded, PROVIDER:NAME, or a member of the settings."
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=MODEL",
        help="Model for one role: architect, boss, worker, critic, assembler. May be repeated.",
    ),
]
Assets = Annotated[
    list[Path] | None,
    typer.Option(
        "--asset", metavar="PATH", help="A file, or a folder of files, for modules to work with. May be repeated."
    ),
]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="NAME",
        help="Project whose memory the run shares. Default: its own; an earlier run's id goes on from that run.",
    ),
]
BudgetTokens = Annotated[
    int | None,
    typer.Option("--budget-tokens", metavar="N", min=1, help="Pause and ask once the run has used N tokens in all."),
]
BudgetCost = Annotated[
    float | None,
    typer.Option("--budget-cost", metavar="USD", help="Pause and ask once the run has cost this many US dollars."),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Pause and ask after this time at work: 90 (seconds), 10m, 2h."),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--rounds", metavar="N", min=0, max=10, help="Times that a critic's findings go back to modules. Default: 1."
    ),
]
TopologyFile = Annotated[
    Path | None,
    typer.Option("--topology", metavar="FILE", help="Nodes that vote, as JSON. Default: [ensemble] of the settings."),
]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Ask one model, the cascade and the ensemble the same, and let a judge compare."),
]
QuestionsFile = Annotated[
    Path | None,
    typer.Option(
        "--questions", metavar="FILE", help="With --compare: ask all these; one a line, or .json, .jsonl, .yaml, .csv."
    ),
]
Judge = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", help="With --compare: who judges. Default: the critic, else the model."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="With --compare: the HTML report. Default: matrioska_comparison.html."
    ),
]
Agree = Annotated[bool, typer.Option("--yes", "-y", help="With --compare: go on without asking, whatever it costs.")]
