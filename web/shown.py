"""Names of models as strangers may see them: no address, no folder of this machine."""

from __future__ import annotations

import re

from matrioska.state.ensemble import EnsembleAnswer, Topology
from matrioska.web.schemas import ShownNode, ShownTopology

_ADDRESS = re.compile(r"@https?://\S*$")
_PLACE = re.compile(r"^(?P<provider>[a-z0-9_-]+:)(?:~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\).*?(?P<name>[^/\\]*)[/\\]?$")


def shown_model(name: str) -> str:
    """Return a model's name without its server's address, and without the folders above its file."""
    plain = _ADDRESS.sub("", name)
    found = _PLACE.match(plain)
    return f"{found['provider']}{found['name']}" if found else plain


def shown_topology(topology: Topology) -> ShownTopology:
    """Return what ``GET /topology`` tells."""
    return ShownTopology(
        nodes=[
            ShownNode(
                id=spec.id,
                model_a=shown_model(spec.model_a),
                model_b=shown_model(spec.model_b),
                tie_break=shown_model(spec.tie_break) if spec.tie_break else None,
                cluster=spec.cluster,
                supercluster=spec.supercluster,
                fitness=spec.fitness,
            )
            for spec in topology.nodes
        ],
        synthesizer=shown_model(topology.synthesizer) if topology.synthesizer else None,
        node_timeout=topology.node_timeout,
        max_chunks=topology.max_chunks,
    )


def shown_answer(answer: EnsembleAnswer) -> EnsembleAnswer:
    """Return an answer whose models go by their shown names."""
    shown = answer.model_copy(deep=True)
    shown.synthesized_by = shown_model(shown.synthesized_by)
    for vote in [*shown.votes, *(vote for chunk in shown.chunks for vote in chunk.votes)]:
        for given in vote.answers:
            given.model = shown_model(given.model)
    return shown
