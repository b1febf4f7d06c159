"""The command ``journal`` and its help. What it does is imported when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from matrioska.cli.options import BasePath, Json


def journal(
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="THREAD",
            help="A run or question. None lists all; prune clears old ones away, as the options say.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Whole texts, not only their first words.")] = False,
    prompts: Annotated[bool, typer.Option("--prompts", help="Show what each speaker was given.")] = False,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only messages of this type: delegation, synthesis, … Repeatable."),
    ] = None,
    mind: Annotated[
        str, typer.Option("--mind", metavar="NAME", help="Only what this mind, module or node says or is told.")
    ] = "",
    message: Annotated[
        str | None,
        typer.Option("--message", metavar="N", help="One message: what led to it, its whole text, what answers it."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="N", min=0, help="Levels below the question, at the most.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=0, help="Lines of the tree, at the most; 0: all."),
    ] = 500,
    metrics: Annotated[bool, typer.Option("--metrics", help="What each speaker spent, instead of the tree.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show messages as they come; with --json, a JSON line each.")
    ] = False,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="prune: untouched for so long: 30d, 4w, 12h.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=0, help="prune: all but the latest N conversations.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--thread", "-t", metavar="ID", help="prune: this one. Else: read it, were its id even prune."),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="prune: those too that have not ended, or were cut off.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="prune: only say how many it would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="prune: do not ask.")] = False,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Show what was said in a run or question: who asked whom what, what came back, in which time, for how much."""
    from matrioska.cli.journal import Pruning, View
    from matrioska.cli.journal import journal as show_journal

    view = View(thread, message, types or (), mind, depth, limit, full, prompts, metrics, follow)
    return show_journal(view, Pruning(older_than, keep, only, unfinished, dry_run, yes), base_path, as_json=json)
