"""What a study comes to: how often each way was preferred, how sure that is, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from statistics import mean, median
from typing import Literal

from pydantic import BaseModel, Field

from matrioska.comparison.preference import RISK, Tally, chance, fewest, holm, preference_interval, questions_needed
from matrioska.comparison.records import NAMES, Contestant, Duel, StudyQuestion, WayReply
from matrioska.i18n import N_
from matrioska.state.questions import Via
from matrioska.state.results import Usage
from matrioska.workers.ensemble.normal import folded_words, normalised, short_form

#: Answers of which the longer has at most this many times the words of the shorter are of comparable length.
COMPARABLE = 1.25
#: Points of preference for which the size of a study is advised.
POINTS = 10.0

Verdict = Literal["better", "worse", "open"]
#: `NAMES` as sentences begin with them.
_OPENING: dict[Via, str] = {
    "single": N_("The single model"),
    "cascade": N_("The cascade"),
    "ensemble": N_("The ensemble"),
}
_DECIDED = {
    "better": N_(
        "{one} is better than {other} (preferred in {share} of {number} questions, 95% interval {low} to {high})."
    ),
    "worse": N_(
        "{one} is worse than {other} (preferred in {share} of {number} questions, 95% interval {low} to {high})."
    ),
}
_TOO_FEW = N_(
    "No difference between {one} and {other} could be shown: {number} questions are too few, "
    "whoever wins them; {least} are the least."
)
_OPEN = N_(
    "No difference between {one} and {other} could be shown (n = {number}; to see a difference of "
    "{points} points you would need about {needed} questions)."
)
_LEADS = N_("{leader} leads, but that may be chance.")
_LENGTH = N_("Length: answers of {one} have {ratio} times the words of those of {other} (median).")
_ALIKE = N_(
    "Among answers of comparable length (at most {times} times as long): {wins} wins, {ties} ties, {losses} losses."
)


class WaySummary(BaseModel):
    """What one way brought."""

    via: Via
    models: list[str]
    asked: int
    answered: int
    failed: int
    missing: int
    """Answers in which someone's word is missing."""
    usage: Usage
    priced: bool
    """Whether the prices of all its models are known; else the cost counts some as 0."""
    seconds: float
    """Median time from question to answer."""
    words: float
    """Median length of an answer."""
    referenced: int = 0
    """Questions with a reference answer."""
    exact: int = 0
    """Answers that are the reference, apart from case, punctuation and the like."""
    holds: int = 0
    """Answers that are or contain it."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Mean of what the judge gave, by aspect."""


class PairSummary(BaseModel):
    """How two ways compare, seen from ``one``."""

    one: Via
    other: Via
    wins: int
    ties: int
    losses: int
    no_verdict: int
    preference: float
    """Share of wins, a tie counting half."""
    low: float
    high: float
    """Limits of the 95 % interval of the preference, for this pair alone."""
    chance: float
    """How likely so uneven a result is between equals, corrected for the number of pairs (Holm)."""
    verdict: Verdict
    words: str
    """The verdict in a sentence."""
    needed: int
    """Questions that it takes to show a preference 10 points away from 50 %."""
    length_ratio: float | None = None
    """Median of the words of ``one`` by those of the other; None where never both answered."""
    longer_wins: int = 0
    """Of the questions that one of them won by the judge's word, those won by the longer answer."""
    decided: int = 0
    """Those questions."""
    comparable: tuple[int, int, int] = (0, 0, 0)
    """Wins, ties and losses among answers of comparable length."""


class JudgeSummary(BaseModel):
    """How the judge did."""

    model: str
    duels: int = 0
    """Duels in which it gave a verdict in both orders."""
    contradictions: int = 0
    """Of these, those in which the verdict changed with the order."""
    first: int = 0
    """Of these, those in which it preferred whatever stood first."""
    second: int = 0
    """Of these, those in which it preferred whatever stood second."""
    no_verdict: int = 0
    usage: Usage = Field(default_factory=Usage)
    priced: bool
    own: list[Via]
    """Ways in which the judge itself takes part."""


class Summary(BaseModel):
    """The whole result."""

    questions: int
    ways: list[WaySummary]
    pairs: list[PairSummary]
    judge: JudgeSummary


