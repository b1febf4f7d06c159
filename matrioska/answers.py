"""What a person's words mean to a run: answers to what it waits for, and changes of a module's spec. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.types import Command, Interrupt

from matrioska.nodes.checks.plan import parse_plan
from matrioska.reports import kind_of
from matrioska.state.approval import Decision
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.budget import Budget
from matrioska.state.context import RunContext
from matrioska.state.errors import UsageError


def goes_on_by_itself(pending: Sequence[Interrupt], context: RunContext) -> bool:
    """Whether a waiting run needs no answer: who gives other limits is not asked again, and "auto" raises none."""
    if _asks_for_budget(pending):
        return any(getattr(context, name) is not None for name in Budget.model_fields)
    return context.approval == "auto"


def _asks_for_budget(pending: Sequence[Interrupt]) -> bool:
    return any(kind_of(found) == "budget" for found in pending)


def command_for(pending: Sequence[Interrupt], decision: Any) -> Command[Any] | None:
    """Return what a waiting run is driven with; None where other limits are the answer."""
    if decision is None and _asks_for_budget(pending):
        return None
    answer = _as_answer(decision if decision is not None else Decision(type="approve"))
    return Command(resume={found.id: answer for found in pending})


def _as_answer(decision: Any) -> Any:
    """Return a decision as plain JSON, an edited plan checked first so that a fault costs nothing."""
    if not isinstance(decision, Decision):
        return decision
    if decision.type == "edit":
        parse_plan(decision.plan or {})
    return {"decisions": [{"type": decision.type, "message": decision.text, "args": decision.plan or {}}]}


def with_spec(plan: Architecture, module: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with a module's spec changed, as JSON that is yet to be checked."""
    if module not in {spec.id for spec in plan.modules}:
        known = ", ".join(spec.id for spec in plan.modules)
        raise UsageError(f"The plan has no module {module!r}.", next_step=f"Its modules are: {known}.")
    if changes.get("id", module) != module:
        raise UsageError("A redo cannot rename its module.", next_step="Leave the id as it is, or edit the plan.")
    if unknown := sorted(set(changes) - set(ModuleSpec.model_fields)):
        raise UsageError(
            f"No module has the field {unknown[0]!r}.",
            next_step=f"The fields are: {', '.join(ModuleSpec.model_fields)}.",
        )
    raw = plan.model_dump(mode="json")
    raw["modules"] = [spec | changes if spec["id"] == module else spec for spec in raw["modules"]]
    return raw
