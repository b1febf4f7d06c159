"""``ask --compare``: is the answer of many better than that of one?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from matrioska.cli.approve import confirm
from matrioska.cli.given import read_task
from matrioska.cli.main import COMPLETE, FAILED, INTERRUPTED
from matrioska.cli.session import Place, find_place, run_async
from matrioska.cli.signals import AtOnce, Stopped
from matrioska.cli.text import count, duration, line, listed
from matrioska.cli.ui import Ui, use
from matrioska.comparison.comparison import Comparison, open_comparison
from matrioska.comparison.costs import CostLine, is_small, total
from matrioska.comparison.given import read_questions
from matrioska.comparison.page import dollars
from matrioska.comparison.records import StudyQuestion
from matrioska.comparison.summary import Summary, length_in_words
from matrioska.questions import open_questions
from matrioska.state.cascade import MAX_QUESTION
from matrioska.state.context import RunContext
from matrioska.state.errors import UsageError
from matrioska.state.given import check_words
from matrioska.workers.ensemble.topology import load_topology

#: Name of the report below the base path, where none is given.
REPORT = "matrioska_comparison.html"


@dataclass(frozen=True)
class Wish:
    """What the options of the command ask for."""

    questions: Path | None = None
    judge: str | None = None
    report: Path | None = None
    yes: bool = False
    model: str | None = None
    topology: Path | None = None
    base_path: Path | None = None


def compare_ways(given: str | None, wish: Wish, *, as_json: bool, quiet: bool) -> int:
    """Compare the ways to answer on one question, or on those of a file; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    questions, place = _questions(given, wish.questions), find_place(wish.base_path)
    report, context = _report_place(wish.report, place), RunContext(model=wish.model)
    topology = load_topology(wish.topology) if wish.topology is not None else None

    async def body() -> int:
        with AtOnce(lambda text: ui.say(text)) as stopper:
            async with open_questions(place.layout.base, context, topology=topology) as answers:
                opening = open_comparison(answers, place.layout, questions, context, wish.judge, topology)
                with opening as comparison:
                    with stopper.at_prompt():
                        agreed = _agreed(ui, comparison, wish.yes)
                    if not agreed:
                        ui.say("Nothing was asked.")
                        return COMPLETE
                    progress = _Progress(ui, comparison)
                    try:
                        await stopper.drive(comparison.run(progress.on_event))
                    except Stopped:
                        return _stopped(ui)
                    return _ended(ui, comparison, report)

    return run_async(body)


def _questions(given: str | None, file: Path | None) -> list[StudyQuestion]:
    """Return what is asked.

    Raises:
        UsageError: it cannot be used; see `read_questions`.
    """
    if file is not None:
        return read_questions(file)
    return [StudyQuestion(id="1", text=check_words(read_task(str(given)), "question", MAX_QUESTION))]


def _report_place(given: Path | None, place: Place) -> Path:
    """Return where the report goes.

    Raises:
        UsageError: nothing can be written there; found before anything is paid for.
    """
    path = (given or place.layout.base / REPORT).expanduser().absolute()
    if path.is_dir() or (given is not None and not path.parent.is_dir()):
        raise UsageError(f"The report cannot be written to {path}.", next_step="Name a file in a folder that is there.")
    return path


def _agreed(ui: Ui, comparison: Comparison, yes: bool) -> bool:
    """Show what it costs, and ask where that is not small.

    Raises:
        UsageError: it is not small, and there is nobody to ask.
    """
    lines = comparison.costs()
    whole = total(lines)
    if comparison.kept.resumed and not ui.quiet:
        done = sum(key[1] == comparison.ways[0] for key in comparison.kept.replies)
        ui.say(f"Goes on with a comparison that was interrupted: {done} of {len(comparison.questions)} begun.")
    if not ui.quiet:
        ui.err.print(costs_table(lines))
    if comparison.own:
        ways = listed(comparison.own)
        ui.say(("! ", "yellow"), f"The judge, {line(comparison.judge.name, 80)}, takes part itself ({ways}).")
        ui.say(("  → ", "dim"), "Models tend to prefer their own answers. Name another with --judge.")
    if yes or is_small(whole):
        return True
    if not ui.interactive:
        told = f"{count(whole.calls, 'call')}, {_price(whole)}"
        raise UsageError(
            f"This is not small ({told}), and there is nobody to ask.", next_step="Say so beforehand: add --yes."
        )
    return confirm(ui, f"Go on with {count(len(comparison.questions), 'question')}?")


def costs_table(lines: list[CostLine]) -> Table:
    """Return the table of what a comparison is expected to cost."""
    table = _table("to be asked", "calls", "tokens in", "tokens out", "dollars")
    for found in [*lines, total(lines)]:
        style = "bold" if found.name == "together" else ""
        table.add_row(
            Text(found.name, style),
            f"{found.calls:,}",
            f"{found.input_tokens:,}",
            f"{found.output_tokens:,}",
            _price(found),
        )
    return table


def _price(found: CostLine) -> str:
    return "price unknown" if found.cost is None else dollars(found.cost, True)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, no_wrap=True, justify="right")
    return table


