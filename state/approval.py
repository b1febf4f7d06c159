"""A person's answer at the plan, in any of the dialects that clients speak.

Accepted: LangChain 1.x ``{"decisions": [{"type": "approve"}]}``; Agent Inbox
``[{"type": "accept", "args": …}]``; a bare ``true``, ``false`` or feedback string; and the
tagged strings ``[ACCEPTED]`` and ``[EDIT_PLAN] …``.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel

from matrioska.state.errors import UsageError

_TYPES: dict[str, Literal["approve", "edit", "respond", "reject"]] = {
    "approve": "approve",
    "accept": "approve",
    "edit": "edit",
    "respond": "respond",
    "response": "respond",
    "reject": "reject",
    "ignore": "reject",
}
_YES = frozenset(
    ["approve", "approved", "accept", "accepted", "yes", "y", "ok", "true", "sim", "s", "aprovar", "aprovo"]
)
_NO = frozenset(["reject", "rejected", "no", "n", "false", "não", "nao", "rejeitar", "rejeito"])
#: Types of decision, as LangChain calls them.
KINDS = ("approve", "edit", "respond", "reject")
#: Objects around a plan: no dialect has more than three.
_MAX_WRAPPERS = 6
_EXPECTED = (
    "Answer with true, a feedback text, or "
    '{"decisions": [{"type": "approve" | "edit" | "respond" | "reject", …}]}; '
    "an edit carries the whole plan."
)


class Decision(BaseModel):
    """What the person decided."""

    type: Literal["approve", "edit", "respond", "reject"]
    plan: dict[str, Any] | None = None
    """The edited plan, for ``edit``."""
    text: str = ""
    """What to change, for ``respond``; the reason, for ``reject``."""


def ask_for_review(
    kind: str,
    action: str,
    args: dict[str, Any],
    description: str,
    complaints: list[str],
    allowed: tuple[str, ...] = KINDS,
) -> dict[str, Any]:
    """Return an interrupt's payload, in LangChain's human-in-the-loop form.

    Args:
        kind: what is asked about: ``approval``, ``repair`` or ``budget``.
        action: name of the action under review.
        args: what the action is given; what a person may edit.
        description: the question, for people.
        complaints: why the last answer was not accepted.
        allowed: types of decision that are taken.
    """
    return {
        "kind": kind,
        "action_requests": [{"name": action, "args": args, "description": description}],
        "review_configs": [{"action_name": action, "allowed_decisions": list(allowed)}],
        "complaints": complaints,
    }


def read_decision(answer: Any) -> Decision:
    """Read a person's answer in any dialect.

    Raises:
        UsageError: the answer is in none of the dialects, or an edit carries no plan.
    """
    if isinstance(answer, Decision):
        return answer
    if isinstance(answer, bool):
        return Decision(type="approve") if answer else Decision(type="reject")
    if isinstance(answer, str):
        return _read_string(answer.strip())
    if isinstance(answer, dict) and isinstance(answer.get("decisions"), list):
        answer = answer["decisions"]
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, dict):
        return _read_mapping(answer)
    raise UsageError(f"The answer {str(answer)[:80]!r} was not understood.", next_step=_EXPECTED)


def _read_string(text: str) -> Decision:
    if not text:
        raise UsageError("The answer is empty.", next_step=_EXPECTED)
    tag, _, rest = text.partition("]")
    if tag.upper() == "[ACCEPTED":
        return Decision(type="approve")
    if tag.upper() == "[EDIT_PLAN":
        return _edit_or_respond(rest.strip())
    if text.casefold() in _YES:
        return Decision(type="approve")
    if text.casefold() in _NO:
        return Decision(type="reject")
    return Decision(type="respond", text=text)


def _edit_or_respond(rest: str) -> Decision:
    if rest.startswith("{"):
        try:
            return Decision(type="edit", plan=json.loads(rest))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"The edited plan is not valid JSON ({error}).", next_step=_EXPECTED) from error
    if not rest:
        raise UsageError("[EDIT_PLAN] came without a plan or a wish.", next_step=_EXPECTED)
    return Decision(type="respond", text=rest)


def _read_mapping(answer: dict[str, Any]) -> Decision:
    if "modules" in answer:
        return Decision(type="edit", plan=answer)
    kind = _TYPES.get(str(answer.get("type", "")).casefold())
    if kind is None:
        raise UsageError(f"The answer {str(answer)[:80]!r} was not understood.", next_step=_EXPECTED)
    text = next((answer[k] for k in ("message", "feedback", "text", "args") if isinstance(answer.get(k), str)), "")
    if kind == "edit":
        plan = _plan_in(answer)
        if plan is None:
            raise UsageError("The edit carries no plan with modules.", next_step=_EXPECTED)
        return Decision(type="edit", plan=plan)
    if kind == "respond" and not text:
        raise UsageError("The response carries no text.", next_step=_EXPECTED)
    # A refusal with a reason is a wish for another plan.
    if kind == "reject" and text:
        return Decision(type="respond", text=text)
    return Decision(type=kind, text=text)


def _plan_in(value: Any, depth: int = 0) -> dict[str, Any] | None:
    """Find the plan where the dialects put it: args, args.args, edited_action.args, architecture…"""
    if depth > _MAX_WRAPPERS:
        return None
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("modules"), list):
        return value
    for key in ("args", "edited_action", "architecture", "plan"):
        if (found := _plan_in(value.get(key), depth + 1)) is not None:
            return found
    return None
