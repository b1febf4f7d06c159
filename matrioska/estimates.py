"""What a question will cost, before it is asked.

An estimate, and a rough one: how long models answer nobody knows before. Every answer is taken
for `ANSWER` tokens, and every prompt for the question, `INSTRUCTIONS`, and what it is shown:

* **single**: one call with the question alone.
* **cascade**: each mind makes the calls of `calls_of`. Each of them shows what the mind has thought
  before, and its parent's analysis; from the division of the question on also the replies of its children.
  So a call is the dearer the later in its mind, and the more children that has.
* **ensemble**: each part of the query is put to both models of each of its nodes; those of a node that
  disagree make two calls more, which are not counted. The larger model is then shown all parts' answers.

Answers that cannot be used are asked for again, and failing calls are repeated: neither is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from langchain_core.messages.ai import UsageMetadata

from matrioska.models.gateway.prices import cost_of
from matrioska.models.gateway.tokens import estimate as tokens_of
from matrioska.state.cascade import MindSpec, MindTree
from matrioska.state.ensemble import Topology
from matrioska.state.members import Member
from matrioska.state.questions import Estimate, Via
from matrioska.store.settings import find_member
from matrioska.workers.cascade.plan import calls_of
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.ensemble.decompose import decompose
from matrioska.workers.ensemble.run import bounded

#: Tokens of an answer, and of what a model is told besides the question.
ANSWER, INSTRUCTIONS = 500, 300
_Find = Callable[[str], Member]


class _Sum:
    """Calls and their tokens, added up by model."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._input: Counter[str] = Counter()

    def add(self, model: str, shown: int, times: int = 1) -> None:
        """Count calls whose prompts have so many tokens each."""
        self._calls[model] += times
        self._input[model] += shown * times

    def estimate(self, via: Via, find: _Find) -> Estimate:
        """Return it all, with its price where that of every model is known."""
        costs = [cost_of(find(name), self._usage(name)) for name in self._calls]
        known = [cost for cost in costs if cost is not None]
        return Estimate(
            via=via,
            calls=self._calls.total(),
            input_tokens=self._input.total(),
            output_tokens=ANSWER * self._calls.total(),
            cost=sum(known) if len(known) == len(costs) else None,
        )

    def _usage(self, name: str) -> UsageMetadata:
        told, answered = self._input[name], ANSWER * self._calls[name]
        return UsageMetadata(input_tokens=told, output_tokens=answered, total_tokens=told + answered)


def of_single(question: str, model: str, find: _Find = find_member) -> Estimate:
    """Return what one model costs."""
    found = _Sum()
    found.add(model, tokens_of(question))
    return found.estimate("single", find)


def of_ensemble(question: str, topology: Topology, find: _Find = find_member) -> Estimate:
    """Return what the ensemble costs."""
    found = _Sum()
    _vote(found, question, topology)
    return found.estimate("ensemble", find)


def of_cascade(
    question: str, tree: MindTree, model: str, topology: Topology | None = None, find: _Find = find_member
) -> Estimate:
    """Return what the cascade costs.

    Args:
        question: what is asked.
        tree: its minds.
        model: who thinks for minds without a model of their own.
        topology: the ensemble, for minds that are one; None where there are none.
        find: returns the member of a name.
    """
    found = _Sum()
    calls = calls_of(tree)
    for mind in tree.minds:
        for shown in _prompts(question, tree, mind, calls[mind.id]):
            if mind.model == ENSEMBLE and topology is not None:
                _nodes(found, topology, shown, len(topology.nodes))
            else:
                found.add(mind.model or model, shown)
    return found.estimate("cascade", find)


def _prompts(question: str, tree: MindTree, mind: MindSpec, calls: int) -> Iterator[int]:
    """Yield the tokens of each of a mind's prompts."""
    replies = len(tree.children(mind.id)) * ANSWER
    above = ANSWER if mind.parent is not None else 0
    # The first two calls of a mind with children, its analysis and the division, come before their replies.
    for number in range(calls):
        heard = replies if number >= 2 else 0
        yield INSTRUCTIONS + tokens_of(question) + above + number * ANSWER + heard


def _vote(found: _Sum, question: str, topology: Topology) -> None:
    parts = bounded(decompose(question), topology.max_chunks)
    for part in parts:
        # Every node is asked once when there are enough of them, else each part has one (the router's rule).
        share = max(1, round(len(topology.nodes) / len(parts)))
        _nodes(found, topology, INSTRUCTIONS + tokens_of(part.text) + ANSWER * len(part.after), share)
    if topology.synthesizer is not None:
        found.add(topology.synthesizer, INSTRUCTIONS + tokens_of(question) + ANSWER * len(parts))


def _nodes(found: _Sum, topology: Topology, shown: int, nodes: int) -> None:
    """Count the calls of so many nodes; which ones the router takes shows only later."""
    for node in topology.nodes[:nodes]:
        for model in (node.model_a, node.model_b):
            found.add(model, shown)
