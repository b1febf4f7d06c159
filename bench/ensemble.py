"""The ensemble's learning, on simulated nodes whose accuracy is known: no model is asked.

Votes, weights, early decision, routing and fitness are the package's own; only the nodes are made up.
A node gives the right answer as often as its accuracy for the kind of task says, else any of the
wrong ones. Nodes err independently, which real ones do less.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, correlation, fmean, median, stdev

from bench.report import Section, Verdict
from matrioska.state.ensemble import Chunk, NodeSpec, NodeVote
from matrioska.state.fitness import Reward
from matrioska.store.fitness import FitnessBook
from matrioska.workers.ensemble.assembly import Ballot, linear, log_odds
from matrioska.workers.ensemble.router import assign

#: One question of each kind that is simulated; `kind_of` takes it for that kind.
QUESTIONS = {"maths": "What is 2 + 2?", "facts": "Who was he?", "code": "Fix this code", "writing": "Write a poem"}
_SPOILT = 0.35
_COLLUDING = 0.4
#: Queries within which a node that turned bad is demoted, by the share of them that is checked.
_DEMOTED_WITHIN = {1.0: 300, 0.3: 600}


@dataclass(frozen=True)
class Choice:
    """What is simulated."""

    queries: int = 2000
    seeds: int = 10
    turns_bad_at: int = 1000
    """Query from which the best node is right with a probability of 0.35 only."""


@dataclass(frozen=True)
class Setting:
    """What the nodes meet."""

    nodes: int = 5
    alternatives: int = 2
    """Answers that a question has, one of them right."""
    checked: float = 1.0
    """Share of queries after which every answer is found right or wrong; after the others a node is
    only held against what the others decided."""
    per_chunk: int | None = None
    """Nodes asked for each query; None asks all."""
    fall: bool = False
    """Whether the best node turns bad."""
    colluding: int = 0
    """Nodes, the first ones, that always say the same, and are right with a probability of 0.4."""

    def __str__(self) -> str:
        return f"{self.alternatives}, {100 * self.checked:.0f} %"


@dataclass(frozen=True)
class World:
    """Nodes with their accuracies and speeds."""

    rng: random.Random
    setting: Setting
    nodes: tuple[NodeSpec, ...]
    accuracy: dict[tuple[str, str], float]
    seconds: dict[str, float]
    """Median of what an answer takes."""

    best: str
    """The node with the highest accuracy over all kinds."""

    @classmethod
    def of(cls, seed: int, setting: Setting) -> World:
        """Return nodes with accuracies from 0.55 to 0.9 for each kind, and medians from 1 to 10 seconds."""
        rng = random.Random(seed)
        nodes = tuple(NodeSpec(id=f"n{place}", model_a="a", model_b="b") for place in range(setting.nodes))
        accuracy = {(node.id, kind): rng.uniform(0.55, 0.9) for node in nodes for kind in QUESTIONS}
        accuracy |= {(node.id, kind): _COLLUDING for node in nodes[: setting.colluding] for kind in QUESTIONS}
        seconds = {node.id: rng.uniform(1.0, 10.0) for node in nodes}
        best = max(seconds, key=lambda name: fmean(accuracy[name, kind] for kind in QUESTIONS))
        return cls(rng, setting, nodes, accuracy, seconds, best)

    def votes(self, nodes: Sequence[NodeSpec], kind: str) -> list[NodeVote]:
        """Return the votes of some nodes on a question, as they come in. The right answer is '0'."""
        rng, votes = self.rng, []
        colluders, shared = self.nodes[: self.setting.colluding], rng.random()
        for node in nodes:
            right = (shared if node in colluders else rng.random()) < self.accuracy[node.id, kind]
            answer = "0" if right else "1" if node in colluders else str(rng.randrange(1, self.setting.alternatives))
            # Somewhat surer when right, as two models are that agree.
            confidence = rng.uniform(0.6 if right else 0.4, 1.0)
            seconds = self.seconds[node.id] * rng.lognormvariate(0.0, 0.5)
            said = {"answer": answer, "confidence": confidence, "how": "agreed", "seconds": seconds, "calls": 2}
            votes.append(NodeVote.model_validate({"node": node.id, "chunk": 1, "kind": kind, **said}))
        return sorted(votes, key=lambda vote: vote.seconds)


@dataclass
class Tallied:
    """What came of one run of queries with one seed."""

    right: Counter[str] = field(default_factory=Counter)
    """Right answers by way of deciding."""
    regret: list[float] = field(default_factory=list)
    """Accuracy given away by the choice of nodes, a query."""
    calls: int = 0
    saved_calls: int = 0
    seconds: float = 0.0
    saved_seconds: float = 0.0
    changed: int = 0
    """Answers that an early decision would have changed."""
    rank: float = 0.0
    """Spearman's correlation of learnt fitness with accuracy, mean over kinds."""
    fitness: dict[str, float] = field(default_factory=dict)
    """What each node is taken for in the end, mean over kinds."""
    demoted: int | None = None
    """Queries after its fall until the best node's fitness is below the median in every kind; None: never."""


