"""The commands and their help. What they do is imported when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from matrioska.cli.journal_command import journal
from matrioska.cli.options import (
    Agree,
    Assets,
    BasePath,
    BudgetCost,
    BudgetTokens,
    Compare,
    Json,
    Judge,
    Model,
    Project,
    QuestionsFile,
    Quiet,
    Report,
    Roles,
    Rounds,
    Thread,
    Timeout,
    TopologyFile,
    Yes,
)
from matrioska.cli.root import app as app


@app.command()
def run(
    task: Annotated[str, typer.Argument(metavar="TASK", help="What you want, in words; @FILE or - (stdin) read it.")],
    direct: Annotated[bool, typer.Option("--direct", help="A small task: one module, no plan to approve.")] = False,
    asset: Assets = None,
    project: Project = None,
    model: Model = None,
    role: Roles = None,
    yes: Yes = False,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", metavar="ID", help="Thread id for this run. Default: from the task.")
    ] = None,
    base_path: BasePath = None,
    json: Json = False,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="LANG",
            help="Deliverable's language: en, pt, … Default: the task's. That of messages: matrioska --lang.",
        ),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option("--slots", min=1, max=10_000, help="Modules at work at the same time. Default: 8."),
    ] = None,
    rounds: Rounds = None,
    budget_tokens: BudgetTokens = None,
    budget_cost: BudgetCost = None,
    timeout: Timeout = None,
    quiet: Quiet = False,
) -> int:
    """Take a task to a deliverable. On a terminal you approve the plan first."""
    from matrioska.cli.run import Wishes, run_task

    wishes = Wishes(
        direct=direct,
        project=project,
        model=model,
        roles=role or [],
        yes=yes,
        language=lang,
        slots=slots,
        base_path=base_path,
        rounds=rounds,
        budget_tokens=budget_tokens,
        budget_cost=budget_cost,
        timeout=timeout,
    )
    return run_task(task, thread, wishes, asset or [], as_json=json, quiet=quiet)


@app.command()
def ask(
    query: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="What you want to know, in words; @FILE or - (stdin) read it."),
    ] = None,
    via: Annotated[
        Literal["cascade", "single", "ensemble"] | None,
        typer.Option(
            "--via",
            metavar="WAY",
            help="cascade: a tree of minds; single: one model; ensemble: many models vote. "
            "Default: cascade, but ensemble where the settings describe only that.",
        ),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option("--thread", "-t", metavar="ID", help="Thread id for this question. Default: from its words."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-M", metavar="MODEL", help="Model to ask, and for every mind without its own: see run."
        ),
    ] = None,
    topology: TopologyFile = None,
    votes: Annotated[bool, typer.Option("--votes", help="Show every vote of the ensemble below the answer.")] = False,
    compare: Compare = False,
    questions: QuestionsFile = None,
    judge: Judge = None,
    report: Report = None,
    yes: Agree = False,
    base_path: BasePath = None,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the answer.")] = False,
) -> int:
    """Ask a question: a tree of minds thinks about it, or many models vote, or one answers alone."""
    from matrioska.cli.asking import check_options

    comparing = {"--questions": questions, "--judge": judge, "--report": report, "--yes": yes}
    check_options(query, compare, comparing, {"--via": via, "--thread": thread, "--votes": votes}, as_json=json)
    if compare:
        from matrioska.cli.compare import Wish, compare_ways

        wish = Wish(questions, judge, report, yes, model, topology, base_path)
        return compare_ways(query, wish, as_json=json, quiet=quiet)
    from matrioska.cli.ask import Question
    from matrioska.cli.ask import ask as ask_question

    question = Question(via=via, thread=thread, model=model, topology=topology, votes=votes, base_path=base_path)
    return ask_question(str(query), question, as_json=json, quiet=quiet)


@app.command()
def serve(
    model: Model = None,
    topology: TopologyFile = None,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65_535,
            show_default=False,
            help="Port; 0 takes a free one. Default: 8000.",
        ),
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            show_default=False,
            help="Default: 127.0.0.1. Any other needs a token in MATRIOSKA_SERVE_TOKEN.",
        ),
    ] = "127.0.0.1",
    base_path: BasePath = None,
) -> int:
    """Serve the monitor to browsers, and answers to chat clients (below /v1) and programs (/api, POST /query)."""
    from matrioska.cli.serve import serve_all

    return serve_all(topology, model, host, port, base_path)


@app.command()
def fitness(
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only this kind of task: maths, code, facts, …")
    ] = None,
    good: Annotated[
        str | None, typer.Option("--good", metavar="NODE", help="Thumb up: it was right at a task of --kind.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option("--bad", metavar="NODE", help="Thumb down: it was wrong at a task of --kind.")
    ] = None,
    reset: Annotated[
        str | None, typer.Option("--reset", metavar="NODE", help="Forget what was learnt of a node.")
    ] = None,
    reset_all: Annotated[bool, typer.Option("--reset-all", help="Forget what was learnt of all nodes.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write everything learnt to a JSON file.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take in such a file, in place of the same records.")
    ] = None,
    topology: TopologyFile = None,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Show how often each node of the ensemble is expected to be right, learnt from its answers; or correct that."""
    from matrioska.cli.fitness import Wish
    from matrioska.cli.fitness import fitness as show_fitness

    wish = Wish(kind, good, bad, reset, reset_all, export, restore)
    return show_fitness(wish, topology, base_path, as_json=json)


