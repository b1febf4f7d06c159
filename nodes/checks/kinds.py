"""Checks of what a plan says about the kind of work of its modules."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.nodes.adapters import known_modalities
from matrioska.nodes.checks.wording import shorten
from matrioska.state.architecture import Architecture


def kind_faults(plan: Architecture) -> Iterator[str]:
    """Yield every module whose kind of work nobody knows."""
    known = known_modalities()
    for spec in plan.modules:
        if spec.modality not in known:
            names = ", ".join(f"'{kind}'" for kind in known)
            yield f"module '{shorten(spec.id)}': 'modality' must be one of {names}, not '{shorten(spec.modality)}'"
