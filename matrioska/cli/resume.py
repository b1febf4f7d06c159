"""``resume``, ``redo`` and ``fork``: going on with runs that are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matrioska.cli.ask import is_question, resume_question
from matrioska.cli.given import read_mapping, read_spec
from matrioska.cli.main import COMPLETE
from matrioska.cli.place import find_place
from matrioska.cli.run import Wishes
from matrioska.cli.session import Session, look, open_session, require, require_database, run_async
from matrioska.cli.text import line
from matrioska.cli.ui import Ui, use
from matrioska.i18n import _
from matrioska.nodes.checks.plan import parse_plan
from matrioska.state.approval import Decision
from matrioska.state.errors import UsageError
from matrioska.state.wording import did_you_mean, near_match

__all__ = ["Answer", "fork_thread", "redo_module", "resume_thread"]

#: Modules that a complaint of an unknown one names.
_MOST_NAMED = 60


@dataclass(frozen=True)
class Answer:
    """The person's answer, as options."""

    approve: bool = False
    edit: Path | None = None
    respond: str | None = None
    reject: bool = False

    def decision(self) -> Decision | None:
        """Return the decision; None when no answer was given.

        Raises:
            UsageError: more than one was given, or a file cannot be read.
            PlanError: the edited plan is faulty.
        """
        given = [
            name
            for name, value in (
                ("--approve", self.approve),
                ("--edit", self.edit is not None),
                ("--respond", self.respond is not None),
                ("--reject", self.reject),
            )
            if value
        ]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other.", next_step="Give one answer.")
        if self.edit is not None:
            plan = parse_plan(read_mapping(self.edit, "the plan"))
            return Decision(type="edit", plan=plan.model_dump(mode="json"))
        if self.respond is not None:
            if not self.respond.strip():
                raise UsageError("--respond says nothing.", next_step="Say what should change.")
            return Decision(type="respond", text=self.respond)
        if not given:
            return None
        return Decision(type="approve" if self.approve else "reject")


def resume_thread(thread: str, answer: Answer, wishes: Wishes, *, as_json: bool, quiet: bool) -> int:
    """Go on with a run, or with a question; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    ui.plan_is_given = answer.edit is not None
    decision = answer.decision()
    place = find_place(wishes.base_path)
    if is_question(place, thread):
        if decision is not None:
            raise UsageError(
                f"'{line(thread, 64)}' is a question: it waits for no decision.",
                next_step=f"Go on with it: `{place.command('resume', thread)}`.",
            )
        return resume_question(ui, place, thread, wishes.context())
    return _on(
        ui,
        thread,
        wishes,
        lambda session: session.carry(thread, partial(session.runs.resume, thread, decision)),
    )


def redo_module(thread: str, module: str, spec: Path | None, wishes: Wishes, *, as_json: bool, quiet: bool) -> int:
    """Run a module again; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    ui.plan_is_given = spec is not None
    changes = read_spec(spec) if spec is not None else None

    async def body(session: Session) -> int:
        report = await session.runs.show(thread)
        plan = report.architecture
        check_module(module, [found.id for found in plan.modules] if plan else [])
        return await session.carry(thread, partial(session.runs.redo, thread, module, changes))

    return _on(ui, thread, wishes, body)


def check_module(module: str, known: list[str]) -> None:
    """Check that a plan has a module.

    Raises:
        UsageError: it has not; names the nearest, and all, or of a large plan the first.
    """
    if module in known:
        return
    says = f"The plan has no module '{line(module, 80)}'{did_you_mean(module, known, 0.6)}."
    if not known:
        raise UsageError(says, next_step="It has no plan yet.")
    if (more := len(known) - _MOST_NAMED) > 0:
        raise UsageError(says, next_step=f"Its modules are: {', '.join(known[:_MOST_NAMED])} and {more:,} more.")
    raise UsageError(says, next_step=f"Its modules are: {', '.join(known)}.")


def _on(ui: Ui, thread: str, wishes: Wishes, body: Callable[[Session], Awaitable[int]]) -> int:
    context, place = wishes.context(), find_place(wishes.base_path)
    require_database(place, thread)

    async def main() -> int:
        async with open_session(ui, place, context) as session:
            await require(session, thread)
            return await body(session)

    return run_async(main)


def fork_thread(thread: str, at: str, new: str | None, base_path: Path | None, *, as_json: bool) -> int:
    """Fork a run; say how to go on with the new one."""
    ui = use(Ui(json=as_json))
    place = find_place(base_path)

    async def body() -> int:
        async with look(ui, place, thread) as session:
            await _check_checkpoint(session, thread, at)
            made = await session.runs.fork(thread, at, new_thread_id=new)
            go_on = place.command("resume", made)
            if as_json:
                ui.emit_json({"thread_id": made, "forked_from": thread, "checkpoint": at, "go_on": [go_on]})
                return COMPLETE
            says = _("The fork is {fork}; {thread} stays as it is.").format(fork=made, thread=thread)
            ui.out.print(f"🍴 {says}", soft_wrap=True)
            ui.say(_("Go on with it:"))
            ui.suggest([go_on])
            return COMPLETE

    return run_async(body)


async def _check_checkpoint(session: Session, thread: str, at: str) -> None:
    """Check that a checkpoint is meant, so that the error can name the nearest.

    Raises:
        UsageError: none begins with ``at``.
    """
    ids = [found.checkpoint_id for found in await session.runs.history(thread)]
    if at and any(found.startswith(at) for found in ids):
        return
    near = near_match(at, {found[: max(len(at), 13)] for found in ids}, 0.7)
    raise UsageError(
        f"No checkpoint of '{thread}' begins with '{line(at, 60)}'" + (f" (did you mean '{near}'?)." if near else "."),
        next_step=f"List them with `{session.place.command('history', thread)}`.",
    )
