"""``ask --compare``: is the answer of many better than that of one?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from matrioska.cli.given import read_task
from matrioska.cli.main import COMPLETE, FAILED, INTERRUPTED
from matrioska.cli.place import Place, find_place
from matrioska.cli.prompt import confirm
from matrioska.cli.session import run_async
from matrioska.cli.signals import AtOnce, Stopped
from matrioska.cli.text import duration, line, listed
from matrioska.cli.ui import Ui, use
from matrioska.comparison.comparison import Comparison, open_comparison
from matrioska.comparison.costs import CostLine, is_small, total
from matrioska.comparison.given import read_questions
from matrioska.comparison.page import dollars
from matrioska.comparison.records import StudyQuestion
from matrioska.comparison.summary import JudgeSummary, Summary, length_in_words
from matrioska.i18n import N_, _, counted, figure, told
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
                        ui.say(_("Nothing was asked."))
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
        goes_on = _("Goes on with a comparison that was interrupted: {done} of {number} begun.")
        ui.say(goes_on.format(done=figure(done), number=figure(len(comparison.questions))))
    if not ui.quiet:
        ui.err.print(costs_table(lines))
    if comparison.own:
        own = _("The judge, {model}, takes part itself ({ways}).")
        own = own.format(model=line(comparison.judge.name, 80), ways=listed(comparison.own))
        ui.say(("! ", "yellow"), own)
        ui.say(("  → ", "dim"), _("Models tend to prefer their own answers. Name another with --judge."))
    if yes or is_small(whole):
        return True
    if not ui.interactive:
        calls, price = f"{whole.calls:,} call{'' if whole.calls == 1 else 's'}", _price(whole)
        raise UsageError(
            f"This is not small ({calls}, {price}), and there is nobody to ask.",
            next_step="Say so beforehand: add --yes.",
        )
    number = len(comparison.questions)
    return confirm(ui, counted("Go on with {n} question?", "Go on with {n} questions?", number))


def costs_table(lines: list[CostLine]) -> Table:
    """Return the table of what a comparison is expected to cost."""
    table = _table(N_("to be asked"), N_("calls"), N_("tokens in"), N_("tokens out"), N_("dollars"))
    for found in [*lines, total(lines)]:
        style = "bold" if found.name == "together" else ""
        table.add_row(
            Text(told(found.name), style),
            figure(found.calls),
            figure(found.input_tokens),
            figure(found.output_tokens),
            told(_price(found)),
        )
    return table


def _price(found: CostLine) -> str:
    """Return an expected price, in English."""
    return dollars(found.cost or 0.0, found.cost is not None)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(_(first), no_wrap=True)
    for name in others:
        table.add_column(_(name), no_wrap=True, justify="right")
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
            return _("{way}: no answer ({why})").format(way=event["via"], why=line(told(event["error"]), 100))
        return f"{event['via']}: {line(event['answered']['text'], 80)}"
    said = {"win": event["one"], "loss": event["other"], "tie": _("a tie"), "none": _("no verdict")}[event["outcome"]]
    reasons = {"contradiction": _("by the order"), "identical": _("the same text"), "unanswered": _("no answer")}
    why = f" ({reasons[event['how']]})" if event["how"] in reasons else ""
    return f"{_against(event['one'], event['other'])}: {said}{why}"


def _against(one: str, other: str) -> str:
    return _("{one} against {other}").format(one=one, other=other)


def _stopped(ui: Ui) -> int:
    ui.stopped_said = True
    ui.say(("💾 ", "yellow"), _("Stopped. What came is saved: the same command goes on from there."))
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
        ui.say(("✗ ", "bold red"), _("Nobody gave an answer: nothing was compared."))
        ui.say(("  → ", "dim"), _("See with `matrioska doctor` whether the models can be reached, and begin again."))
    if unjudged:
        mute_for = counted(
            "No judge could be reached for {n} pair of answers.",
            "No judge could be reached for {n} pairs of answers.",
            unjudged,
        )
        ui.say(("✗ ", "bold red"), mute_for)
        ui.say(("  → ", "dim"), _("Run the same command again: only what is missing is asked for."))
    if not ui.quiet:
        head = _("The answers side by side:")
        ui.say(f"   {head} ", (str(report), "cyan"), soft_wrap=True)
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
        ui.out.print(Text(told(pair.words), style))
    if ui.quiet:
        return
    ui.out.print()
    ui.out.print(pairs_table(summary))
    ui.out.print()
    ui.out.print(ways_table(summary))
    ui.out.print()
    for pair in summary.pairs:
        if length := length_in_words(pair):
            ui.out.print(Text(told(length), "dim"))
    ui.out.print(Text(_judged(summary.judge), "dim"))


def _judged(judge: JudgeSummary) -> str:
    """Return what the judge did, in a sentence."""
    said = _(
        "{model} judged {pairs} in both orders: {changed} times the verdict changed with the order (a tie), "
        "{none} without a verdict; {calls}, {price}."
    )
    return said.format(
        model=line(judge.model, 80),
        pairs=counted("{n} pair", "{n} pairs", judge.duels),
        changed=figure(judge.contradictions),
        none=counted("{n} pair", "{n} pairs", judge.no_verdict),
        calls=counted("{n} call", "{n} calls", judge.usage.calls),
        price=told(dollars(judge.usage.cost, judge.priced)),
    )


def pairs_table(summary: Summary) -> Table:
    """Return the table of pairs, seen from the first of each; ``none`` are those without a verdict."""
    table = _table(N_("pair"), N_("wins"), N_("ties"), N_("losses"), N_("none"), N_("preferred"), "95%")
    for pair in summary.pairs:
        table.add_row(
            _against(pair.one, pair.other),
            *(figure(number) for number in (pair.wins, pair.ties, pair.losses, pair.no_verdict)),
            f"{pair.preference:.0%}",
            _("{low} to {high}").format(low=f"{pair.low:.0%}", high=f"{pair.high:.0%}"),
        )
    return table


def ways_table(summary: Summary) -> Table:
    """Return the table of what each way took; seconds are the median of a question."""
    right = (N_("right"), N_("holds it")) if summary.ways[0].referenced else ()
    figures = (N_("seconds"), N_("words"), N_("calls"), N_("tokens"), N_("dollars"))
    table = _table(N_("way"), N_("answered"), *right, *figures)
    for way in summary.ways:
        table.add_row(
            way.via,
            _("{part} of {whole}").format(part=figure(way.answered), whole=figure(way.asked)),
            *((figure(way.exact), figure(way.holds)) if right else ()),
            figure(way.seconds, 1),
            figure(way.words),
            figure(way.usage.calls),
            figure(way.usage.input_tokens + way.usage.output_tokens),
            told(dollars(way.usage.cost, way.priced)),
        )
    return table
