"""Checks of what a plan says about the kind of work of its modules, and about who does it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from matrioska.nodes.adapters import known_modalities
from matrioska.nodes.checks.wording import shorten
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import ConfigError
from matrioska.workers.pipeline.options import MAX_OPTIONS, read_options


def kind_faults(plan: Architecture) -> Iterator[str]:
    """Yield every module whose kind of work nobody knows, and what cannot be done by its worker."""
    known = known_modalities()
    for spec in plan.modules:
        if spec.modality not in known:
            names = ", ".join(f"'{kind}'" for kind in known)
            yield f"module '{shorten(spec.id)}': 'modality' must be one of {names}, not '{shorten(spec.modality)}'"
        if spec.worker_options and len(json.dumps(spec.worker_options)) > MAX_OPTIONS:
            yield f"module '{shorten(spec.id)}': 'worker_options' has more than {MAX_OPTIONS:,} characters"
        elif spec.worker == "pipeline":
            yield from (f"module '{shorten(spec.id)}' {fault}" for fault in _pipeline_faults(spec))


def _pipeline_faults(spec: ModuleSpec) -> Iterator[str]:
    if not spec.model and "task" not in spec.worker_options:
        yield "is a pipeline: it needs a 'model', or a 'task' in its 'worker_options' for the run's own model"
    if spec.contract_first and spec.shared_state_writes:
        yield 'is a pipeline: its values are known only after its work, so it needs "contract_first": false'
    if not spec.asset_reads and not spec.artifact_reads:
        yield "is a pipeline: it needs files, named in its 'asset_reads' or 'artifact_reads'"
    try:
        read_options(spec.worker_options)
    except ConfigError as error:
        yield f"is a pipeline. {error.message} {error.next_step}".rstrip(".")
