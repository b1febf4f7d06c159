"""Answers on the screen: the text on stdout, what it took and who is missing on stderr."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from matrioska.cli.main import COMPLETE, FAILED
from matrioska.cli.text import dollars, duration, line, listed, local_time, plain, state_word
from matrioska.cli.ui import Ui, show_text
from matrioska.i18n import N_, _, counted, figure, told
from matrioska.questions import QuestionReport
from matrioska.state.ensemble import EnsembleAnswer, NodeVote
from matrioska.state.questions import Answered

Command = Callable[..., str]
#: How a node of the ensemble came to its answer, by `NodeVote.how`.
_HOW = {
    "agreed": N_("agreed"),
    "critique": N_("critique"),
    "tie_break": N_("tie break"),
    "one_model": N_("one model"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}


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
    head = _("Read who said what:")
    ui.say((f"   {head} ", "dim"), (command("journal", answered.thread_id), "cyan"), soft_wrap=True)


def _missing(answered: Answered) -> str:
    if answered.via == "ensemble":
        parts = [_("part {number}").format(number=number) for number in answered.details["missing"]]
        return _("Nobody answered {parts}.").format(parts=listed(parts))
    # These are names of minds, which people gave.
    return _("Missing in this answer: {names}.").format(names=listed(answered.missing))


def _facts(answered: Answered) -> list[str]:
    """Return what it took, in words."""
    usage, details = answered.usage, answered.details
    facts = [answered.model] if answered.via == "single" else []
    if minds := details.get("minds"):
        facts.append(counted("{n} mind", "{n} minds", len(minds)))
    if chunks := details.get("chunks"):
        facts.append(counted("{n} part", "{n} parts", len(chunks)))
        facts.append(counted("{n} node", "{n} nodes", len({vote["node"] for vote in details["votes"]})))
    tokens = usage.input_tokens + usage.output_tokens
    facts += [counted("{n} call", "{n} calls", usage.calls), counted("{n} token", "{n} tokens", tokens)]
    if saved := sum(chunk["saved_calls"] for chunk in chunks or ()):
        facts.append(_saved(saved))
    if usage.cost:
        facts.append(dollars(usage.cost))
    return [*map(plain, facts), duration(answered.seconds)]


def _saved(calls: int) -> str:
    return counted("{n} call saved", "{n} calls saved", calls)


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
        known = {"thread_id": report.thread_id, "via": report.via}
        known = question_json(report.answered) if report.answered else known
        ui.emit_json({**known, "question": report.question, "status": report.status, "go_on": go_on})
        return COMPLETE
    ui.out.print(Text(line(report.question, 400), "bold"))
    changed = _("last changed {time}").format(time=local_time(report.created_at))
    ui.out.print(Text(f"{report.via} · {state_word(report.status)} · {changed}", "dim"))
    if report.answered is not None:
        ui.out.print()
        show_answer(ui, command, report.answered)
        return COMPLETE
    ui.say("\n", _("Go on with:"))
    ui.suggest(go_on)
    return COMPLETE


def vote_line(event: Mapping[str, Any]) -> str:
    """Return the line that tells an event of the ensemble; '' for none."""
    kind, number = event["type"], event.get("chunk")
    if kind == "chunk":
        return f"{number}. {line(event['text'], 100)} ({event['kind']}; {listed(event['nodes'])})"
    if kind == "vote":
        says = f": {line(said, 80)}" if (said := event["answer"] or told(event["error"])) else ""
        return f"   {number}. {line(event['node'], 64)} {_(_HOW[event['how']])}{says}"
    if kind == "decided":
        if event["error"]:
            silent = _("no answer: {why}").format(why=line(told(event["error"]), 100))
            return f"   {number}. {silent}"
        decided = _("decided with {share} of the weight").format(share=f"{event['confidence']:.0%}")
        early = ", " + _saved(event["saved_calls"]) if event["saved_calls"] else ""
        return f"   {number}. {decided}{early}"
    return _("written by {model}").format(model=line(event["by"], 80)) if kind == "synthesis" and event["by"] else ""


def votes_table(answer: EnsembleAnswer) -> Table:
    """Return the table of all votes; those for the answer taken are marked."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in (N_("part"), N_("node"), N_("how"), N_("weight"), N_("answer")):
        table.add_column(_(name), no_wrap=name != "answer", justify="right" if name == "weight" else "left")
    for found in answer.chunks:
        for vote in found.votes:
            table.add_row(*_row(vote, vote.node in found.nodes))
    return table


def _row(vote: NodeVote, won: bool) -> tuple[str, str, str, str, Text]:
    says = Text(line(vote.answer or told(vote.error) or "–", 120), "" if won else "dim")
    mark = "✓ " if won else "  "
    return str(vote.chunk), mark + line(vote.node, 64), _(_HOW[vote.how]), figure(vote.weight, 2), says
