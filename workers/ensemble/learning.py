"""What is believed of nodes, and what is learnt of them: neither ever costs an answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from matrioska.state.ensemble import Topology
from matrioska.state.errors import StoreError
from matrioska.state.fitness import Posterior, Reward
from matrioska.store.fitness import FitnessBook

_log = logging.getLogger("matrioska.ensemble")


def priors_of(topology: Topology) -> dict[str, float]:
    """Return what the topology says of each node's fitness."""
    return {spec.id: spec.fitness for spec in topology.nodes}


async def believed(book: FitnessBook, nodes: Iterable[str], kinds: Iterable[str]) -> dict[tuple[str, str], Posterior]:
    """Return what is believed of nodes, by node and kind; of a book that cannot be read, what the topology says."""
    names, wanted = list(nodes), list(kinds)
    try:
        return await book.posteriors(names, wanted)
    except StoreError as error:
        _log.warning("Fitness goes by the topology alone: %s", error)
        return await FitnessBook(None, book.priors).posteriors(names, wanted)


async def learn(book: FitnessBook, rewards: Sequence[Reward], once: str | None = None) -> None:
    """Take down rewards, see `FitnessBook.record_all`; a book that cannot be written is named in the log."""
    try:
        await book.record_all(rewards, once=once)
    except StoreError as error:
        _log.warning("Nothing was learnt from this vote: %s", error)
