"""architect: from the task to a checked plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.recorder import current_recorder, voiced
from matrioska.nodes.assets import asset_faults
from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.common import artifact_store, error_record, pick_client, run_options
from matrioska.nodes.known import Known, known_project
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.numbered import expand_plan, number_plan
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import PERSON, settle
from matrioska.nodes.replies import advice, keep_reasoning, usable_text
from matrioska.nodes.schemas import plan_form
from matrioska.prompts.render import render, to_json
from matrioska.state.answers import parse_json_object
from matrioska.state.architecture import DIRECT_MODULE, MAX_GOAL, MOST_NAMES, UNDETERMINED, Architecture, ModuleSpec
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import AnswerError, PlanError
from matrioska.state.forms import JSON, AnswerForm
from matrioska.state.given import check_words
from matrioska.state.graph_state import STATE_FORMAT, MatrioskaState
from matrioska.state.repository import Asset
from matrioska.state.results import Usage


def check_task(task: object) -> str:
    """Return the task's text, cleaned.

    Raises:
        TaskError: not text, empty, binary, or longer than `MAX_GOAL` characters.
    """
    return check_words(task, "task", MAX_GOAL)


async def architect(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Plan the task. A plan that stays faulty ends the run with the model's raw answer kept."""
    emit_step("architect")
    options = await off_loop(run_options, state, runtime)
    task = check_task(state.get("task"))
    known = await known_project(task, options, runtime)
    update: dict[str, Any] = {
        "format": STATE_FORMAT,
        "task": task,
        "options": options.model_dump(mode="json"),
        "assets": {name: asset.model_dump(mode="json") for name, asset in known.assets.items()},
        "notes": {"project": " ".join(known.warnings) or None},
        "error": None,
        "approval": {},
        "rounds": 0,
    }
    if options.direct:
        plan = direct_plan(task, options.language, known.assets)
        return update | {"architecture": plan.model_dump(mode="json")}
    plan_or_error, usage, thoughts = await _plan(state, known, options, runtime)
    update |= {"usage": usage.model_dump(), "reasoning": {"plan": thoughts or None}}
    if isinstance(plan_or_error, PlanError):
        record = error_record(plan_or_error).model_dump(mode="json")
        current_recorder().note("error", str(plan_or_error), status="failed")
        settle("failed")
        return update | {"architecture": None, "status": "failed", "error": record}
    return update | {"architecture": plan_or_error.model_dump(mode="json")}


def is_new_task(state: Mapping[str, Any]) -> bool:
    """Whether a state is that of a task that nobody has planned, and not of a plan that a person wants changed."""
    return (state.get("approval") or {}).get("type") != "respond"


def direct_plan(task: str, language: str | None, assets: Mapping[str, Asset] | None = None) -> Architecture:
    """Return the plan of a small task: one module, which is given the task itself and every asset.

    Where there are pictures or sounds and nothing else, it is a module that sees or hears them.
    """
    given = assets or {}
    domains = {asset.domain for asset in given.values()}
    modality = {"modality": domains.pop()} if domains in ({"vision"}, {"audio"}) else {}
    spec = ModuleSpec(
        id=DIRECT_MODULE,
        name="Deliverable",
        description="Do the whole task of the project's goal, completely, in this one module.",
        asset_reads=list(given)[:MOST_NAMES],
        **modality,
    )
    return Architecture(name=_title(task), goal=task, language=language or UNDETERMINED, modules=[spec])


def _title(task: str) -> str:
    first = task.splitlines()[0].strip()
    return first if len(first) <= 80 else first[:79].rsplit(" ", 1)[0] + "…"


@dataclass(frozen=True)
class _Revision:
    """What a plan is to change, when it is not the first."""

    plan: Architecture | None = None
    feedback: str = ""

    @classmethod
    def of(cls, state: MatrioskaState) -> _Revision:
        previous = state.get("architecture")
        if is_new_task(state) or not previous:
            return cls()
        return cls(Architecture.model_validate(previous), state["approval"].get("text", ""))


async def _plan(
    state: MatrioskaState, known: Known, options: RunOptions, runtime: Runtime[RunContext]
) -> tuple[Architecture | PlanError, Usage, str]:
    """Ask for a plan until it passes the checks, `options.plan_repairs` times more at the most.

    A model that can be held to a schema answers with a numbered plan, others with a whole one.

    Returns:
        The plan or what is wrong with it, the cost, and the digest of the model's reasoning.
    """
    client = await off_loop(pick_client, "architect", options, runtime)
    form, revision = await off_loop(plan_form, client, known.task, list(known.assets)), _Revision.of(state)
    template = "architect" if form is None else "architect_numbered"
    complaints: list[str] = []
    usage, raw, thoughts, shown = Usage(), "", "", _shown(revision.plan, form)
    for _ in range(options.plan_repairs + 1):
        messages = await off_loop(
            render,
            template,
            task=known.task,
            assets=known.inventory(),
            memory=known.memory,
            language=options.language,
            previous_plan=shown,
            feedback=revision.feedback,
            complaints=complaints,
        )
        with voiced("iteration" if complaints else "response", "architect", PERSON):
            reply = await client.ask(messages, form or JSON)
        usage, raw = usage + reply.usage, reply.text
        # What was cut off or refused is no plan to go on from, and may be megabytes.
        shown = shown if reply.fault else raw or shown
        thoughts = await off_loop(keep_reasoning, artifact_store(options), reply) or thoughts
        try:
            plan = _read(parse_json_object(usable_text(reply)), form, revision, known)
        except AnswerError as error:
            complaints = [error.complaint]
        except PlanError as error:
            complaints = error.complaints
        else:
            return plan.model_copy(update={"language": options.language or plan.language}), usage, thoughts
    return PlanError(complaints, raw_answer=raw, next_step=advice(complaints)), usage, thoughts


def _shown(plan: Architecture | None, form: AnswerForm | None) -> str:
    if plan is None:
        return ""
    return to_json(plan.model_dump(mode="json") if form is None else number_plan(plan))


def _read(raw: dict[str, Any], form: AnswerForm | None, revision: _Revision, known: Known) -> Architecture:
    plan = parse_plan(raw) if form is None else expand_plan(raw, revision.plan)
    if faults := asset_faults(plan, known.assets):
        raise PlanError(faults)
    return plan
