"""Which nodes answer which chunk: by fitness with exploration, spread over clusters and evenly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matrioska.state.ensemble import Chunk, NodeSpec
from matrioska.state.fitness import Posterior
from matrioska.workers.ensemble.kinds import kind_of

#: What a node that takes forever loses, in shares of right answers: being right counts more than being quick.
SLOWNESS = 0.05
#: Seconds at which half of that is lost.
HALF_SLOW = 10.0


@dataclass
class _Seats:
    """Who answers one chunk."""

    kind: str
    taken: list[NodeSpec] = field(default_factory=list)

    def crowding(self, node: NodeSpec) -> tuple[int, int]:
        """Return how many of the node's cluster are here already, and how many of its supercluster."""
        # A node without a cluster is one of its own.
        cluster = sum(bool(node.cluster) and other.cluster == node.cluster for other in self.taken)
        above = sum(bool(node.supercluster) and other.supercluster == node.supercluster for other in self.taken)
        return cluster, above


def assign(
    chunks: Sequence[Chunk],
    nodes: Sequence[NodeSpec],
    posteriors: Mapping[tuple[str, str], Posterior],
    rng: random.Random,
    per_chunk: int | None = None,
) -> dict[int, list[NodeSpec]]:
    """Return the nodes of each chunk, by its number; the same for the same state of ``rng``.

    No node gets two chunks more than another one. Among those that have fewest, a chunk takes them
    from clusters, then superclusters, that it has fewest of, so that its votes depend less on each
    other; and among these the one with the best draw from its posterior for the chunk's kind
    (Thompson sampling), less a little for slowness.

    Args:
        chunks: the units of the query; at least one.
        nodes: all nodes; at least one.
        posteriors: by node and kind, for every pair of them.
        rng: draws.
        per_chunk: nodes for each chunk. None uses every node: once when there are as many as chunks
            or more, so that some chunks may have one more than others; else one a chunk.
    """
    if not nodes:
        raise ValueError("an ensemble without nodes cannot be asked")
    seats = {chunk.number: _Seats(kind_of(chunk.text)) for chunk in chunks}
    values = _values(nodes, {found.kind for found in seats.values()}, posteriors, rng)
    loads: Counter[str] = Counter()
    for number in _turns(list(seats), len(nodes), per_chunk, rng):
        chosen = _choose(seats[number], nodes, loads, values)
        loads[chosen.id] += 1
        seats[number].taken.append(chosen)
    return {number: found.taken for number, found in seats.items()}


def _turns(numbers: list[int], nodes: int, per_chunk: int | None, rng: random.Random) -> list[int]:
    """Return the chunks in the order in which they choose, each as often as it gets a node.

    In rounds as long as every node is taken once only, so that no chunk gets all the best. Otherwise
    one chunk after the other, which is what keeps the nodes' loads even.
    """
    order = rng.sample(numbers, len(numbers))
    if per_chunk is None:
        return order * (nodes // len(order)) + order[: nodes % len(order)] if nodes >= len(order) else order
    each = min(max(1, per_chunk), nodes)
    if each * len(order) <= nodes:
        return order * each
    return [number for number in order for _ in range(each)]


def _values(
    nodes: Sequence[NodeSpec],
    kinds: set[str],
    posteriors: Mapping[tuple[str, str], Posterior],
    rng: random.Random,
) -> dict[tuple[str, str], float]:
    """Return for each node and kind what it is taken to be worth this time."""
    worth: dict[tuple[str, str], float] = {}
    for kind in sorted(kinds):
        for node in nodes:
            found = posteriors[node.id, kind]
            seconds = found.seconds or 0.0
            worth[node.id, kind] = found.draw(rng) - SLOWNESS * seconds / (seconds + HALF_SLOW)
    return worth


def _choose(
    seats: _Seats, nodes: Sequence[NodeSpec], loads: Counter[str], values: Mapping[tuple[str, str], float]
) -> NodeSpec:
    free = [node for node in nodes if node not in seats.taken]
    return min(free, key=lambda node: (loads[node.id], *seats.crowding(node), -values[node.id, seats.kind], node.id))
