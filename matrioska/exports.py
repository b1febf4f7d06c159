"""From where a run stands to what exporters are given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from matrioska.graph.schedule import Links
from matrioska.reports import RunReport
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import UsageError
from matrioska.state.results import Deliverable
from matrioska.state.shown import shown_model
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.exporters.base import Export, ExportedModule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def export_of(report: RunReport, store: ArtifactStore) -> Export:
    """Return a run as exporters take it.

    Raises:
        UsageError: it has no deliverable yet.
    """
    deliverable, plan = report.deliverable, report.architecture
    if deliverable is None or plan is None or not deliverable.files:
        raise UsageError(
            f"The run {report.thread_id!r} has no deliverable yet.",
            next_step=f"Go on with `matrioska resume {report.thread_id}`.",
        )
    options = report.values.get("options") or {}
    named = {"default": options.get("model"), **(options.get("roles") or {})}
    models = {role: shown_model(str(model or "")) for role, model in sorted(named.items())}
    public = plan.model_copy(update={"modules": [_without_places(spec) for spec in plan.modules]})
    owned = _by_owner(plan, deliverable)
    return Export(
        thread_id=report.thread_id,
        checkpoint_id=report.checkpoint_id,
        status=report.status,
        at=_time(report.created_at),
        architecture=_changed(report.values["architecture"], public),
        shared_state=report.values.get("shared_state") or {},
        modules=_modules(public, report.values.get("results") or {}, owned, models.get("worker") or models["default"]),
        files=deliverable.files,
        whole=owned.get("", ()),
        entry_point=deliverable.entry_point,
        models=models,
        store=store,
    )


def _without_places(spec: ModuleSpec) -> ModuleSpec:
    return spec if spec.model is None else spec.model_copy(update={"model": shown_model(spec.model)})


def _changed(raw: Mapping[str, Any], public: Architecture) -> dict[str, Any]:
    """Return the plan as it is saved, with the models' names as they may be shown."""
    names = {spec.id: spec.model for spec in public.modules}
    modules = [spec | {"model": names[spec["id"]]} if spec.get("model") else spec for spec in raw["modules"]]
    return {**raw, "modules": modules}


def _by_owner(plan: Architecture, deliverable: Deliverable) -> dict[str, tuple[ArtifactRef, ...]]:
    """Return the files by the module that they are of; '' stands for the whole."""
    if plan.is_direct:
        return {plan.modules[0].id: tuple(deliverable.files)}
    known = {spec.id for spec in plan.modules}
    owned: dict[str, tuple[ArtifactRef, ...]] = {}
    for ref in deliverable.files:
        folder, slash, _ = ref.path.partition("/")
        owner = folder if slash and folder in known else ""
        owned[owner] = (*owned.get(owner, ()), ref)
    return owned


def _modules(
    plan: Architecture, results: Mapping[str, Any], owned: Mapping[str, tuple[ArtifactRef, ...]], model: str
) -> list[ExportedModule]:
    links, found = Links(plan), []
    for module in links.topological():
        spec, result = links.specs[module], results.get(module) or {}
        found.append(
            ExportedModule(
                spec=spec,
                upstream=links.upstream[module],
                status=result.get("status", ""),
                model=spec.model or model,
                digest=result.get("digest", ""),
                values=result.get("values") or {},
                findings=tuple(result.get("findings") or ()),
                files=owned.get(module, ()),
            )
        )
    return found


def _time(iso: str) -> datetime:
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return _EPOCH