def summarise(
    questions: Sequence[StudyQuestion],
    contestants: Sequence[Contestant],
    replies: Mapping[tuple[str, Via], WayReply],
    duels: Mapping[tuple[str, Via, Via], Duel],
    judge: JudgeSummary,
    priced: Callable[[Contestant], bool],
) -> Summary:
    """Return what a study comes to.

    Args:
        questions: all of them.
        contestants: who took part.
        replies: by question and way; all of them.
        duels: by question and both ways, in the order of the contestants; those that are not there have no verdict.
        judge: its name and ways; the rest is counted here.
        priced: whether all prices of a contestant are known.
    """
    ways = [found.via for found in contestants]
    pairs = list(combinations(ways, 2))
    fought = {pair: [_fought(question.id, pair, duels) for question in questions] for pair in pairs}
    tallies = [tally_of(fought[pair]) for pair in pairs]
    chances = holm([chance(tally) for tally in tallies])
    return Summary(
        questions=len(questions),
        ways=[_way(found, questions, replies, duels.values(), priced(found)) for found in contestants],
        pairs=[
            _pair(pair, fought[pair], replies, tally, corrected, len(pairs))
            for pair, tally, corrected in zip(pairs, tallies, chances, strict=True)
        ],
        judge=_judge(judge, [duel for pair in pairs for duel in fought[pair]]),
    )


def _fought(question: str, pair: tuple[Via, Via], duels: Mapping[tuple[str, Via, Via], Duel]) -> Duel:
    """Return a duel; one without a verdict where no judge could be reached."""
    one, other = pair
    return duels.get((question, one, other)) or Duel(
        question=question, one=one, other=other, outcome="none", how="judged"
    )


def tally_of(duels: Iterable[Duel]) -> Tally:
    """Return wins, ties and losses; duels without a verdict are left out."""
    outcomes = [duel.outcome for duel in duels]
    return Tally(outcomes.count("win"), outcomes.count("tie"), outcomes.count("loss"))


def verdict_of(tally: Tally, corrected: float) -> Verdict:
    """Return whether a difference is shown, and which: the test must find it, and the interval leave out 50 %."""
    low, high = preference_interval(tally)
    if corrected > RISK or low <= 0.5 <= high:
        return "open"
    return "better" if tally.wins > tally.losses else "worse"


def in_words(one: Via, other: Via, tally: Tally, corrected: float, pairs: int = 1) -> str:
    """Return the verdict on two ways in a sentence or two."""
    number, (low, high) = tally.judged, preference_interval(tally)
    both = {"one": NAMES[one], "other": NAMES[other]}
    if number == 0:
        return N_("Nothing can be said of {one} and {other}: there is no verdict.").format(**both)
    if number == 1:
        return N_("One question tells nothing of {one} and {other}: the next may end the other way.").format(**both)
    if (verdict := verdict_of(tally, corrected)) != "open":
        sure = {"share": f"{tally.preference:.0%}", "number": number, "low": f"{low:.0%}", "high": f"{high:.0%}"}
        return _DECIDED[verdict].format(one=_OPENING[one], other=NAMES[other], **sure)
    if number < fewest(pairs):
        return _TOO_FEW.format(**both, number=number, least=fewest(pairs))
    needed = questions_needed(tally, POINTS, pairs)
    said = _OPEN.format(**both, number=number, points=f"{POINTS:.0f}", needed=needed)
    if low <= 0.5 <= high:
        return said
    leader = _OPENING[one if tally.wins > tally.losses else other]
    return f"{said} {_LEADS.format(leader=leader)}"


def length_in_words(pair: PairSummary) -> str:
    """Return what the lengths of the answers may have to do with who won, in a sentence or three; '' for nothing."""
    if pair.length_ratio is None:
        return ""
    said = [_LENGTH.format(one=NAMES[pair.one], other=NAMES[pair.other], ratio=f"{pair.length_ratio:.2f}")]
    if pair.decided:
        decided = N_("Of {number} that the judge decided, the longer answer won {longer}.")
        said.append(decided.format(number=pair.decided, longer=pair.longer_wins))
    if any(pair.comparable):
        wins, ties, losses = pair.comparable
        said.append(_ALIKE.format(times=COMPARABLE, wins=wins, ties=ties, losses=losses))
    return " ".join(said)