async def equal(answers: Sequence[str]) -> list[list[int]]:
    """Group equal answers."""
    return [[place for place, other in enumerate(answers) if other == answer] for answer in dict.fromkeys(answers)]


async def simulate(seed: int, choice: Choice, setting: Setting) -> Tallied:
    """Ask queries one after the other and learn from each; ``seed`` makes the world and all its chances."""
    world = World.of(seed, setting)
    book, found = FitnessBook(None), Tallied()
    for number in range(choice.queries):
        if setting.fall and number == choice.turns_bad_at:
            world.accuracy.update({(world.best, kind): _SPOILT for kind in QUESTIONS})
        kind = world.rng.choice(list(QUESTIONS))
        posteriors = await book.posteriors((node.id for node in world.nodes), [kind])
        chunk = Chunk(number=1, lead="", text=QUESTIONS[kind])
        nodes = assign([chunk], world.nodes, posteriors, world.rng, setting.per_chunk)[1]
        found.regret.append(_regret(world, nodes, kind))
        votes = world.votes(nodes, kind)
        ballot = await _count(chunk, nodes, {node.id: posteriors[node.id, kind].mean for node in nodes}, votes, found)
        _compare(world, votes, found)
        await book.record_all(_checked(votes) if world.rng.random() < setting.checked else ballot.rewards())
        fallen_for = number + 1 - choice.turns_bad_at
        if setting.fall and found.demoted is None and fallen_for > 0 and await _is_low(world, book):
            found.demoted = fallen_for
    await _judge(world, book, found)
    return found


async def _count(
    chunk: Chunk, nodes: Sequence[NodeSpec], fitness: dict[str, float], votes: Sequence[NodeVote], found: Tallied
) -> Ballot:
    """Count votes by both weights, and note where an early decision would have ended the count."""
    ballot = Ballot(chunk, nodes, fitness=fitness, groups=equal, weigh=log_odds)
    simple = Ballot(chunk, nodes, fitness=fitness, groups=equal, weigh=linear)
    early: str | None = None
    for vote in votes:
        await simple.add(vote)
        await ballot.add(vote)
        if early is None and ballot.decided:
            result = ballot.result(early=True)
            early = result.answer
            found.saved_calls += result.saved_calls
            found.saved_seconds += votes[-1].seconds - vote.seconds
    full = ballot.result().answer
    found.changed += early != full
    found.calls += sum(vote.calls for vote in votes)
    found.seconds += votes[-1].seconds
    found.right["log odds"] += full == "0"
    found.right["fitness × confidence"] += simple.result().answer == "0"
    return ballot


def _compare(world: World, votes: Sequence[NodeVote], found: Tallied) -> None:
    """Decide by the ways that learn nothing."""
    counts = Counter(vote.answer for vote in votes)
    most = max(counts.values())
    found.right["majority"] += world.rng.choice([answer for answer in counts if counts[answer] == most]) == "0"
    found.right["best node"] += any(vote.node == world.best and vote.answer == "0" for vote in votes)
    kind = votes[0].kind
    expert = max(votes, key=lambda vote: world.accuracy[vote.node, kind])
    found.right["best node of each kind"] += expert.answer == "0"


def _checked(votes: Sequence[NodeVote]) -> list[Reward]:
    return [
        Reward(node=vote.node, kind=vote.kind, right=float(vote.answer == "0"), seconds=vote.seconds) for vote in votes
    ]


def _regret(world: World, nodes: Sequence[NodeSpec], kind: str) -> float:
    """Return what the chosen nodes' mean accuracy falls short of that of as many of the best."""
    best = sorted((world.accuracy[node.id, kind] for node in world.nodes), reverse=True)
    return fmean(best[: len(nodes)]) - fmean(world.accuracy[node.id, kind] for node in nodes)


