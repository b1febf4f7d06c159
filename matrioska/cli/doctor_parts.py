"""The doctor's questions about what settings name besides models: the embedder and the ensemble."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.cli.checks import MISSING, OK, Check
from matrioska.cli.text import count
from matrioska.state.errors import ConfigError, MatrioskaError
from matrioska.store.settings import load_settings, resolve_options
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.topology import load_topology

_GROUP = "Memory and votes"


def part_checks() -> Iterator[Check]:
    """Check the embedder and the topology of the settings. Nothing is loaded; faulty settings say so elsewhere."""
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
