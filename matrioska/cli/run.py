"""``run``: from a task to a deliverable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from matrioska.cli.given import read_duration, read_roles, read_task
from matrioska.cli.place import find_place
from matrioska.cli.session import open_session, run_async
from matrioska.cli.text import line
from matrioska.cli.ui import Ui, use
from matrioska.i18n import ENGLISH, _, spoken
from matrioska.models.registry import EMBEDDED
from matrioska.nodes.architect import check_task
from matrioska.state.context import RunContext
from matrioska.state.errors import UsageError
from matrioska.store.settings import resolve_options
from matrioska.threads import new_thread_id


@dataclass(frozen=True)
class Wishes:
    """What the options of a command ask for."""

    direct: bool = False
    project: str | None = None
    model: str | None = None
    roles: list[str] = field(default_factory=list)
    yes: bool = False
    language: str | None = None
    slots: int | None = None
    rounds: int | None = None
    base_path: Path | None = None
    budget_tokens: int | None = None
    budget_cost: float | None = None
    timeout: str | None = None

    def context(self) -> RunContext:
        """Return them as the run's context; what was not asked for stays open.

        Raises:
            UsageError: one is not allowed.
        """
        given = {
            "approval": "auto" if self.yes else None,
            "direct": self.direct or None,
            "project": self.project,
            "model": self.model,
            "roles": read_roles(self.roles),
            "language": self.language,
            "slots": self.slots,
            "review_rounds": self.rounds,
            "budget_tokens": self.budget_tokens,
            "budget_cost": self.budget_cost,
            "timeout": read_duration(self.timeout) if self.timeout is not None else None,
        }
        try:
            return RunContext.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = {"language": "--lang"}.get(str(first["loc"][0]), f"--{first['loc'][0]}".replace("_", "-"))
            raise UsageError(
                f"{name} cannot be {line(first['input'], 60)!r}.",
                next_step=_ALLOWED.get(name, f"{first['msg']}."),
            ) from error


_ALLOWED = {
    "--lang": "Use a language code such as en or pt.",
    "--project": "Use 1 to 64 letters, digits, '_' or '-', the first a letter or digit.",
}


def run_task(
    given: str, thread: str | None, wishes: Wishes, assets: Sequence[Path], *, as_json: bool, quiet: bool
) -> int:
    """Run a task; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    text = check_task(read_task(given))
    context, place = wishes.context(), find_place(wishes.base_path)

    async def body() -> int:
        async with open_session(ui, place, context) as session:
            session.runs.check_models()
            name = thread or new_thread_id(text)
            _introduce(ui, text, name, context)
            return await session.carry(name, partial(session.runs.start, text, thread_id=name, assets=assets))

    return run_async(body)


def _introduce(ui: Ui, task: str, thread: str, context: RunContext) -> None:
    """Say what begins, and who will do it."""
    if ui.quiet or ui.json:
        return
    options = resolve_options(context)
    ui.say(("🪆 ", ""), (line(task, 200), "bold"))
    facts = _("thread {thread} · model {model}").format(thread=thread, model=line(options.model, 80))
    ui.say((f"   {facts}", "dim"), soft_wrap=True)
    if EMBEDDED in {options.model, *options.roles.values()}:
        ui.say((embedded_notice(options.language, task), "dim"))


def embedded_notice(language: str | None, task: str) -> str:
    """Return what the embedded model says about itself, in the language spoken or else in that of the task."""
    from matrioska.models.embedded.notice import NOTICE
    from matrioska.models.embedded.understanding.language import detect_language

    told_in = (language or detect_language(task)) if spoken() == ENGLISH else spoken()
    return NOTICE.get(told_in[:2]) or NOTICE[ENGLISH]