async def _is_low(world: World, book: FitnessBook) -> bool:
    """Whether the fitness of the node that was best is below the median in every kind."""
    found = await book.posteriors((each.id for each in world.nodes), QUESTIONS)
    return all(
        found[world.best, kind].mean < median(found[each.id, kind].mean for each in world.nodes) for kind in QUESTIONS
    )


async def _judge(world: World, book: FitnessBook, found: Tallied) -> None:
    """Note what was learnt in the end."""
    names = [node.id for node in world.nodes]
    believed = await book.posteriors(names, QUESTIONS)
    found.fitness = {name: fmean(believed[name, kind].mean for kind in QUESTIONS) for name in names}
    found.rank = fmean(
        spearman([believed[name, kind].mean for name in names], [world.accuracy[name, kind] for name in names])
        for kind in QUESTIONS
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation of two series; of equal values the first ranks lower."""
    ranks: list[list[int]] = []
    for series in (first, second):
        order = sorted(range(len(series)), key=series.__getitem__)
        ranks.append([order.index(place) for place in range(len(series))])
    return correlation(*ranks)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of independent values and half the width of its 95 % confidence interval.

    Student's quantile is expanded around the normal one (Abramowitz and Stegun 26.7.5).
    """
    z, freedom = NormalDist().inv_cdf(0.975), len(values) - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    return fmean(values), t * stdev(values) / math.sqrt(len(values))


def measure(choice: Choice, say: Callable[[str], None]) -> Iterator[Section]:
    """Measure the ensemble: right answers, ranks, early decisions, regret, and a node that turns bad.

    Args:
        choice: how much is simulated.
        say: told what is under way.
    """

    def runs(setting: Setting) -> list[Tallied]:
        say(f"ensemble: {setting} checked")
        return [asyncio.run(simulate(seed, choice, setting)) for seed in range(choice.seeds)]

    settings = [Setting(checked=checked) for checked in (1.0, 0.3, 0.0)]
    settings += [Setting(alternatives=4, checked=checked) for checked in (1.0, 0.0)]
    voted = [(setting, runs(setting)) for setting in settings]
    yield right_answers(choice, voted)
    yield early_decisions(voted)
    chosen = [Setting(nodes=9, per_chunk=3, checked=checked) for checked in (1.0, 0.3)]
    yield regrets(choice, [(setting, runs(setting)) for setting in chosen])
    fallen = [Setting(fall=True, checked=checked) for checked in (1.0, 0.3, 0.0)]
    yield demotions(choice, [(setting, runs(setting)) for setting in fallen])
    colluding = [Setting(colluding=3, checked=checked) for checked in (1.0, 0.3, 0.0)]
    yield collusion(choice, [(setting, runs(setting)) for setting in colluding])


Runs = Sequence[tuple[Setting, Sequence[Tallied]]]


def right_answers(choice: Choice, voted: Runs) -> Section:
    """Return the share of right answers of every way of deciding, on the same votes."""
    ways = list(voted[0][1][0].right)
    section = Section(
        f"Ensemble: right answers of {choice.queries} queries, {choice.seeds} seeds, 5 nodes (%)",
        ["answers, checked", *ways, "rank correlation"],
        notes=[
            "Checked: of so many queries every answer is found right or wrong. ± is the 95 % interval over seeds.",
            "The two best nodes are known in advance, the weights are learnt.",
        ],
        data=[],
    )
    for setting, tallies in voted:
        shares = {way: [100.0 * found.right[way] / choice.queries for found in tallies] for way in ways}
        ranks = [found.rank for found in tallies]
        section.rows.append([str(setting), *(_plus(shares[way], 1) for way in ways), _plus(ranks, 2)])
        section.data.append({"setting": str(setting), "right": shares, "rank": ranks})
        for rival in ("best node", "majority"):
            behind, width = interval([b - a for a, b in zip(shares["log odds"], shares[rival], strict=True)])
            what = f"{setting}: {rival} ahead of log odds, at most"
            section.verdicts.append(Verdict(what, behind + width, 0.0, "points"))
        if setting.checked:
            section.verdicts.append(Verdict(f"{setting}: 1 − rank correlation", 1.0 - fmean(ranks), 0.25))
    return section


def early_decisions(voted: Runs) -> Section:
    """Return what was saved by ending the count where it cannot change."""
    section = Section(
        "Ensemble: early decision", ["answers, checked", "calls saved (%)", "seconds saved (%)", "changed"], data=[]
    )
    for setting, tallies in voted:
        calls = [100.0 * found.saved_calls / found.calls for found in tallies]
        seconds = [100.0 * found.saved_seconds / found.seconds for found in tallies]
        changed = sum(found.changed for found in tallies)
        section.rows.append([str(setting), _plus(calls, 1), _plus(seconds, 1), changed])
        section.data.append({"setting": str(setting), "calls": calls, "seconds": seconds, "changed": changed})
    total = sum(found["changed"] for found in section.data)
    section.verdicts.append(Verdict("answers changed by early decision", float(total), 0.0))
    section.notes.append("Seconds are those until the last answer that is waited for.")
    return section


def regrets(choice: Choice, chosen: Runs) -> Section:
    """Return what is given away while 3 of 9 nodes are chosen, by quarters of the queries."""
    section = Section(
        "Ensemble: regret a query, 3 of 9 nodes chosen (points of accuracy below the best 3)",
        ["answers, checked", "first quarter", "second", "third", "last", "all, summed"],
        data=[],
    )
    size = choice.queries // 4
    for setting, tallies in chosen:
        quarters = [[100.0 * fmean(f.regret[n * size : (n + 1) * size]) for f in tallies] for n in range(4)]
        total = [100.0 * sum(found.regret) for found in tallies]
        section.rows.append([str(setting), *(_plus(quarter, 2) for quarter in quarters), _plus(total, 0)])
        section.data.append({"setting": str(setting), "quarters": quarters, "total": total})
        ratio = fmean(quarters[3]) / fmean(quarters[0])
        section.verdicts.append(Verdict(f"{setting}: regret of the last quarter over the first", ratio, 0.6))
    section.notes.append("It does not fall to 0: what is forgotten has to be tried again.")
    return section


def demotions(choice: Choice, fallen: Runs) -> Section:
    """Return how soon a node that was the best is found to have turned bad."""
    section = Section(
        f"Ensemble: queries until a node that turns bad at {choice.turns_bad_at} is below the median in all kinds",
        ["answers, checked", "median", "slowest seed", "seeds demoted"],
        data=[],
    )
    for setting, tallies in fallen:
        left = choice.queries - choice.turns_bad_at
        waits = [left if found.demoted is None else found.demoted for found in tallies]
        demoted = sum(found.demoted is not None for found in tallies)
        section.rows.append([str(setting), median(waits), max(waits), f"{demoted} of {len(tallies)}"])
        section.data.append({"setting": str(setting), "queries": [found.demoted for found in tallies]})
        if bound := _DEMOTED_WITHIN.get(setting.checked):
            section.verdicts.append(Verdict(f"{setting}: slowest seed", float(max(waits)), bound, "queries"))
    section.notes.append(
        f"Each query has one of {len(QUESTIONS)} kinds, learnt apart. A node never demoted counts to the end."
    )
    return section


def collusion(choice: Choice, runs: Runs) -> Section:
    """Return what becomes of a majority that always says the same and is mostly wrong."""
    section = Section(
        "Ensemble: 3 of 5 nodes collude and are right in 40 % (right answers, %)",
        ["answers, checked", "log odds", "majority", "fitness of colluders", "fitness of the others"],
        data=[],
    )
    for setting, tallies in runs:
        right = {
            way: [100.0 * found.right[way] / choice.queries for found in tallies] for way in ("log odds", "majority")
        }
        believed = [list(found.fitness.values()) for found in tallies]
        colluders = [fmean(fitness[: setting.colluding]) for fitness in believed]
        others = [fmean(fitness[setting.colluding :]) for fitness in believed]
        shown = [_plus(right["log odds"], 1), _plus(right["majority"], 1), _plus(colluders, 2), _plus(others, 2)]
        section.rows.append([str(setting), *shown])
        section.data.append({"setting": str(setting), "right": right, "colluders": colluders, "others": others})
        if setting.checked:
            behind, width = interval([b - a for a, b in zip(right["log odds"], right["majority"], strict=True)])
            what = f"{setting}: majority ahead of log odds, at most"
            section.verdicts.append(Verdict(what, behind + width, 0.0, "points"))
        else:
            section.verdicts.append(Verdict(f"{setting}: highest fitness of colluders", max(colluders), 7 / 9))
    section.notes.append("Without any check nobody can tell them from nodes that are right; their fitness is bounded.")
    return section


def _plus(values: Sequence[float], digits: int) -> str:
    mean, width = interval(values)
    return f"{mean:.{digits}f} ± {width:.{digits}f}"
