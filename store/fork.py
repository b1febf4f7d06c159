"""A new thread that begins where an old one once stood."""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from matrioska.state.errors import ThreadNotFoundError, UsageError


async def fork_thread(saver: BaseCheckpointSaver[str], thread_id: str, checkpoint_id: str, new_thread_id: str) -> None:
    """Copy a checkpoint and all that led to it into a new thread.

    What was written after that checkpoint stays behind: the new thread's next step runs anew.

    Args:
        saver: where both threads live.
        thread_id: the thread to fork; it is only read.
        checkpoint_id: one of its checkpoints, or the unique beginning of its id.
        new_thread_id: a thread that does not exist yet.

    Raises:
        ThreadNotFoundError: no such thread.
        UsageError: no such checkpoint, or the beginning fits several.
    """
    found = [saved async for saved in saver.alist(_config(thread_id, None))]
    by_id = {saved.checkpoint["id"]: saved for saved in found if not saved.config["configurable"].get("checkpoint_ns")}
    if not by_id:
        raise ThreadNotFoundError(thread_id)
    matches = [saved_id for saved_id in by_id if saved_id.startswith(checkpoint_id)]
    if len(matches) != 1:
        raise UsageError(
            f"{len(matches) or 'No'} checkpoints of {thread_id!r} begin with {checkpoint_id!r}.",
            next_step=f"List them with `matrioska history {thread_id}`.",
        )
    parent: str | None = None
    for saved in _line(by_id, matches[0]):
        config = _config(new_thread_id, parent)
        await saver.aput(config, saved.checkpoint, saved.metadata, saved.checkpoint["channel_versions"])
        parent = saved.checkpoint["id"]


def _config(thread_id: str, checkpoint_id: str | None) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


def _line(by_id: dict[str, CheckpointTuple], last: str) -> list[CheckpointTuple]:
    """Return the checkpoints from the first to ``last``."""
    line, cursor = [], by_id.get(last)
    while cursor is not None:
        line.append(cursor)
        parent = cursor.parent_config
        cursor = by_id.get(parent["configurable"]["checkpoint_id"]) if parent else None
    return line[::-1]