@app.command()
def threads(base_path: BasePath = None, json: Json = False) -> int:
    """List the runs, the one touched last first."""
    from matrioska.cli.look import list_threads

    return list_threads(base_path, as_json=json)


@app.command()
def show(
    thread: Thread,
    module: Annotated[str | None, typer.Argument(metavar="MODULE", help="One of its modules.")] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Show every module of a large plan; without it, a screen shows those not done."),
    ] = False,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Show how a run stands, or one of its modules."""
    from matrioska.cli.look import show_thread

    return show_thread(thread, module, base_path, every=every, as_json=json)


@app.command()
def context(
    thread: Thread,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="What you look for, in words. Default: show everything.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Entries found, or decisions shown, at the most.")
    ] = 10,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Show what is known of a run's project, for this and later runs, or search it."""
    from matrioska.cli.context import show_context

    return show_context(thread, query, limit, base_path, as_json=json)


app.command()(journal)


@app.command()
def history(thread: Thread, base_path: BasePath = None, json: Json = False) -> int:
    """List a run's checkpoints, the newest first."""
    from matrioska.cli.look import list_history

    return list_history(thread, base_path, as_json=json)


@app.command()
def resume(
    thread: Thread,
    approve: Annotated[bool, typer.Option("--approve", help="Build the plan, or try again what failed.")] = False,
    edit: Annotated[
        Path | None,
        typer.Option("--edit", metavar="FILE", help="Use this whole plan instead (JSON or YAML)."),
    ] = None,
    respond: Annotated[
        str | None, typer.Option("--respond", metavar="TEXT", help="Say what to change, or give a hint.")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse the plan, or go on without what failed.")] = False,
    yes: Yes = False,
    model: Model = None,
    role: Roles = None,
    rounds: Rounds = None,
    budget_tokens: BudgetTokens = None,
    budget_cost: BudgetCost = None,
    timeout: Timeout = None,
    base_path: BasePath = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Go on with a run: answer it, finish what was cut off, try again what failed."""
    from matrioska.cli.resume import Answer, resume_thread
    from matrioska.cli.run import Wishes

    answer = Answer(approve=approve, edit=edit, respond=respond, reject=reject)
    wishes = Wishes(
        model=model,
        roles=role or [],
        yes=yes,
        base_path=base_path,
        rounds=rounds,
        budget_tokens=budget_tokens,
        budget_cost=budget_cost,
        timeout=timeout,
    )
    return resume_thread(thread, answer, wishes, as_json=json, quiet=quiet)


@app.command()
def fork(
    thread: Thread,
    at: Annotated[str, typer.Option("--at", metavar="CHECKPOINT", help="Checkpoint id or its beginning: see history.")],
    new: Annotated[str | None, typer.Option("--thread", "-t", metavar="NEW", help="Thread id of the fork.")] = None,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Begin a new run at an older checkpoint; the old one stays as it is."""
    from matrioska.cli.resume import fork_thread

    return fork_thread(thread, at, new, base_path, as_json=json)


@app.command()
def redo(
    thread: Thread,
    module: Annotated[str, typer.Argument(metavar="MODULE", help="The module to run again.")],
    spec: Annotated[
        Path | None, typer.Option("--spec", metavar="FILE", help="Fields of its spec to change (JSON or YAML).")
    ] = None,
    model: Model = None,
    role: Roles = None,
    rounds: Rounds = None,
    budget_tokens: BudgetTokens = None,
    budget_cost: BudgetCost = None,
    timeout: Timeout = None,
    base_path: BasePath = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Run one module again, and of what depends on it only what gets other inputs by that."""
    from matrioska.cli.resume import redo_module
    from matrioska.cli.run import Wishes

    wishes = Wishes(
        model=model,
        roles=role or [],
        base_path=base_path,
        rounds=rounds,
        budget_tokens=budget_tokens,
        budget_cost=budget_cost,
        timeout=timeout,
    )
    return redo_module(thread, module, spec, wishes, as_json=json, quiet=quiet)


@app.command()
def export(
    thread: Thread,
    zip_file: Annotated[Path | None, typer.Option("--zip", metavar="FILE", help="The zip to write.")] = None,
    git: Annotated[
        Path | None,
        typer.Option("--git", metavar="DIR", help="The repository to write, or to add to: a commit for each module."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="Another exporter, by name: see plugins.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="What --to writes.")] = None,
    base_path: BasePath = None,
    json: Json = False,
) -> int:
    """Take a run's deliverable away: as a zip, as a git repository, or by a plugin's exporter."""
    from matrioska.cli.export import Target, export_thread

    return export_thread(thread, Target(zip_file, git, to, out), base_path, as_json=json)


@app.command()
def plugins(json: Json = False) -> int:
    """List the plugins: what each brings, and what of it cannot be used."""
    from matrioska.cli.plugins import list_plugins

    return list_plugins(as_json=json)


@app.command()
def doctor(base_path: BasePath = None, json: Json = False) -> int:
    """Check what is installed, what is missing, and what to do about it."""
    from matrioska.cli.doctor import run_doctor

    return run_doctor(base_path, as_json=json)


@app.command()
def init(
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file that is there.")] = False,
) -> int:
    """Write a commented matrioska.toml with every setting."""
    from matrioska.cli.init import write_settings

    return write_settings(force=force)
