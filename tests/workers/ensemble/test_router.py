"""Who answers which chunk."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.state.ensemble import Chunk, NodeSpec
from matrioska.state.fitness import Posterior
from matrioska.workers.ensemble.kinds import KINDS
from matrioska.workers.ensemble.router import assign

Posteriors = dict[tuple[str, str], Posterior]


def nodes_of(*names: str, **clusters: str) -> list[NodeSpec]:
    return [NodeSpec(id=name, model_a="a", model_b="b", cluster=clusters.get(name, "")) for name in names]


def chunks_of(count: int, text: str = "What is 2 + 2?") -> list[Chunk]:
    return [Chunk(number=number, lead="", text=text) for number in range(1, count + 1)]


def believed(nodes: list[NodeSpec], **means: float) -> Posteriors:
    """Posteriors so sure that a draw is the mean."""
    shares = {node.id: means.get(node.id, 0.5) for node in nodes}
    return {(name, kind): Posterior(1e7 * mean, 1e7 * (1 - mean)) for name, mean in shares.items() for kind in KINDS}


@given(st.integers(1, 12), st.integers(1, 12), st.none() | st.integers(1, 14), st.integers())
def test_loads_and_seats_are_even(nodes: int, chunks: int, per_chunk: int | None, seed: int) -> None:
    specs = nodes_of(*(f"n{place}" for place in range(nodes)))
    found = assign(chunks_of(chunks), specs, believed(specs), random.Random(seed), per_chunk)
    assert list(found) == list(range(1, chunks + 1))
    sizes = [len(taken) for taken in found.values()]
    loads = Counter({node.id: 0 for node in specs}) + Counter(node.id for taken in found.values() for node in taken)
    assert all(len({node.id for node in taken}) == len(taken) for taken in found.values()), "no node twice in a chunk"
    assert max(loads.values()) - min(loads[node.id] for node in specs) <= 1
    if per_chunk is None:
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
        assert sum(sizes) == max(nodes, chunks)
    else:
        assert set(sizes) == {min(per_chunk, nodes)}


def test_the_same_seed_gives_the_same() -> None:
    specs = nodes_of(*"abcdefg")
    unsure = {(node.id, kind): Posterior(1.0, 1.0) for node in specs for kind in KINDS}
    drawn = [assign(chunks_of(3), specs, unsure, random.Random(seed), 2) for seed in range(20)]
    assert drawn == [assign(chunks_of(3), specs, unsure, random.Random(seed), 2) for seed in range(20)]
    assert any(each != drawn[0] for each in drawn)


def test_the_fittest_for_the_kind_are_chosen() -> None:
    specs = nodes_of("poet", "sums", "other")
    found = believed(specs) | {("sums", "maths"): Posterior(9e6, 1e6), ("poet", "writing"): Posterior(9e6, 1e6)}
    asked = [*chunks_of(1), Chunk(number=2, lead="", text="Write a poem")]
    for seed in range(10):
        taken = assign(asked, specs, found, random.Random(seed), 1)
        assert [taken[1][0].id, taken[2][0].id] == ["sums", "poet"]


def test_an_unknown_node_is_tried_and_a_bad_one_hardly() -> None:
    specs = nodes_of("good", "new", "bad")
    found = {
        (name, "maths"): Posterior(*shape) for name, shape in {"good": (70, 30), "new": (5, 5), "bad": (10, 90)}.items()
    }
    rng = random.Random(0)
    chosen = Counter(assign(chunks_of(1), specs, found, rng, 1)[1][0].id for _ in range(1000))
    assert chosen["good"] > chosen["new"] > 50
    assert chosen["bad"] == 0


def test_clusters_are_mixed_before_fitness_counts() -> None:
    specs = nodes_of("a1", "a2", "b1", "b2", "free", a1="a", a2="a", b1="b", b2="b")
    found = believed(specs, a1=0.9, a2=0.89, b1=0.6, b2=0.59, free=0.2)
    taken = assign(chunks_of(1), specs, found, random.Random(0), 4)[1]
    assert [node.id for node in taken] == ["a1", "b1", "free", "a2"]


def test_superclusters_are_mixed_among_equal_clusters() -> None:
    specs = [
        NodeSpec(id=name, model_a="a", model_b="b", cluster=name, supercluster=above)
        for name, above in {"a": "north", "b": "north", "c": "south"}.items()
    ]
    found = believed(specs, a=0.9, b=0.8, c=0.3)
    assert [node.id for node in assign(chunks_of(1), specs, found, random.Random(0), 2)[1]] == ["a", "c"]


def test_slowness_decides_between_equals_only() -> None:
    specs = nodes_of("quick", "slow")
    found = believed(specs, slow=0.52)
    for kind in KINDS:
        found["slow", kind] = Posterior(found["slow", kind].alpha, found["slow", kind].beta, seconds=60.0)
    assert assign(chunks_of(1), specs, found, random.Random(0), 1)[1][0].id == "quick"
    better = believed(specs, slow=0.6)
    assert assign(chunks_of(1), specs, better, random.Random(0), 1)[1][0].id == "slow"


def test_no_nodes_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="without nodes"):
        assign(chunks_of(1), [], {}, random.Random(0))
