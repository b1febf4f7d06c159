"""Answers, and reasons why models fail, as strangers may see them: no address, no folder of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from matrioska.state.ensemble import EnsembleAnswer, Topology
from matrioska.state.shown import shown_model
from matrioska.web.schemas import ShownNode, ShownTopology

# Reasons are prose: an address or a place may stand anywhere in it. Names of folders may hold spaces.
_ADDRESS_IN_TEXT = re.compile(r"(?P<at>@?)\bhttps?://\S*[^\s:;.,!?'\")\]]")
_FOLDERS_IN_TEXT = re.compile(r"(?<![\w.~/\\])(?:~[\w.-]*|\.{1,2}|[A-Za-z]:)?[/\\](?:[^:;,'\"()/\\\n]*[/\\])*")


def shown_reason(text: str) -> str:
    """Return why something failed, without the addresses of servers and the folders of files."""
    plain = _ADDRESS_IN_TEXT.sub(lambda found: "" if found["at"] else "[address]", text)
    return _FOLDERS_IN_TEXT.sub("", plain)


def shown_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event whose models go by their shown names, and whose reason for a failure is a shown one."""
    shown = dict(event)
    if "error" in shown:
        shown["error"] = shown_reason(shown["error"])
    if "by" in shown:
        shown["by"] = shown_model(shown["by"])
    return shown


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
    """Return an answer whose models go by their shown names, and whose reasons for failures are shown ones."""
    shown = answer.model_copy(deep=True)
    shown.synthesized_by = shown_model(shown.synthesized_by)
    for chunk in shown.chunks:
        # The answer names parts that nobody answered, each with its reason on one line.
        told = " ".join(chunk.error.split())
        chunk.error = shown_reason(chunk.error)
        if told:
            shown.answer = shown.answer.replace(told, shown_reason(told))
    for vote in [*shown.votes, *(vote for chunk in shown.chunks for vote in chunk.votes)]:
        vote.error = shown_reason(vote.error)
        for given in vote.answers:
            given.model, given.error = shown_model(given.model), shown_reason(given.error)
    return shown
