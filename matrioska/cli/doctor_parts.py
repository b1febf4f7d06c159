"""The doctor's questions about what settings name besides models: the embedder, the ensemble and the cascade."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.cli.checks import MISSING, OK, OPTIONAL, Check
from matrioska.cli.text import listed
from matrioska.i18n import N_, _, counted, told
from matrioska.state.errors import ConfigError, MatrioskaError, TreeError
from matrioska.store.settings import load_settings, resolve_options
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.topology import load_topology

_GROUP = N_("Memory, votes and minds")


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
            fault = f"{options.embedder}: {told(error.message)}"
            yield Check(_("embedder"), MISSING, fault, told(error.next_step), _GROUP)
        else:
            ranks = _("{embedder} ranks what projects remember").format(embedder=options.embedder)
            yield Check(_("embedder"), OK, ranks, group=_GROUP)
    if ensemble:
        try:
            topology = load_topology()
        except MatrioskaError as error:
            yield Check(_("ensemble"), MISSING, told(error.message), told(error.next_step), _GROUP)
        else:
            yield Check(_("ensemble"), OK, counted("{n} node", "{n} nodes", len(topology.nodes)), group=_GROUP)
    yield _cascade_check()


def _cascade_check() -> Check:
    """Tell whether questions can be asked, and who thinks about them."""
    try:
        tree = load_tree()
    except TreeError as error:
        return Check(_("cascade"), MISSING, told(error.message), told(error.next_step), _GROUP)
    except MatrioskaError as error:
        # Without a model for questions, runs go all the same.
        return Check(_("cascade"), OPTIONAL, told(error.message), told(error.next_step), _GROUP)
    minds = counted("{n} mind", "{n} minds", len(tree.minds))
    return Check(_("cascade"), OK, f"{minds}: {listed(mind.called for mind in tree.minds)}", group=_GROUP)
