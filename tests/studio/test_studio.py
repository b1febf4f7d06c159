"""Studio's way in: a real `langgraph dev`, driven by `langgraph_sdk`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient

from matrioska.store.journal import open_journal
from matrioska.store.studio import studio_thread_id
from tests.studio.conftest import ROOT, Server
from tests.trees import knows
from tests.voters import CHAINED

TASK = "Create a library management system with dashboard"


async def _begin(client: LangGraphClient, **context: Any) -> tuple[str, dict[str, Any]]:
    """Start a run that stops at the approval; return thread id and the interrupt's value."""
    thread = await client.threads.create()
    await client.runs.wait(thread["thread_id"], "matrioska", input={"task": TASK}, context=context or None)
    state = await client.threads.get_state(thread["thread_id"])
    assert state["next"] == ["approval"]
    return thread["thread_id"], state["tasks"][0]["interrupts"][0]["value"]


async def test_the_form_has_one_field_and_the_module_subgraph_shows(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search(graph_id="matrioska")
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["task"]
    assert {"approval", "model", "slots"} <= set(schemas["context_schema"]["properties"])
    drawn = await client.assistants.get_graph(assistant["assistant_id"], xray=True)
    names = {str(node["id"]) for node in drawn["nodes"]}
    assert {"architect", "approval", "repair", "assemble", "verify", "deliver"} <= names
    assert {f"execute:{node}" for node in ("distill", "agree", "produce", "check", "mend")} <= names


async def test_run_interrupt_edit_resume(server: Server, client: LangGraphClient) -> None:
    thread, asked = await _begin(client)
    plan = asked["action_requests"][0]["args"]["architecture"]
    assert len(plan["modules"]) > 3
    broken = {**plan, "modules": [{**spec, "dependencies": [plan["modules"][0]["id"]]} for spec in plan["modules"]]}
    answer = {"decisions": [{"type": "edit", "edited_action": {"name": "approve_architecture", "args": broken}}]}
    await client.runs.wait(thread, "matrioska", command={"resume": answer})
    state = await client.threads.get_state(thread)
    complaints = state["tasks"][0]["interrupts"][0]["value"]["complaints"]
    assert any(plan["modules"][0]["id"] in complaint for complaint in complaints)

    plan["modules"].append(
        {"id": "help-page", "name": "Help", "description": "A help page in Markdown.", "outputs": ["help.md"]}
    )
    answer = {"decisions": [{"type": "edit", "edited_action": {"name": "approve_architecture", "args": plan}}]}
    events = [
        part.data
        async for part in client.runs.stream(
            thread, "matrioska", command={"resume": answer}, stream_mode=["custom", "values"]
        )
        if part.event == "custom"
    ]
    seen = {(event["module"], event["phase"]) for event in events if event.get("type") == "module"}
    assert ("help-page", "done") in seen
    assert {phase for _, phase in seen} >= {"agreeing", "agreed", "producing", "done"}
    state = await client.threads.get_state(thread)
    assert state["next"] == []
    assert state["values"]["status"] == "complete", state["values"].get("findings")
    paths = {file["path"] for file in state["values"]["deliverable"]["files"]}
    assert any(path.startswith("help-page/") for path in paths)
    assert (server.base / "matrioska_artifacts" / thread / "README.md").is_file()


async def test_what_a_project_learns_stands_in_the_servers_own_store(server: Server, client: LangGraphClient) -> None:
    given = {"approval": "auto", "project": "studio-shop"}
    for _ in range(2):
        thread = await client.threads.create()
        await client.runs.wait(thread["thread_id"], "matrioska", input={"task": TASK}, context=given)
        state = await client.threads.get_state(thread["thread_id"])
        assert state["values"]["status"] == "complete", state["values"].get("notes")
        assert not state["values"].get("notes")
    found = await client.store.search_items(("matrioska", "projects", "studio-shop", "sections"), limit=100)
    assert {item["key"] for item in found["items"]} >= {"documentation"}
    # What the first run left behind was offered to the second.
    contexts = [result["context"] for result in state["values"]["results"].values()]
    assert any("related" in name for context in contexts for name in context["included"])
    assert {context["ranking"] for context in contexts} == {"by words"}
    assert not (server.base / "matrioska_checkpoints" / "repository.sqlite").exists()


@pytest.mark.parametrize(
    "answer",
    [True, "[ACCEPTED]", [{"type": "accept", "args": None}], {"decisions": [{"type": "approve"}]}],
    ids=["bare", "tagged", "inbox", "langchain"],
)
async def test_every_dialect_approves(client: LangGraphClient, answer: Any) -> None:
    thread, _ = await _begin(client)
    await client.runs.wait(thread, "matrioska", command={"resume": answer})
    state = await client.threads.get_state(thread)
    assert state["values"]["status"] == "complete", state["values"].get("findings")


async def test_history_and_fork(client: LangGraphClient) -> None:
    thread, _ = await _begin(client)
    await client.runs.wait(thread, "matrioska", command={"resume": True})
    history = await client.threads.get_history(thread, limit=50)
    before = next(state for state in history if state["next"] == ["assemble"])
    last = (await client.threads.get_state(thread))["checkpoint"]["checkpoint_id"]
    forked = await client.threads.update_state(
        thread, {"notes": {"fork": "here"}}, checkpoint_id=before["checkpoint"]["checkpoint_id"]
    )
    await client.runs.wait(thread, "matrioska", input=None, checkpoint=forked["checkpoint"])
    after = await client.threads.get_state(thread)
    assert after["values"]["status"] == "complete"
    assert after["values"]["notes"]["fork"] == "here"
    old = await client.threads.get_state(thread, checkpoint_id=last)
    assert "fork" not in (old["values"].get("notes") or {})


async def test_cancel_then_resume(client: LangGraphClient) -> None:
    thread, _ = await _begin(client)
    run = await client.runs.create(thread, "matrioska", command={"resume": True}, stream_mode="custom")
    async for part in client.runs.join_stream(thread, run["run_id"], stream_mode="custom"):
        if part.event == "custom" and part.data.get("phase") == "agreed":
            break
    await client.runs.cancel(thread, run["run_id"], wait=True)
    state = await client.threads.get_state(thread)
    assert state["next"] == ["execute"]
    await client.runs.wait(thread, "matrioska", input=None)
    state = await client.threads.get_state(thread)
    assert state["values"]["status"] == "complete", state["values"].get("findings")


async def test_a_run_of_the_command_line_opens_here(server: Server, client: LangGraphClient) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "matrioska", "run", TASK, "-t", "from-cli", "--base-path", str(server.base)]
    ended = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
    )
    assert ended.returncode == 3, ended.stderr
    found: list[Any] = []
    for _ in range(100):
        found = await client.threads.search(metadata={"name": "from-cli"})
        if found:
            break
        await asyncio.sleep(0.2)
    (listed,) = found
    thread = listed["thread_id"]
    assert thread == studio_thread_id("from-cli")
    state = await client.threads.get_state(thread)
    assert state["next"] == ["approval"]
    await client.runs.wait(thread, "matrioska", command={"resume": True})
    state = await client.threads.get_state(thread)
    assert state["values"]["status"] == "complete"
    command = [sys.executable, "-m", "matrioska", "show", "from-cli", "--json", "--base-path", str(server.base)]
    shown = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(shown.stdout)["status"] == "complete"
    kept = await asyncio.to_thread(open_journal, server.base)
    conversations = {one.id: one.status for one in await asyncio.to_thread(kept.conversations)}
    assert conversations["from-cli"] == "done"
    assert thread not in conversations
    await asyncio.to_thread(kept.close)