def _pair(
    pair: tuple[Via, Via],
    duels: Sequence[Duel],
    replies: Mapping[tuple[str, Via], WayReply],
    tally: Tally,
    corrected: float,
    pairs: int,
) -> PairSummary:
    one, other = pair
    low, high = preference_interval(tally)
    lengths = {duel.question: _lengths(duel, replies) for duel in duels}
    both = {question: (mine, theirs) for question, (mine, theirs) in lengths.items() if mine and theirs}
    decided = [duel for duel in duels if duel.how == "judged" and duel.outcome in ("win", "loss")]
    alike = [
        duel
        for duel in duels
        if duel.question in both and max(both[duel.question]) <= COMPARABLE * min(both[duel.question])
    ]
    comparable = tally_of(alike)
    return PairSummary(
        one=one,
        other=other,
        wins=tally.wins,
        ties=tally.ties,
        losses=tally.losses,
        no_verdict=len(duels) - tally.judged,
        preference=tally.preference,
        low=low,
        high=high,
        chance=corrected,
        verdict=verdict_of(tally, corrected),
        words=in_words(one, other, tally, corrected, pairs),
        needed=questions_needed(tally, POINTS, pairs),
        length_ratio=median(mine / theirs for mine, theirs in both.values()) if both else None,
        longer_wins=sum(_longer_won(duel, *lengths[duel.question]) for duel in decided),
        decided=len(decided),
        comparable=(comparable.wins, comparable.ties, comparable.losses),
    )


def _lengths(duel: Duel, replies: Mapping[tuple[str, Via], WayReply]) -> tuple[int, int]:
    """Return the words of both answers."""
    mine, theirs = (len(replies[duel.question, via].text.split()) for via in (duel.one, duel.other))
    return mine, theirs


def _longer_won(duel: Duel, mine: int, theirs: int) -> bool:
    return (mine > theirs) if duel.outcome == "win" else (theirs > mine)


def _way(
    contestant: Contestant,
    questions: Sequence[StudyQuestion],
    replies: Mapping[tuple[str, Via], WayReply],
    duels: Iterable[Duel],
    priced: bool,
) -> WaySummary:
    via = contestant.via
    own = {question.id: replies[question.id, via] for question in questions}
    came = [reply.answered for reply in own.values() if reply.answered is not None and reply.text]
    referenced = [question for question in questions if question.reference]
    matches = [correctness(own[question.id].text, question.reference) for question in referenced]
    return WaySummary(
        via=via,
        models=list(contestant.models),
        asked=len(own),
        answered=len(came),
        failed=len(own) - len(came),
        missing=sum(bool(answered.missing) for answered in came),
        usage=sum((answered.usage for answered in came), Usage()),
        priced=priced,
        seconds=median(answered.seconds for answered in came) if came else 0.0,
        words=median(len(answered.text.split()) for answered in came) if came else 0.0,
        referenced=len(referenced),
        exact=sum(exact for exact, _ in matches),
        holds=sum(holds for _, holds in matches),
        scores=_scores(via, duels),
    )


def correctness(answer: str, reference: str) -> tuple[bool, bool]:
    """Return whether an answer is the reference, and whether it is or contains it; see `normal.normalised`."""
    if not answer:
        return False, False
    exact = normalised(reference) in (normalised(answer), short_form(answer))
    wanted, words = folded_words(reference), folded_words(answer)
    inside = any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))
    return exact, exact or (bool(wanted) and inside)


def _scores(via: Via, duels: Iterable[Duel]) -> dict[str, float]:
    """Return the mean scores of a way over all opinions, by aspect."""
    given: dict[str, list[int]] = {}
    for duel in duels:
        for opinion in duel.opinions:
            for place, scores in ((opinion.first, opinion.a), (opinion.second, opinion.b)):
                if place == via:
                    for aspect, value in scores.model_dump(exclude_none=True).items():
                        given.setdefault(aspect, []).append(value)
    return {aspect: round(mean(values), 2) for aspect, values in given.items()}


def _judge(judge: JudgeSummary, duels: Sequence[Duel]) -> JudgeSummary:
    opinions = [opinion for duel in duels for opinion in duel.opinions]
    biased = [duel.biased for duel in duels]
    return judge.model_copy(
        update={
            "duels": sum(bool(duel.opinions) and duel.outcome != "none" for duel in duels),
            "contradictions": sum(duel.how == "contradiction" for duel in duels),
            "first": biased.count("A"),
            "second": biased.count("B"),
            "no_verdict": sum(duel.outcome == "none" for duel in duels),
            "usage": sum((opinion.usage for opinion in opinions), Usage()),
        }
    )
