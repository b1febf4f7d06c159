"""Budgets: what a run may cost, what it has cost, and a person's answer when the two meet."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matrioska.state.approval import read_decision
from matrioska.state.errors import UsageError

LimitName = Literal["budget_tokens", "budget_cost", "timeout"]

_UNITS: dict[LimitName, str] = {"budget_tokens": "tokens", "budget_cost": "dollars", "timeout": "seconds"}
#: Objects around the limits: no dialect has more than three.
_MAX_WRAPPERS = 6
_EXPECTED = (
    'Answer with true (the same amount again), false (end here), or {"budget_tokens": 200000}; '
    "budget_cost (US dollars) and timeout (seconds) are set in the same way, null lifts a limit."
)


class Spent(BaseModel):
    """What a run has cost so far."""

    tokens: int = 0
    """Input and output together."""
    cost: float = 0.0
    """US dollars."""
    seconds: float = 0.0
    """Time at work; pauses do not count."""
    calls: int = 0

    def of(self, name: LimitName) -> float:
        """Return the amount that a limit bounds."""
        return {"budget_tokens": self.tokens, "budget_cost": self.cost, "timeout": self.seconds}[name]


class Budget(BaseModel):
    """What a run may cost. None sets no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_tokens: int | None = Field(default=None, ge=1)
    """Input and output tokens together."""
    budget_cost: float | None = Field(default=None, gt=0)
    """US dollars."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds at work."""

    def limit(self, name: LimitName) -> float | None:
        """Return one limit."""
        value: float | None = getattr(self, name)
        return value

    def reached_by(self, spent: Spent) -> list[LimitName]:
        """Return the limits that are used up."""
        return [name for name in _UNITS if (limit := self.limit(name)) is not None and spent.of(name) >= limit]

    def again(self, step: Budget, spent: Spent) -> Budget:
        """Return the budget with as much again, from now, of whatever is used up.

        Args:
            step: the budget that the run began with: as much is added.
            spent: what was spent so far.
        """
        more: dict[str, Any] = {
            name: type(limit)(spent.of(name) + (step.limit(name) or limit))
            for name in self.reached_by(spent)
            if (limit := self.limit(name)) is not None
        }
        return self.model_copy(update=more)


def read_raise(answer: Any, budget: Budget, step: Budget, spent: Spent) -> Budget | None:
    """Read a person's answer at a used-up budget; None to end the run with what there is.

    Besides the dialects of `read_decision`, a bare number sets the limit that is used up, and an
    object with the limits' names sets those.

    Raises:
        UsageError: the answer was not understood, or a limit is no number above 0.
    """
    if isinstance(answer, str) and answer.strip().replace(".", "", 1).isdigit():
        answer = float(answer)
    reached = budget.reached_by(spent)
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if len(reached) != 1:
            raise UsageError("More than one limit is used up, so a number alone does not do.", next_step=_EXPECTED)
        return _set(budget, {reached[0]: int(answer) if reached[0] == "budget_tokens" else answer})
    if (limits := _limits_in(answer)) is not None:
        return _set(budget, limits)
    try:
        decision = read_decision(answer)
    except UsageError as error:
        raise UsageError(error.message, next_step=_EXPECTED) from error
    if decision.type == "approve":
        return budget.again(step, spent)
    if decision.type == "reject":
        return None
    raise UsageError("A budget is raised by a number.", next_step=_EXPECTED)


def _set(budget: Budget, limits: dict[str, Any]) -> Budget:
    try:
        return Budget.model_validate(budget.model_dump() | limits)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"The limit {first['loc'][0]} is wrong: {first['msg']}.", next_step=_EXPECTED) from error


def _limits_in(value: Any, depth: int = 0) -> dict[str, Any] | None:
    """Find the limits where the dialects put them: bare, in args, args.args or edited_action.args."""
    if depth > _MAX_WRAPPERS:
        return None
    if isinstance(value, list) and len(value) == 1:
        return _limits_in(value[0], depth + 1)
    if not isinstance(value, dict):
        return None
    found: dict[str, Any] = {name: value[name] for name in _UNITS if name in value}
    if found:
        return found
    for key in ("decisions", "args", "edited_action"):
        if (limits := _limits_in(value.get(key), depth + 1)) is not None:
            return limits
    return None


def in_words(budget: Budget, spent: Spent) -> str:
    """Return what is used up, as one sentence: "120,400 of 100,000 tokens"."""
    told = []
    for name in budget.reached_by(spent):
        limit = budget.limit(name) or 0
        figures = (
            f"{spent.of(name):,.4g} of {limit:,.4g}"
            if name == "budget_cost"
            else (f"{spent.of(name):,.0f} of {limit:,.0f}")
        )
        told.append(f"{figures} {_UNITS[name]}")
    return " and ".join(told)
