"""The doctor's questions about what settings name besides models: the embedder, the ensemble and the cascade."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.cli.checks import MISSING, OK, OPTIONAL, Check
from matrioska.cli.text import count, listed
from matrioska.state.errors import ConfigError, MatrioskaError, TreeError
from matrioska.store.settings import load_settings, resolve_options
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.topology import load_topology

_GROUP = "Memory, votes and minds"


def part_checks() -> Iterator[Check]:
    """Check the embedder, the topology and the tree of the settings.

    Nothing is loaded; faulty settings say so elsewhere.
    """
    try:
        options, ensemble = resolve_options(None), load_settings().ensemble
    except ConfigError:
        return
    if options.embedder:
        try:
            embedder_of(options)
        except MatrioskaError as error:
            yield Check("embedder", MISSING, f"{options.embedder}: {error.message}", error.next_step, _GROUP)
        else:
            yield Check("embedder", OK, f"{options.embedder} ranks what projects remember", group=_GROUP)
    if ensemble:
        try:
            topology = load_topology()
        except MatrioskaError as error:
            yield Check("ensemble", MISSING, error.message, error.next_step, _GROUP)
        else:
            yield Check("ensemble", OK, count(len(topology.nodes), "node"), group=_GROUP)
    yield _cascade_check()


def _cascade_check() -> Check:
    """Tell whether questions can be asked, and who thinks about them."""
    try:
        tree = load_tree()
    except TreeError as error:
        return Check("cascade", MISSING, error.message, error.next_step, _GROUP)
    except MatrioskaError as error:
        # Without a model for questions, runs go all the same.
        return Check("cascade", OPTIONAL, error.message, error.next_step, _GROUP)
    return Check(
        "cascade", OK, f"{count(len(tree.minds), 'mind')}: {listed(mind.called for mind in tree.minds)}", group=_GROUP
    )
