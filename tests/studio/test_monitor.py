"""The monitor beside Studio's interface, in a real `langgraph dev` and a real Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from playwright.sync_api import Page, expect

from matrioska.store.studio import studio_thread_id
from tests.browser import chromium
from tests.studio.conftest import Server

_TASK = "Create a library management system with dashboard"
_ENTRANCE = re.compile(r"(http://\S+)/monitor\?token=(\S+)")
_PATIENCE = 60


@pytest.fixture(scope="module")
def entrance(server: Server) -> str:
    """The address that the server told."""
    found = _ENTRANCE.search(server.log.read_text())
    assert found is not None, server.log.read_text()[-2_000:]
    assert found[1] == server.url
    return found[0]


@pytest.fixture(scope="module")
def bearer(entrance: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {entrance.partition('=')[2]}"}


@pytest.fixture
def studio(server: Server) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=server.url, api_key=None) as client:
        yield client


@pytest.fixture(scope="module")
def page(entrance: str) -> Iterator[Page]:
    with chromium() as browser:
        opened = browser.new_page()
        opened.set_default_timeout(_PATIENCE * 1_000)
        expect.set_options(timeout=_PATIENCE * 1_000)
        opened.goto(entrance)
        yield opened


def _until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _PATIENCE
    while not (result := found()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return result


def test_a_run_of_the_monitor_is_approved_there_and_listed_in_studio(
    server: Server, page: Page, studio: SyncLangGraphClient
) -> None:
    assert "token" not in page.url
    page.get_by_test_id("start-task").fill(_TASK)
    page.get_by_test_id("start-button").click()
    page.wait_for_url("**/monitor/run/*")
    thread = page.url.rpartition("/")[2]
    page.get_by_test_id("approve-button").click()
    expect(page.get_by_test_id("run-state")).to_have_text("complete")

    listed = _until(lambda: studio.threads.search(metadata={"name": thread}))
    assert listed[0]["thread_id"] == studio_thread_id(thread)
    assert studio.threads.get_state(listed[0]["thread_id"])["values"]["status"] == "complete"
    assert (server.base / "matrioska_artifacts" / thread / "README.md").is_file()


def test_files_that_the_browser_sends_reach_the_run_and_hold_up_nobody(
    server: Server, page: Page, studio: SyncLangGraphClient, tmp_path: Path
) -> None:
    # NiceGUI keeps small files in memory and large ones on the disk.
    for name, size in (("small.csv", 100), ("large.csv", 3_000_000)):
        (tmp_path / name).write_text("owl,3\n" * (size // 6))
    page.goto(f"{server.url}/monitor/")
    page.locator("input[type=file]").set_input_files([tmp_path / "small.csv", tmp_path / "large.csv"])
    expect(page.get_by_test_id("start-assets").locator("li")).to_have_count(2)
    page.get_by_test_id("start-task").fill(_TASK)
    page.get_by_test_id("start-button").click()
    page.wait_for_url("**/monitor/run/*")
    thread = page.url.rpartition("/")[2]
    listed = _until(lambda: studio.threads.search(metadata={"name": thread}))
    values = _until(lambda: studio.threads.get_state(listed[0]["thread_id"])["values"])
    assert set(values["assets"]) == {"small.csv", "large.csv"}
    log = server.log.read_text()
    assert "BlockingError" not in log and "Blocking call" not in log


def test_a_run_of_studio_is_seen_live_as_one_of_somebody_else(
    server: Server, page: Page, studio: SyncLangGraphClient, bearer: dict[str, str]
) -> None:
    thread = _waiting(studio)
    page.goto(f"{server.url}/monitor/run/{thread}")
    expect(page.get_by_test_id("run-state")).to_have_text("waits for you")

    run = studio.runs.create(thread, "matrioska", command={"resume": True})
    _until(lambda: _look(server, thread, bearer)["status"] == "working")
    refused = httpx.post(f"{server.url}/api/runs/{thread}/resume", headers=bearer, timeout=_PATIENCE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "thread_busy")
    assert _look(server, thread, bearer)["line"]["here"] is False
    expect(page.get_by_test_id("run-state")).to_have_text("complete")
    studio.runs.join(thread, run["run_id"])


def test_studio_cannot_drive_what_the_monitor_drives(
    server: Server, studio: SyncLangGraphClient, bearer: dict[str, str]
) -> None:
    thread = _waiting(studio)
    answered = httpx.post(f"{server.url}/api/runs/{thread}/answer", headers=bearer, json=True, timeout=_PATIENCE)
    assert answered.is_success, answered.text
    assert _look(server, thread, bearer)["line"]["here"] is True
    with pytest.raises(Exception, match="ThreadBusyError"):
        studio.runs.wait(thread, "matrioska", input=None)
    _until(lambda: _look(server, thread, bearer)["status"] == "complete")
    assert studio.threads.get_state(thread)["values"]["status"] == "complete"


def _waiting(studio: SyncLangGraphClient) -> str:
    """Start a run in Studio that waits for approval, and then takes its time: one module after the other."""
    thread = str(studio.threads.create()["thread_id"])
    studio.runs.wait(thread, "matrioska", input={"task": _TASK}, context={"slots": 1})
    return thread


def _look(server: Server, thread: str, bearer: dict[str, str]) -> dict[str, Any]:
    found = httpx.get(f"{server.url}/api/runs/{thread}", headers=bearer, timeout=_PATIENCE).json()
    assert isinstance(found, dict)
    return found


def test_a_strangers_page_is_refused_here_though_studio_lets_it_ask(server: Server, bearer: dict[str, str]) -> None:
    stranger = {"Origin": "https://smith.langchain.com"}
    assert httpx.get(f"{server.url}/ok", headers=stranger).headers["access-control-allow-origin"] == "*"
    for path in ("/monitor/", "/api/runs", "/monitor/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        refused = httpx.get(server.url + path, headers={**stranger, **bearer})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False), path
        assert httpx.get(server.url + path, headers={"Host": "evil.example", **bearer}).status_code == 421
        assert httpx.get(server.url + path).status_code == 401
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(f"{server.url}/api/runs", headers=asked).headers


def test_nothing_blocked_the_servers_loop_and_the_token_was_told_once(server: Server, entrance: str) -> None:
    log = server.log.read_text()
    assert "BlockingError" not in log
    assert "Blocking call" not in log
    assert log.count(entrance.partition("=")[2]) == 1
