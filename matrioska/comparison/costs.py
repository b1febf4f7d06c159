"""What a study is expected to cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from langchain_core.messages.ai import UsageMetadata
from pydantic import BaseModel

from matrioska.comparison.kept import Kept
from matrioska.comparison.records import SHOWN, StudyQuestion
from matrioska.i18n import N_
from matrioska.models.gateway import Client
from matrioska.models.gateway.prices import cost_of
from matrioska.models.gateway.tokens import estimate
from matrioska.prompts.render import template_source
from matrioska.state.questions import Estimate, Via

#: Below all of these nobody is asked: calls, and US dollars.
FREE_CALLS, FREE_COST = 200, 0.10
#: Tokens of one verdict, the judge's reasoning in it included.
_VERDICT_TOKENS = 150
#: Tokens of an answer where nobody says.
_USUAL_ANSWER = 500


class CostLine(BaseModel):
    """What one way, or the judge, is expected to cost for all questions."""

    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None when a price is not known."""


def expected(
    questions: Sequence[StudyQuestion],
    ways: Sequence[Via],
    kept: Kept,
    estimate_one: Callable[[str, Via], Estimate],
    judge: Client,
) -> list[CostLine]:
    """Return what is still to be paid for, by way, and for judging.

    Args:
        questions: all questions.
        ways: all ways.
        kept: what is there already.
        estimate_one: what a question costs by one way.
        judge: who compares.
    """
    lines = []
    for via in ways:
        asked = [question for question in questions if (question.id, via) not in kept.replies]
        lines.append(_sum(via, [estimate_one(question.text, via) for question in asked]))
    return [*lines, _judging(questions, ways, kept, judge)]


def total(lines: Sequence[CostLine]) -> CostLine:
    """Return all of it together."""
    return _sum(N_("together"), lines)


def _sum(name: str, parts: Sequence[Estimate | CostLine]) -> CostLine:
    known = [part.cost for part in parts if part.cost is not None]
    return CostLine(
        name=name,
        calls=sum(part.calls for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cost=sum(known) if len(known) == len(parts) else None,
    )


def _judging(questions: Sequence[StudyQuestion], ways: Sequence[Via], kept: Kept, judge: Client) -> CostLine:
    """Return the cost of judging: two calls for each pair, with the prompt, the question and both answers in each."""
    frame = sum(map(estimate, template_source("judge_pair")))
    calls = read = 0
    for question in questions:
        left = 2 * sum((question.id, *pair) not in kept.duels for pair in combinations(ways, 2))
        answers = [reply.text for via in ways if (reply := kept.replies.get((question.id, via)))]
        longest = max((estimate(answer[:SHOWN]) for answer in answers), default=_USUAL_ANSWER)
        calls += left
        read += left * (frame + estimate(question.text + question.reference) + 2 * longest)
    written = calls * _VERDICT_TOKENS
    usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    return CostLine(
        name=N_("judge"), calls=calls, input_tokens=read, output_tokens=written, cost=cost_of(judge.member, usage)
    )


def is_small(whole: CostLine) -> bool:
    """Whether a cost needs no word from a person. One that nobody knows does, unless nothing is asked."""
    if whole.calls == 0:
        return True
    return whole.calls <= FREE_CALLS and whole.cost is not None and whole.cost <= FREE_COST
