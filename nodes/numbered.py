"""Numbered plans: a simpler form of plan for models that are held to a schema.

A module is known by its number and names the modules it builds on by theirs. Ids, whiteboard keys
and dependencies follow from that, so that every plan of this form can be carried out: small models
get those wrong more often than anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.checks.wording import bounded, shorten
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import PlanError, UnsafePathError
from matrioska.state.ids import MODULE_ID, slug
from matrioska.state.paths import safe_relative_path


class NumberedModule(BaseModel):
    """One module of a numbered plan."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    title: str
    description: str = ""
    files: list[str] = Field(default_factory=list)
    builds_on: list[int] = Field(default_factory=list)
    """Numbers, from 1, of modules whose values this one needs; each smaller than its own."""
    rules: list[str] = Field(default_factory=list)
    modality: str = "code"
    size: float = 1.0
    assets: list[str] = Field(default_factory=list)
    """Names of the person's files that it reads."""


class NumberedPlan(BaseModel):
    """A whole plan in which modules are known by their numbers."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str = "project"
    goal: str = ""
    constraints: list[str] = Field(default_factory=list)
    language: str = "en"
    modules: list[NumberedModule] = Field(min_length=1)


def expand_plan(raw: Mapping[str, Any], previous: Architecture | None = None) -> Architecture:
    """Return the plan that a numbered one stands for, checked.

    Args:
        raw: the numbered plan, as a model answered it. A model that answers with a whole plan
            although it was asked for a numbered one is taken at its word.
        previous: the plan that this one revises. A module that keeps its title keeps its id, so
            that what is done already need not be done again.

    Raises:
        PlanError: it cannot be carried out; ``complaints`` names every fault.
    """
    if _is_whole(raw):
        return parse_plan(raw)
    try:
        plan = NumberedPlan.model_validate(dict(raw))
    except ValidationError as error:
        raise PlanError(bounded([_in_words(detail) for detail in error.errors(include_url=False)])) from error
    if complaints := list(_forward(plan)):
        raise PlanError(bounded(complaints))
    ids = _ids(plan, previous)
    needed = {number for module in plan.modules for number in module.builds_on}
    return parse_plan(
        {
            "name": plan.name,
            "goal": plan.goal,
            "constraints": plan.constraints,
            "language": plan.language,
            "modules": [_spec(module, number, ids, needed) for number, module in enumerate(plan.modules, 1)],
        }
    )


def _is_whole(raw: Mapping[str, Any]) -> bool:
    modules = raw.get("modules")
    return isinstance(modules, list) and any(isinstance(m, Mapping) and "id" in m for m in modules)


def _in_words(detail: Any) -> str:
    place = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    return f"{place.removeprefix('.') or 'the plan'} (counted from 1): {detail['msg'].lower()}"


def _forward(plan: NumberedPlan) -> Iterator[str]:
    for number, module in enumerate(plan.modules, 1):
        for other in dict.fromkeys(module.builds_on):
            if not 1 <= other < number:
                yield (
                    f"module {number} ('{shorten(module.title)}') builds on module {other}, which does not come before "
                    "it: name earlier modules only, or change their order"
                )


def _ids(plan: NumberedPlan, previous: Architecture | None) -> list[str]:
    """Return an id for each module, all different."""
    kept = {spec.title.casefold(): spec.id for spec in (previous.modules if previous else [])}
    ids: list[str] = []
    for number, module in enumerate(plan.modules, 1):
        wished = kept.get(module.title.casefold()) or slug(module.title)
        base = wished if _is_usable(wished) else f"module-{number}"
        found, suffix = base, 2
        while found in ids:
            found, suffix = f"{base[:56]}-{suffix}", suffix + 1
        ids.append(found)
    return ids


def _is_usable(module_id: str) -> bool:
    try:
        safe_relative_path(module_id)
    except UnsafePathError:
        return False
    # Its key gets an ending and may have as many characters as an id.
    return bool(MODULE_ID.fullmatch(module_id)) and len(module_id) <= 50


def _spec(module: NumberedModule, number: int, ids: Sequence[str], needed: set[int]) -> dict[str, Any]:
    own, others = ids[number - 1], [ids[other - 1] for other in dict.fromkeys(module.builds_on)]
    return {
        "id": own,
        "name": module.title,
        "description": module.description,
        "outputs": module.files,
        "dependencies": others,
        "rules": module.rules,
        "shared_state_reads": [_key(other) for other in others],
        "shared_state_writes": [_key(own)] if number in needed else [],
        "modality": module.modality,
        "size": module.size,
        "asset_reads": module.assets,
    }


def _key(module_id: str) -> str:
    return f"{module_id}.contract"


def number_plan(plan: Architecture) -> dict[str, Any]:
    """Return a plan in the numbered form, as far as that form reaches: what `expand_plan` reads.

    Modules come in an order in which each stands behind those it builds on.
    """
    order = _ordered(plan)
    numbers = {spec.id: number for number, spec in enumerate(order, 1)}
    return {
        "name": plan.name,
        "goal": plan.goal,
        "constraints": plan.constraints,
        "language": plan.language,
        "modules": [
            {
                "title": spec.title,
                "description": spec.description,
                "files": spec.outputs,
                "builds_on": sorted(numbers[other] for other in _before(spec) if other in numbers),
                "rules": spec.rules,
                "modality": spec.modality,
                "size": spec.size,
                **({"assets": spec.asset_reads} if spec.asset_reads else {}),
            }
            for spec in order
        ],
    }


def _before(spec: ModuleSpec) -> list[str]:
    return list(dict.fromkeys([*spec.dependencies, *spec.artifact_reads]))


def _ordered(plan: Architecture) -> list[ModuleSpec]:
    """Return the modules in their own order, but each behind those it comes after."""
    left, placed = list(plan.modules), dict[str, ModuleSpec]()
    while left:
        ready = next((spec for spec in left if all(other in placed for other in _before(spec))), left[0])
        placed[ready.id] = ready
        left.remove(ready)
    return list(placed.values())