class _Progress:
    """Says, line by line, what came."""

    def __init__(self, ui: Ui, comparison: Comparison) -> None:
        self._ui = ui
        self._began = time.monotonic()
        self._numbers = {question.id: number for number, question in enumerate(comparison.questions, 1)}

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take in an event of the study."""
        if self._ui.quiet or self._ui.json:
            return
        number = self._numbers[event["question"]]
        elapsed = f"[{duration(time.monotonic() - self._began):>6}]"
        self._ui.say((f"{elapsed} ", "dim"), f"{number}/{len(self._numbers)} {event_line(event)}")


def event_line(event: Mapping[str, Any]) -> str:
    """Return the line that tells an event of a study."""
    if event["type"] == "reply":
        if event["answered"] is None:
            return f"{event['via']}: no answer ({line(event['error'], 100)})"
        return f"{event['via']}: {line(event['answered']['text'], 80)}"
    said = {"win": event["one"], "loss": event["other"], "tie": "a tie", "none": "no verdict"}[event["outcome"]]
    why = {"contradiction": " (by the order)", "identical": " (the same text)", "unanswered": " (no answer)"}
    return f"{event['one']} against {event['other']}: {said}{why.get(event['how'], '')}"


def _stopped(ui: Ui) -> int:
    ui.stopped_said = True
    ui.say(("💾 ", "yellow"), "Stopped. What came is saved: the same command goes on from there.")
    if ui.json:
        ui.emit_json({"status": "interrupted"})
    return INTERRUPTED


def _ended(ui: Ui, comparison: Comparison, report: Path) -> int:
    """Show what the study came to, write the report, and close the study unless verdicts can still be had."""
    summary, unjudged = comparison.summary(), comparison.unjudged
    comparison.write_report(report, summary)
    kept = comparison.kept.path if unjudged else comparison.kept.end()
    mute = not any(way.answered for way in summary.ways)
    if ui.json:
        status = "failed" if mute else "partial" if unjudged else "complete"
        ui.emit_json({"status": status, **_as_json(comparison, summary, report, kept)})
    elif not mute:
        show_summary(ui, summary)
    if mute:
        ui.say(("✗ ", "bold red"), "Nobody gave an answer: nothing was compared.")
        ui.say(("  → ", "dim"), "See with `matrioska doctor` whether the models can be reached, and begin again.")
    if unjudged:
        ui.say(("✗ ", "bold red"), f"No judge could be reached for {count(unjudged, 'pair')} of answers.")
        ui.say(("  → ", "dim"), "Run the same command again: only what is missing is asked for.")
    if not ui.quiet:
        ui.say("   The answers side by side: ", (str(report), "cyan"), soft_wrap=True)
    return FAILED if unjudged or mute else COMPLETE


def _as_json(comparison: Comparison, summary: Summary, report: Path, kept: Path) -> dict[str, Any]:
    found = comparison.kept
    return {
        "report": str(report),
        "file": str(kept),
        **summary.model_dump(mode="json"),
        "replies": [reply.model_dump(mode="json") for reply in found.replies.values()],
        "duels": [duel.model_dump(mode="json") for duel in found.duels.values()],
    }


def show_summary(ui: Ui, summary: Summary) -> None:
    """Show the result: verdicts, pairs, ways, and how the judge did."""
    for pair in summary.pairs:
        style = {"better": "bold green", "worse": "bold red"}.get(pair.verdict, "bold")
        ui.out.print(Text(pair.words, style))
    if ui.quiet:
        return
    ui.out.print()
    ui.out.print(pairs_table(summary))
    ui.out.print()
    ui.out.print(ways_table(summary))
    judge = summary.judge
    ui.out.print()
    for pair in summary.pairs:
        if told := length_in_words(pair):
            ui.out.print(Text(told, "dim"))
    ui.out.print(
        Text(
            f"{line(judge.model, 80)} judged {count(judge.duels, 'pair')} in both orders: "
            f"{judge.contradictions} times the verdict changed with the order (a tie), "
            f"{count(judge.no_verdict, 'pair')} without a verdict; "
            f"{count(judge.usage.calls, 'call')}, {dollars(judge.usage.cost, judge.priced)}.",
            "dim",
        )
    )


def pairs_table(summary: Summary) -> Table:
    """Return the table of pairs, seen from the first of each; ``none`` are those without a verdict."""
    table = _table("pair", "wins", "ties", "losses", "none", "preferred", "95%")
    for pair in summary.pairs:
        table.add_row(
            f"{pair.one} against {pair.other}",
            *(f"{number}" for number in (pair.wins, pair.ties, pair.losses, pair.no_verdict)),
            f"{pair.preference:.0%}",
            f"{pair.low:.0%} to {pair.high:.0%}",
        )
    return table


def ways_table(summary: Summary) -> Table:
    """Return the table of what each way took; seconds are the median of a question."""
    right = ("right", "holds it") if summary.ways[0].referenced else ()
    table = _table("way", "answered", *right, "seconds", "words", "calls", "tokens", "dollars")
    for way in summary.ways:
        table.add_row(
            way.via,
            f"{way.answered} of {way.asked}",
            *((str(way.exact), str(way.holds)) if right else ()),
            f"{way.seconds:.1f}",
            f"{way.words:.0f}",
            f"{way.usage.calls:,}",
            f"{way.usage.input_tokens + way.usage.output_tokens:,}",
            dollars(way.usage.cost, way.priced),
        )
    return table
