"""The architect's role: a plan in the format the prompt asks for."""

from __future__ import annotations

import json
import re
from typing import Any

from matrioska.models.embedded.brief import CHANGE_MARK, read_brief
from matrioska.models.embedded.recipes import recipe_for
from matrioska.models.embedded.request import Request
from matrioska.state.ids import MODULE_ID

#: Characters of a goal; the plan's own limit is a little higher.
_GOAL_LIMIT = 19_500


def plan_answer(request: Request) -> dict[str, Any]:
    """Return the plan for a task, with every change asked for so far in its goal."""
    brief = read_brief(_goal(request), request.language)
    plan = recipe_for(brief.kind).plan(brief)
    return _without_refused(plan, request.section("complaints"))


def _goal(request: Request) -> str:
    """Return the task, the changes that the previous plan already carries, and the new one.

    Modules never see the task: whatever they must know stands in the goal.
    """
    task = request.section("task").strip()
    goal = task[:_GOAL_LIMIT]
    previous = _previous_goal(request)
    if previous.startswith(goal):
        goal = previous
    feedback = request.section("feedback").strip()
    if feedback and feedback not in goal[len(task) :]:
        language = read_brief(task, request.language).language
        # One line each, so that a change's end is known when it is read back.
        goal += f"\n\n{CHANGE_MARK[language]} {' '.join(feedback.split())}"
    return goal


def _previous_goal(request: Request) -> str:
    text = request.section("previous_plan")
    match = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        value = json.loads(match[0]) if match else {}
    except (ValueError, RecursionError):
        return ""
    return str(value.get("goal", "")) if isinstance(value, dict) else ""


def _without_refused(plan: dict[str, Any], complaints: str) -> dict[str, Any]:
    """Return the plan without what a complaint names and the plan cannot hold: edges to nowhere."""
    if not complaints:
        return plan
    modules = [module for module in plan["modules"] if MODULE_ID.match(module["id"])]
    ids = {module["id"] for module in modules}
    written = {key for module in modules for key in module.get("shared_state_writes", ())}
    for module in modules:
        module["dependencies"] = [other for other in dict.fromkeys(module.get("dependencies", ())) if other in ids]
        module["shared_state_reads"] = [key for key in module.get("shared_state_reads", ()) if key in written]
    return {**plan, "modules": modules}
