"""A module's call in terms of a recipe: brief, spec, values, and what a person changed in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from matrioska.models.embedded.brief import read_brief
from matrioska.models.embedded.recipe import Brief, Recipe
from matrioska.models.embedded.recipes import recipe_for
from matrioska.models.embedded.request import Request
from matrioska.models.embedded.understanding.changes import apply_changes
from matrioska.models.embedded.understanding.sentences import new_sentences
from matrioska.state.architecture import DIRECT_MODULE


@dataclass(frozen=True)
class Work:
    """One call about one module."""

    brief: Brief
    recipe: Recipe
    module_id: str
    spec: dict[str, Any]
    """The module's spec as the prompt gives it."""
    wanted: tuple[str, ...]
    values: dict[str, Any]
    """Values it reads; what is declared but missing is computed from the brief."""
    contract: dict[str, Any]
    """Values it promised before."""
    is_planned: bool
    """Whether the recipe's own plan has this module."""
    is_whole: bool
    """Whether this one module is the whole deliverable."""
    planned_writes: tuple[str, ...] = ()
    """Keys that the recipe's plan has it write."""


def read_work(request: Request) -> Work:
    """Understand a module's call, from the goal up: nothing is remembered between calls."""
    project = request.section_object("project")
    spec = request.section_object("module") or {"id": request.module_id}
    is_direct = _is_direct(spec)
    brief = _project_brief(project, spec, is_direct)
    recipe = recipe_for(brief.kind)
    plan = recipe.plan(brief)
    brief = _with_constraints(brief, project, plan)
    planned = next((module for module in plan["modules"] if module["id"] == request.module_id), None)
    if planned is not None:
        brief = _with_spec_edits(brief, spec, planned)
    values = request.section_object("values")
    return Work(
        brief=brief,
        recipe=recipe,
        module_id=request.module_id,
        spec=spec,
        wanted=request.wanted,
        values=_declared(spec, plan, recipe, brief) | values,
        contract=request.section_object("contract"),
        is_planned=planned is not None,
        is_whole=planned is None and is_direct,
        planned_writes=tuple(planned.get("shared_state_writes", ())) if planned else (),
    )


def _is_direct(spec: dict[str, Any]) -> bool:
    """Whether the module is a task done in one piece: it neither reads nor writes, and is told so."""
    is_alone = not spec.get("shared_state_reads") and not spec.get("shared_state_writes")
    return is_alone and spec.get("id") == DIRECT_MODULE


def _project_brief(project: dict[str, Any], spec: dict[str, Any], is_direct: bool) -> Brief:
    goal = str(project.get("goal") or spec.get("description") or "")
    language = str(project.get("language") or "")
    # A direct run has no architect to find out the language: then the task itself says it.
    language = "" if language == "und" else language
    brief = read_brief(goal, language)
    name = str(project.get("name") or "")
    return brief if is_direct or name in ("", "project") else replace(brief, title=name)


def _with_constraints(brief: Brief, project: dict[str, Any], plan: dict[str, Any]) -> Brief:
    for constraint in project.get("constraints") or ():
        if constraint not in plan["constraints"]:
            brief = apply_changes(brief, str(constraint))
    return brief


def _with_spec_edits(brief: Brief, spec: dict[str, Any], planned: dict[str, Any]) -> Brief:
    """Let the brief follow what a person added to this module's description and rules."""
    added = new_sentences(str(spec.get("description") or ""), str(planned.get("description") or ""))
    added += [str(rule) for rule in spec.get("rules") or () if rule not in planned.get("rules", ())]
    for note in added:
        brief = apply_changes(brief, note)
    return replace(brief, notes=tuple(added))


def _declared(spec: dict[str, Any], plan: dict[str, Any], recipe: Recipe, brief: Brief) -> dict[str, Any]:
    """Return, for each planned key the spec declares to read, the value its writer would publish."""
    writers = {key: module["id"] for module in plan["modules"] for key in module.get("shared_state_writes", ())}
    values: dict[str, Any] = {}
    for key in spec.get("shared_state_reads") or ():
        if key in writers:
            values |= recipe.contract(brief, writers[key], [key], values)
    return values
