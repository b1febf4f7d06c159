"""The whole of a comparison: who takes part, what it costs, the study, what it comes to, the report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from matrioska.comparison.contestants import contestants, judge_for, judges_itself
from matrioska.comparison.costs import CostLine, expected
from matrioska.comparison.judge import JUDGE, Judge
from matrioska.comparison.kept import Kept, fingerprint, opened
from matrioska.comparison.page import report
from matrioska.comparison.records import Contestant, StudyQuestion
from matrioska.comparison.study import Asks, OnEvent, Study
from matrioska.comparison.summary import JudgeSummary, Summary, summarise
from matrioska.models.gateway.prices import price_known
from matrioska.nodes.recording import PERSON, Recording
from matrioska.state.context import RunContext
from matrioska.state.ensemble import Topology
from matrioska.state.questions import Estimate, Via
from matrioska.store.journal import Asked, open_journal
from matrioska.store.layout import Layout, unwritable
from matrioska.store.settings import find_member


class Answers(Asks, Protocol):
    """Who answers: `matrioska.questions.Questions`, as far as a comparison needs it."""

    def estimate(self, question: str, via: Via) -> Estimate:
        """Return what a question is expected to cost."""
        ...

    def ways(self) -> tuple[Via, ...]:
        """Return who can be asked."""
        ...


@dataclass(frozen=True)
class Comparison:
    """One comparison. Open with `open_comparison`.

    Attributes:
        answers: who answers.
        questions: what is asked.
        contestants: the ways that take part.
        judge: who compares.
        kept: what there is so far.
        layout: the base path.
    """

    answers: Answers
    questions: Sequence[StudyQuestion]
    contestants: Sequence[Contestant]
    judge: Judge
    kept: Kept
    layout: Layout

    @property
    def ways(self) -> list[Via]:
        """The ways that take part."""
        return [found.via for found in self.contestants]

    @property
    def own(self) -> list[Via]:
        """The ways in which the judge takes part itself."""
        return judges_itself(self.judge.name, self.contestants)

    @property
    def unjudged(self) -> int:
        """How many pairs of answers are left because no judge could be reached."""
        pairs = len(self.ways) * (len(self.ways) - 1) // 2
        return len(self.questions) * pairs - len(self.kept.duels)

    def costs(self) -> list[CostLine]:
        """Return what is still to be paid for.

        Raises:
            ConfigError: the settings are faulty.
        """
        return expected(self.questions, self.ways, self.kept, self.answers.estimate, self.judge.client)

    async def run(self, on_event: OnEvent = lambda event: None) -> None:
        """Ask and judge what is missing; see `Study.run`.

        Raises:
            MatrioskaError: see there.
        """
        journal = await asyncio.to_thread(open_journal, self.layout.base)
        told = Asked("\n".join(question.text for question in self.questions), PERSON, JUDGE)
        # Each way answers in a conversation of its own; this one is the judge's.
        scope = journal.scope(self.kept.name, "study", graph="compare", turn="study", root=told, source=JUDGE)
        async with Recording(scope):
            await Study(self.answers, self.questions, self.ways, self.judge, self.kept, on_event=on_event).run()
            scope.settle()

    def summary(self) -> Summary:
        """Return what it comes to. Pairs that no judge could be reached for count as without a verdict."""
        judge = JudgeSummary(model=self.judge.name, own=self.own, priced=price_known(self.judge.client.member))
        return summarise(
            self.questions,
            self.contestants,
            self.kept.replies,
            self.kept.duels,
            judge,
            lambda found: all(price_known(find_member(model)) for model in found.models),
        )

    def write_report(self, path: Path, summary: Summary) -> None:
        """Write the report as one HTML file.

        Raises:
            StoreError: it cannot be written.
        """
        made_at = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
        text = report(summary, self.questions, self.kept.replies, self.kept.duels, made_at)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from error


@contextmanager
def open_comparison(
    answers: Answers,
    layout: Layout,
    questions: Sequence[StudyQuestion],
    context: RunContext,
    judge: str | None = None,
    topology: Topology | None = None,
) -> Iterator[Comparison]:
    """Open a comparison; one of the same questions, models and judge that was interrupted goes on.

    Args:
        answers: who answers.
        layout: the base path, where what came is kept.
        questions: what is asked.
        context: what the caller chooses; as for ``answers``.
        judge: name of the model that compares; None for the role ``critic``, else the single model.
        topology: the ensemble's nodes; None takes those of the settings.

    Raises:
        UsageError: there is nothing to compare, or the judge cannot judge.
        ConfigError: the settings are faulty.
        ModelError: the judge's package or key is missing.
        StoreError: another process is at the same comparison, or its file cannot be read or written.
    """
    who = contestants(answers.ways(), context, topology)
    examiner = judge_for(judge, context)
    with opened(layout, fingerprint(questions, who, examiner.name)) as kept:
        yield Comparison(answers, questions, who, examiner, kept, layout)
