"""A clock that is set back between two steps must not bring an old checkpoint to the front."""

from __future__ import annotations

from pathlib import Path

from langgraph.checkpoint.base import empty_checkpoint

from matrioska.store.checkpointer import open_checkpointer


def test_the_latest_checkpoint_is_the_one_written_last(tmp_path: Path) -> None:
    saver = open_checkpointer(tmp_path / "runs.sqlite")
    config = {"configurable": {"thread_id": "one", "checkpoint_ns": ""}}
    before, after = empty_checkpoint(), empty_checkpoint()
    # Ids grow with the time of day: the second step is written two hours "earlier".
    before["id"], after["id"] = sorted([before["id"], after["id"]], reverse=True)
    written = saver.put(config, before, {"step": 0}, {})
    saver.put(written, after, {"step": 1}, {})
    latest = saver.get_tuple(config)
    assert latest is not None
    assert latest.checkpoint["id"] == after["id"] < before["id"]
    assert latest.parent_config is not None
    assert latest.parent_config["configurable"]["checkpoint_id"] == before["id"]
    saver.conn.close()
