"""What several nodes need: the options of the run, its models and its artifact store."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.runtime import Runtime

from matrioska.models.gateway import Client, client_for, client_of
from matrioska.models.providers import EMBEDDED
from matrioska.state.architecture import ModuleSpec
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import ConfigError, MatrioskaError
from matrioska.state.results import ErrorRecord
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from matrioska.store.settings import find_fallbacks, find_member, resolve_options
from matrioska.workers.plugins import workers

#: Characters kept of an answer that could not be used.
RAW_ANSWER_KEPT = 20_000
_TRACE_KEPT = 4_000


def run_options(state: Mapping[str, Any], runtime: Runtime[RunContext]) -> RunOptions:
    """Return the options in force: what the caller gives now, over what the thread began with."""
    return resolve_options(runtime.context, state.get("options"))


def artifact_store(options: RunOptions) -> ArtifactStore:
    """Return the store of files below the run's base path."""
    # A relative path means another folder once the program changes its own.
    found = _store_at if options.base_path.startswith("/") else _store_at.__wrapped__
    return found(options.base_path)


@lru_cache(maxsize=64)
def _store_at(base_path: str) -> ArtifactStore:
    return ArtifactStore(Layout.at(base_path).objects)


def pick_client(role: str, options: RunOptions, runtime: Runtime[RunContext], spec: ModuleSpec | None = None) -> Client:
    """Return whom to ask in a role: the module's own model, else the role's, else the run's.

    Raises:
        UnknownModelError: no provider answers to the name.
        ModelError: its package or key is missing.
        ConfigError: the caller gave something that is no chat model, or a plan names an address.
    """
    chosen = _chosen(role, options, runtime, spec)
    if isinstance(chosen, BaseChatModel):
        return client_of(chosen)
    if not isinstance(chosen, str):
        raise ConfigError(
            f"The model for {role} is a {type(chosen).__name__}.",
            next_step="Give a name such as 'openai:gpt-4o' or a LangChain chat model.",
        )
    if spec and spec.model and "://" in spec.model:
        # A plan is a model's answer: it must not send prompts to servers that no person named.
        raise ConfigError(
            f"The module {spec.id} asks for a model at an address of its own.",
            next_step="Describe it in the settings as a member, and name that member in the plan.",
        )
    member = find_member(chosen)
    # Found now: reading settings would block the event loop in the midst of a call.
    return client_for(member, find_fallbacks(member).__getitem__)


def _chosen(role: str, options: RunOptions, runtime: Runtime[RunContext], spec: ModuleSpec | None = None) -> Any:
    """Return the name or the chat model that is chosen for a role."""
    context = runtime.context
    given = None
    if context is not None:
        given = context.roles.get(role) or context.model  # type: ignore[call-overload]
    return (spec.model if spec else None) or given or options.roles.get(role) or options.model


def pick_boss(options: RunOptions, runtime: Runtime[RunContext]) -> Client | None:
    """Return the boss, who condenses context and settles disputes; None when the role falls to the embedded model.

    That one cannot read what others wrote. Without a boss, extracts and the plan's own rules do.

    Raises:
        UnknownModelError, ModelError, ConfigError: see `pick_client`.
    """
    return _reader("boss", options, runtime)


def pick_critic(options: RunOptions, runtime: Runtime[RunContext]) -> Client | None:
    """Return the critic, who reviews the whole; None when the role falls to the embedded model. See `pick_boss`."""
    return _reader("critic", options, runtime)


def _reader(role: str, options: RunOptions, runtime: Runtime[RunContext]) -> Client | None:
    chosen = _chosen(role, options, runtime)
    name = find_member(chosen).model if isinstance(chosen, str) else getattr(chosen, "model_name", "")
    return None if name == EMBEDDED else pick_client(role, options, runtime)


def mendable(feedback: Mapping[str, list[str]], plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the feedback for modules that can take it: a worker that reads no prompt would do the same again.

    Args:
        feedback: complaints by module id.
        plan: `Architecture` as JSON.
    """
    deaf = {
        spec["id"]
        for spec in plan["modules"]
        if (worker := workers().get(spec.get("worker", "chat"))) is not None and not worker.reads_prompt
    }
    return {module: complaints for module, complaints in feedback.items() if module not in deaf}


def error_record(error: BaseException) -> ErrorRecord:
    """Return an error in the form that checkpoints keep."""
    if isinstance(error, MatrioskaError):
        return ErrorRecord(
            code=error.code,
            message=error.message,
            next_step=error.next_step,
            retryable=bool(getattr(error, "retryable", False)),
            raw_answer=str(getattr(error, "raw_answer", ""))[:RAW_ANSWER_KEPT],
        )
    return ErrorRecord(
        code="unexpected",
        message=f"{type(error).__name__}: {error}",
        next_step="This is a fault in Matrioska or a plugin: please report it with this message.",
        trace="".join(traceback.format_exception(error))[-_TRACE_KEPT:],
    )
