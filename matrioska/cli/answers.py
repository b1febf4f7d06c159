"""Answers on the screen: the text on stdout, what it took and who is missing on stderr."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from matrioska.cli.main import COMPLETE, FAILED
from matrioska.cli.text import count, duration, line, listed, local_time, plain
from matrioska.cli.ui import Ui
from matrioska.questions import QuestionReport
from matrioska.state.ensemble import EnsembleAnswer, NodeVote
from matrioska.state.questions import Answered

Command = Callable[..., str]


def exit_code_of(answered: Answered) -> int:
    """Return the exit code for an answer: someone's word that is missing makes it partial."""
    return FAILED if answered.missing else COMPLETE


def question_json(answered: Answered) -> dict[str, Any]:
    """Return the JSON object of an answer, with all that the cascade or the ensemble tells of it."""
    own = {
        "status": "partial" if answered.missing else "complete",
        "thread_id": answered.thread_id,
        "via": answered.via,
        "answer": answered.text,
        "model": answered.model,
        "usage": answered.usage.model_dump(mode="json"),
        "seconds": round(answered.seconds, 3),
    }
    return {"missing": answered.missing, **answered.details, **own}


def show_answer(ui: Ui, command: Command, answered: Answered, *, votes: bool = False) -> None:
    """Show an answer.

    Args:
        ui: where.
        command: makes commands with which a person can go on.
        answered: the answer.
        votes: whether every vote of an ensemble is shown below it.
    """
    show_text(ui.out, answered.text)
    if votes and answered.via == "ensemble":
        ui.out.print()
        ui.out.print(votes_table(EnsembleAnswer.model_validate(answered.details)))
    if answered.missing:
        ui.say(("✗ ", "bold red"), _missing(answered))
    if ui.quiet:
        return
    if ui.err.is_terminal:
        ui.err.print()
    ui.say((f"   {' · '.join(_facts(answered))}", "dim"))
    ui.say(("   Read who said what: ", "dim"), (command("journal", answered.thread_id), "cyan"), soft_wrap=True)


def show_text(out: Console, text: str) -> None:
    """Show what a model wrote: on a screen no word is broken, in a file or a pipe no line."""
    out.print(Text(plain(text.strip())), soft_wrap=not out.is_terminal)


def _missing(answered: Answered) -> str:
    if answered.via == "ensemble":
        return f"Nobody answered {listed(answered.missing)}."
    return f"Missing in this answer: {listed(answered.missing)}."


def _facts(answered: Answered) -> list[str]:
    """Return what it took, in words."""
    usage, details = answered.usage, answered.details
    facts = [answered.model] if answered.via == "single" else []
    if minds := details.get("minds"):
        facts.append(count(len(minds), "mind"))
    if chunks := details.get("chunks"):
        facts.append(count(len(chunks), "part"))
        facts.append(count(len({vote["node"] for vote in details["votes"]}), "node"))
    facts += [count(usage.calls, "call"), count(usage.input_tokens + usage.output_tokens, "token")]
    if saved := sum(chunk["saved_calls"] for chunk in chunks or ()):
        facts.append(f"{count(saved, 'call')} saved")
    if usage.cost:
        facts.append(f"${usage.cost:,.4f}")
    return [*map(plain, facts), duration(answered.seconds)]


def question_row(report: QuestionReport) -> dict[str, Any]:
    """Return a question in short, in the form that runs are listed in."""
    return {
        "thread_id": report.thread_id,
        "status": report.status,
        "task": report.question,
        "via": report.via,
        "done": 0,
        "modules": 0,
        "changed": report.created_at,
    }


def show_question(ui: Ui, command: Command, report: QuestionReport) -> int:
    """Show how a question stands, with its answer if it has one; return the exit code."""
    go_on = [command("resume", report.thread_id)] if report.answered is None else []
    if ui.json:
        told = question_json(report.answered) if report.answered else {"thread_id": report.thread_id, "via": report.via}
        ui.emit_json({**told, "question": report.question, "status": report.status, "go_on": go_on})
        return COMPLETE
    ui.out.print(Text(line(report.question, 400), "bold"))
    ui.out.print(Text(f"{report.via} · {report.status} · last changed {local_time(report.created_at)}", "dim"))
    if report.answered is not None:
        ui.out.print()
        show_answer(ui, command, report.answered)
        return COMPLETE
    ui.say("\nGo on with:")
    ui.suggest(go_on)
    return COMPLETE


def vote_line(event: Mapping[str, Any]) -> str:
    """Return the line that tells an event of the ensemble; '' for none."""
    kind, number = event["type"], event.get("chunk")
    if kind == "chunk":
        return f"{number}. {line(event['text'], 100)} ({event['kind']}; {listed(event['nodes'])})"
    if kind == "vote":
        says = f": {line(told, 80)}" if (told := event["answer"] or event["error"]) else ""
        return f"   {number}. {line(event['node'], 64)} {event['how'].replace('_', ' ')}{says}"
    if kind == "decided":
        if event["error"]:
            return f"   {number}. no answer: {line(event['error'], 100)}"
        early = f", {count(event['saved_calls'], 'call')} saved" if event["saved_calls"] else ""
        return f"   {number}. decided with {event['confidence']:.0%} of the weight{early}"
    return f"written by {line(event['by'], 80)}" if kind == "synthesis" and event["by"] else ""


def votes_table(answer: EnsembleAnswer) -> Table:
    """Return the table of all votes; those for the answer taken are marked."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("part", "node", "how", "weight", "answer"):
        table.add_column(name, no_wrap=name != "answer", justify="right" if name == "weight" else "left")
    for found in answer.chunks:
        for vote in found.votes:
            table.add_row(*_row(vote, vote.node in found.nodes))
    return table


def _row(vote: NodeVote, won: bool) -> tuple[str, str, str, str, Text]:
    says = Text(line(vote.answer or vote.error or "–", 120), "" if won else "dim")
    mark = "✓ " if won else "  "
    return str(vote.chunk), mark + line(vote.node, 64), vote.how.replace("_", " "), f"{vote.weight:.2f}", says