async def test_the_ensemble_answers_here(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search(graph_id="ensemble")
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["query"]
    thread = (await client.threads.create())["thread_id"]
    events = [
        part.data
        async for part in client.runs.stream(
            thread, "ensemble", input={"query": CHAINED}, stream_mode=["custom", "values"]
        )
        if part.event == "custom"
    ]
    assert [event["type"] for event in events][-2:] == ["synthesis", "done"]
    state = await client.threads.get_state(thread)
    assert state["next"] == []
    assert [found["answer"] for found in state["values"]["chunks"]] == ["Paris", "2 million"]


async def test_the_cascade_answers_here(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search(graph_id="cascade")
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    assert list(schemas["input_schema"]["properties"]) == ["question"]
    thread = (await client.threads.create())["thread_id"]
    asked = {"question": "What does each of you know?"}
    events = [
        part.data
        async for part in client.runs.stream(thread, "cascade", input=asked, stream_mode=["custom", "values"])
        if part.event == "custom"
    ]
    assert (events[0]["type"], events[-1]["type"]) == ("minds", "done")
    state = await client.threads.get_state(thread)
    assert state["next"] == []
    assert knows(state["values"]["answer"], "top", "leaf")


async def test_no_blocking_call_was_reported(server: Server, client: LangGraphClient) -> None:
    await _begin(client)
    log = await asyncio.to_thread(server.log.read_text)
    assert "BlockingError" not in log
    assert "Blocking call" not in log


async def test_a_used_up_budget_is_an_interrupt_that_raises_it(client: LangGraphClient) -> None:
    thread = (await client.threads.create())["thread_id"]
    context = {"approval": "auto", "budget_tokens": 9_000}
    await client.runs.wait(thread, "matrioska", input={"task": TASK}, context=context)
    state = await client.threads.get_state(thread)
    (found,) = [interrupt for task in state["tasks"] for interrupt in task["interrupts"]]
    asked = found["value"]["action_requests"][0]
    assert (found["value"]["kind"], asked["args"]["reached"]) == ("budget", ["budget_tokens"])
    assert asked["args"]["spent"]["tokens"] >= 9_000
    answer = {
        "decisions": [{"type": "edit", "edited_action": {"name": asked["name"], "args": {"budget_tokens": None}}}]
    }
    await client.runs.wait(thread, "matrioska", command={"resume": answer}, context=context)
    state = await client.threads.get_state(thread)
    assert state["values"]["status"] == "complete", state["values"].get("findings")
