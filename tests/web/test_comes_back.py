"""Browsers and services that go away and come back, in a real Chromium over real processes; no run minds.

The model is a server of this process that holds each answer until the test lets it go, so that nothing here
depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.requests import Request

from matrioska.models.testing import read_call
from tests.browser import chromium
from tests.protocols import ModelServer, openai_app, serving
from tests.support import fenced, good_answer, plan, spec
from tests.web.whole import ROOT, whole_service

TASK = "Three parts in a row"
TOKEN = "a-token-that-outlives-the-service"
_SETTINGS = 'model = "held"\nreview_rounds = 0\n\n[members.held]\nmodel = "lmstudio:m"\nbase_url = "{url}/v1"\n'
_PATIENCE = 60_000


@dataclass
class Held(ModelServer):
    """A model that answers the architect at once, and each module once it is let go."""

    free: set[str] = field(default_factory=set)

    def let_go(self, *modules: str) -> None:
        """Answer what these modules ask, from now on."""
        self.free |= set(modules)

    async def take(self, request: Request) -> tuple[dict[str, Any], str]:
        """See `ModelServer`."""
        body, answer = await super().take(request)
        module = read_call([HumanMessage(body["messages"][-1]["content"])])[1]
        while module and module not in self.free and not await request.is_disconnected():  # noqa: ASYNC110 - by a thread
            await asyncio.sleep(0.02)
        return body, answer


def _answer(stage: str, module: str, prompt: str) -> str:
    three = plan(spec("m0"), spec("m1", "m0"), spec("m2", "m1"))
    return fenced(three) if stage == "plan" else good_answer(stage, module, prompt)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Held]:
    """Start the model, and write the settings that lead there."""
    with serving(openai_app, Held(_answer)) as server:
        assert isinstance(server, Held)
        (tmp_path / "matrioska.toml").write_text(_SETTINGS.format(url=server.url), encoding="utf-8")
        yield server


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def looking(browser: Browser, url: str) -> Page:
    """Open a page in a profile of its own."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(_PATIENCE)
    expect.set_options(timeout=_PATIENCE)
    page.goto(url)
    return page


def state_of(page: Page, module: str) -> Locator:
    """Return the badge of a module's state in the table of modules."""
    return page.locator("tr", has=page.get_by_test_id(f"module-{module}")).locator(".badge")


def mark(page: Page) -> None:
    """Leave a mark that is lost when the page is loaded anew."""
    page.evaluate("window.notLoadedAnew = true")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("window.notLoadedAnew === true"))


def test_a_run_of_the_command_line_is_seen_and_outlives_the_browser(
    browser: Browser, model: Held, tmp_path: Path
) -> None:
    with whole_service(tmp_path) as whole:
        page = looking(browser, whole.entrance)
        mark(page)
        process = subprocess.Popen(
            [sys.executable, "-m", "matrioska", "run", TASK, "-y", "-q", "-t", "from-the-cli"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _is_seen_live(page, model)
            page.context.close()
            model.let_go("m1")
            again = looking(browser, whole.entrance)
            _is_seen_afterwards(again, model)
            said, _ = process.communicate(timeout=_PATIENCE / 1000)
        finally:
            process.kill()
        assert process.returncode == 0, said
        expect(again.get_by_test_id("run-state")).to_have_text("complete")
    assert [stage for stage in model.stages if stage.startswith("produce")] == [
        "produce m0",
        "produce m1",
        "produce m2",
    ]


def _is_seen_live(page: Page, model: Held) -> None:
    """The run appears in the list that is open, and its modules change their states on its page, all by itself."""
    row = page.get_by_test_id("run-row-from-the-cli")
    expect(row).to_be_visible()
    assert is_marked(page)
    row.click()
    expect(state_of(page, "m0")).to_have_attribute("data-state", "producing")
    expect(page.get_by_test_id("run-state")).to_have_text("working")
    expect(page.get_by_text("Another process drives it: stop it there.")).to_be_visible()
    mark(page)
    model.let_go("m0")
    expect(state_of(page, "m0")).to_have_attribute("data-state", "done")
    expect(state_of(page, "m1")).to_have_attribute("data-state", "producing")
    expect(state_of(page, "m2")).to_have_attribute("data-state", "waiting")
    expect(page.locator('[data-testid="diagram"] g.node[data-state="producing"]')).to_have_count(1)
    assert is_marked(page)


def _is_seen_afterwards(page: Page, model: Held) -> None:
    """Who comes back sees what happened meanwhile, and what happens from now on."""
    page.get_by_test_id("run-row-from-the-cli").click()
    expect(state_of(page, "m1")).to_have_attribute("data-state", "done")
    expect(state_of(page, "m2")).to_have_attribute("data-state", "producing")
    model.let_go("m2")
    expect(state_of(page, "m2")).to_have_attribute("data-state", "done")


def test_a_run_that_died_with_the_service_is_resumed_from_the_page(
    browser: Browser, model: Held, tmp_path: Path
) -> None:
    with whole_service(tmp_path, MATRIOSKA_SERVE_TOKEN=TOKEN) as whole:
        page = looking(browser, f"{whole.url}/monitor?token={TOKEN}")
        page.get_by_test_id("start-task").fill(TASK)
        page.get_by_test_id("start-button").click()
        page.get_by_test_id("approve-button").click()
        model.let_go("m0")
        expect(state_of(page, "m1")).to_have_attribute("data-state", "producing")
        mark(page)
        whole.process.send_signal(signal.SIGKILL)
        whole.process.wait()
        expect(page.locator("#popup")).to_have_attribute("aria-hidden", "false")
    port = whole.url.rpartition(":")[2]
    with whole_service(tmp_path, "--port", port, MATRIOSKA_SERVE_TOKEN=TOKEN):
        # The old page comes back by itself: its server is not there any more, so it is loaded anew.
        expect(page.get_by_test_id("run-state")).to_have_attribute("data-state", "unfinished")
        assert not is_marked(page)
        expect(state_of(page, "m0")).to_have_attribute("data-state", "done")
        mark(page)
        page.get_by_test_id("resume-button").click()
        expect(state_of(page, "m1")).to_have_attribute("data-state", "producing")
        model.let_go("m1", "m2")
        expect(page.get_by_test_id("run-state")).to_have_text("complete")
        assert is_marked(page)
    # The call that was under way is made again; those that were answered are not.
    made = [stage for stage in model.stages if stage.split()[0] in ("plan", "produce")]
    assert made == ["plan", "produce m0", "produce m1", "produce m1", "produce m2"]


def test_a_page_of_a_service_that_got_another_token_says_what_to_do(
    browser: Browser, model: Held, tmp_path: Path
) -> None:
    with whole_service(tmp_path) as whole:
        page = looking(browser, whole.entrance)
        expect(page.get_by_test_id("start-button")).to_be_visible()
        whole.process.send_signal(signal.SIGKILL)
        whole.process.wait()
    port = whole.url.rpartition(":")[2]
    with whole_service(tmp_path, "--port", port) as later:
        expect(page.get_by_text(re.compile("Connection lost|The token is missing or wrong"))).to_be_visible()
        page.reload()
        expect(page.get_by_text("Open the address of the monitor that `matrioska serve` printed")).to_be_visible()
        page.goto(later.entrance)
        expect(page.get_by_test_id("start-button")).to_be_visible()
