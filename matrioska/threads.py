"""What runs and questions on one base path have in common: threads, their ids, and what they began with."""

from __future__ import annotations

import json
import secrets
from typing import Literal

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from matrioska.state.context import RunContext
from matrioska.state.errors import ThreadNotFoundError, UsageError
from matrioska.state.ids import THREAD_ID, slug
from matrioska.store.checkpointer import Checkpointer
from matrioska.store.settings import resolve_options

#: Which graph a thread belongs to.
GraphName = Literal["matrioska", "ensemble", "cascade"]
#: By what each graph is given, which no other has.
_GIVEN: dict[str, GraphName] = {"task": "matrioska", "query": "ensemble", "question": "cascade"}
# Name in a checkpoint's metadata.
_OPTIONS = "matrioska_options"


def config_of(thread_id: str) -> RunnableConfig:
    """Return the config that names a thread to its graph."""
    # A plan refined many times takes more steps than LangGraph's default of 25 allows.
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": 1000}


def graph_of(saver: Checkpointer, thread_id: str) -> GraphName:
    """Return which graph a thread belongs to.

    Raises:
        ThreadNotFoundError: there is no such thread.
        StoreError: it cannot be read.
    """
    found = saver.get_tuple(config_of(thread_id)) if THREAD_ID.fullmatch(thread_id) else None
    if found is None:
        raise ThreadNotFoundError(thread_id)
    given = found.checkpoint["channel_values"]
    return next((graph for name, graph in _GIVEN.items() if name in given), "matrioska")


def new_thread_id(text: str) -> str:
    """Return a fresh id that tells a person what it was about."""
    return f"{slug(text, 28) or 'run'}-{secrets.token_hex(2)}"


async def check_free(saver: Checkpointer, thread_id: str) -> None:
    """Check that a new thread may have this id.

    Raises:
        UsageError: it is malformed or taken.
    """
    if not THREAD_ID.fullmatch(thread_id):
        raise UsageError(
            f"The thread id {thread_id!r} is not allowed.", next_step="Use 1 to 64 letters, digits, '_' or '-'."
        )
    if await saver.aget_tuple(config_of(thread_id)) is not None:
        raise UsageError(
            f"There is a run {thread_id!r} already.",
            next_step=f"Go on with it: `matrioska resume {thread_id}`, or choose another --thread.",
        )


def beginning(thread_id: str, context: RunContext) -> RunnableConfig:
    """Return the config for a thread's first update: the first node saves the options only with its own work."""
    return {**config_of(thread_id), "metadata": {_OPTIONS: resolve_options(context).model_dump_json()}}


def begun_with(snapshot: StateSnapshot, context: RunContext) -> RunContext:
    """Return a context, with what a thread began with that was cut off before its options were saved."""
    begun = (snapshot.metadata or {}).get(_OPTIONS)
    if snapshot.values.get("options") or not isinstance(begun, str):
        return context
    saved = json.loads(begun)
    given = {name: value for name, value in context if value is not None and name != "roles"}
    return RunContext.model_validate(saved | given | {"roles": saved["roles"] | context.roles})
