"""The run's meter: counts every call in the ledger, and pauses the run when its budget is used up.

A node asks the person at its start, by an interrupt; `execute`, whose modules reach a limit
while others are still at work, does so again at its end. LangGraph hands answers back by their
order within a task, so the ledger remembers how often each task has paused: a task that runs
again takes exactly those answers before it begins.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from matrioska.models.meter import CallRecord, metered
from matrioska.nodes.common import run_options
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.recording import ask_person, take_answer
from matrioska.state.approval import ask_for_review
from matrioska.state.budget import Budget, Spent, in_words, read_raise
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import BudgetError, UsageError
from matrioska.state.ids import THREAD_ID
from matrioska.state.results import Usage
from matrioska.store.layout import Layout
from matrioska.store.ledger import Ledger

ACTION = "raise_budget"

AsyncBody = Callable[[Any, Runtime[RunContext]], Awaitable[dict[str, Any]]]


class BudgetReached(GraphBubbleUp):
    """No further call may begin; what is under way goes on."""


class RunMeter:
    """The meter of one run, while one task of its graph works.

    Args:
        state: the graph's state.
        options: the run's options.
        runtime: the task's runtime.

    Raises:
        GraphInterrupt: the budget is used up already; the run pauses and asks.
    """

    def __init__(self, state: Mapping[str, Any], options: RunOptions, runtime: Runtime[RunContext]) -> None:
        info = runtime.execution_info
        thread = info.thread_id if info is not None else None
        self._task = info.task_id if info is not None else ""
        # Without a checkpointer nobody could answer.
        self._can_pause = thread is not None
        # A LangGraph server refuses file work in its loop, where calls are counted.
        self._ledger = _ledger(state, options, thread, deferred=runtime.server_info is not None)
        self._ledger.ask_for(Budget.model_validate(options.model_dump(include=set(Budget.model_fields))))
        self._before = self._ledger.spent.seconds
        self._began = time.monotonic()
        self._take_answers()

    @property
    def budget(self) -> Budget:
        """The limits in force."""
        return self._ledger.budget or Budget()

    @property
    def spent(self) -> Spent:
        """What the run has cost up to now."""
        return self._ledger.spent.model_copy(update={"seconds": self._seconds()})

    @property
    def ended(self) -> bool:
        """Whether a person ended the run at its budget."""
        return self._ledger.ended

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def admit(self) -> None:
        """Let a call or a stage begin.

        Raises:
            BudgetReached: the budget is used up.
            BudgetError: it is, and was not raised.
        """
        if not self.budget.reached_by(self.spent):
            return
        if self.ended or not self._can_pause:
            raise self.error()
        raise BudgetReached

    def error(self) -> BudgetError:
        """Return the error of a run that stops at its budget."""
        return BudgetError(
            f"The run stops at its budget: {in_words(self.budget, self.spent)}.",
            next_step="Resume with a larger --budget-tokens, --budget-cost or --timeout.",
        )

    def record(self, call: CallRecord, **details: Any) -> None:
        """Write a call down. ``details`` say what it was for."""
        usage = call.usage
        told = {"model": call.model, "input": usage.input_tokens, "output": usage.output_tokens, "error": call.error}
        self._ledger.call(
            tokens=usage.input_tokens + usage.output_tokens,
            cost=usage.cost,
            seconds=self._seconds(),
            took=usage.seconds,
            **details,
            **told,
        )

    def pause(self, complaint: str = "") -> str:
        """Ask the person for more. Comes back with an answer: the limits are raised, or the run ends.

        Args:
            complaint: what is wrong with the answer before; '' when there was none.

        Returns:
            The complaint about this answer, '' when it was understood and is enough.

        Raises:
            GraphInterrupt: nobody has answered yet.
        """
        self._ledger.pause(self._task)
        return self._take_answer(len(self._ledger.pauses(self._task)) - 1, complaint)

    def _take_answers(self) -> None:
        """Take in what was answered to this task before; then ask for as long as the budget is used up."""
        complaint, lost = "", 0
        for number, answered in enumerate(self._ledger.pauses(self._task)):
            try:
                if answered:
                    request = self._request("")
                    take_answer(request, interrupt(request), f"budget-{number}")
                else:
                    complaint = self._take_answer(number, complaint)
            except GraphInterrupt:
                # LangGraph keeps an answer only when the task it went to ends or pauses: a kill loses
                # it. And nobody need answer once the run was resumed with larger limits.
                if not answered and self.budget.reached_by(self.spent):
                    raise
                lost += 1
        self._ledger.forget(self._task, lost)
        while self.budget.reached_by(self.spent) and self._can_pause and not self.ended:
            complaint = self.pause(complaint)

    def _take_answer(self, number: int, complaint: str) -> str:
        """Take the answer of one pause in; see `pause`."""
        answer = ask_person(self._request(complaint), f"budget-{number}")
        try:
            raised = read_raise(answer, self.budget, self._ledger.first or self.budget, self.spent)
        except UsageError as error:
            # It stays answered for LangGraph, and is asked again by the next pause.
            self._ledger.answer(self._task, number, self.budget)
            return str(error)
        self._ledger.answer(self._task, number, raised)
        still = raised is not None and raised.reached_by(self.spent)
        return f"That is still used up: {in_words(raised, self.spent)}." if raised is not None and still else ""

    def _request(self, complaint: str) -> dict[str, Any]:
        """Return the interrupt's payload, in LangChain's human-in-the-loop form."""
        spent, budget = self.spent, self.budget
        args = {"spent": spent.model_dump(), **budget.model_dump(), "reached": budget.reached_by(spent)}
        description = (
            f"The budget is used up: {in_words(budget, spent)}. Approve to allow as much again, edit the limits, "
            "or reject to end here with what there is."
        )
        complaints = [complaint] if complaint else []
        return ask_for_review("budget", ACTION, args, description, complaints, ("approve", "edit", "reject"))


def _ledger(state: Mapping[str, Any], options: RunOptions, thread: str | None, *, deferred: bool) -> Ledger:
    if thread is not None and THREAD_ID.fullmatch(thread):
        return Ledger(Layout.at(options.base_path).ledger(thread), deferred=deferred)
    ledger = Ledger(None)
    # A run that nobody can resume is kept nowhere: what it has spent stands in its state alone.
    usage = Usage.model_validate(state.get("usage") or {})
    ledger.spent = Spent(tokens=usage.input_tokens + usage.output_tokens, cost=usage.cost, calls=usage.calls)
    return ledger


class Labelled:
    """A meter that says what its calls are for."""

    def __init__(self, meter: RunMeter, *, admits: bool = True, **details: str) -> None:
        self._meter = meter
        self._admits = admits
        self._details = details

    def admit(self) -> None:
        """See `RunMeter.admit`."""
        if self._admits or self._meter.ended:
            self._meter.admit()

    def record(self, call: CallRecord) -> None:
        """See `RunMeter.record`."""
        self._meter.record(call, **self._details)


def budgeted(body: AsyncBody) -> AsyncBody:
    """Return a node that pauses before its work while the budget is used up, and counts its calls.

    Once begun it is not stopped: it would have to make its first calls again.
    """

    @wraps(body)
    async def gated(state: Mapping[str, Any], runtime: Runtime[RunContext]) -> dict[str, Any]:
        options = await off_loop(run_options, state, runtime)
        meter = await off_loop(RunMeter, state, options, runtime)
        with metered(Labelled(meter, admits=False, stage=body.__name__)):
            return await body(state, runtime)

    return gated
