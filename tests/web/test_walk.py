"""A person walks through the monitor, in a real Chromium, over the real service."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser import chromium
from tests.web.walking import AT_WORK, SHOWN, WIDE, Walker, pictures_in
from tests.web.whole import ROOT, Whole, whole_service

TASK = "Create a library management system with dashboard"
#: A file that the person gives the run.
OWN_FILE = "opening-hours.txt"
_MOST_BYTES = 120_000


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_service(tmp_path) as running:
        yield running


@pytest.fixture
def walker(browser: Browser, whole: Whole, tmp_path: Path) -> Iterator[Walker]:
    context = browser.new_context(viewport=WIDE, accept_downloads=True)  # type: ignore[arg-type]
    walker = Walker(context.new_page(), pictures_in(tmp_path))
    walker.page.goto(whole.entrance)
    yield walker
    context.close()
    assert walker.faults == []
    assert walker.shown == set(SHOWN) - {AT_WORK}


def test_a_run_from_its_start_to_its_download(walker: Walker, whole: Whole, tmp_path: Path) -> None:
    page = walker.page
    assert whole.token not in page.url
    walker.picture("threads")
    thread = start(walker, TASK)
    walker.picture("plan")
    edit_the_plan(walker)
    walker.at("approve-button").click()
    expect(walker.at("run-state")).to_have_text("complete")
    see_the_diagram_larger_and_whole(walker)
    look_at_the_timeline(walker)
    open_a_module(walker, thread)
    forked = fork(walker, thread)
    page.goto(f"{whole.url}/monitor/run/{thread}")
    redo(walker)
    preview(walker)
    download(walker, tmp_path)
    page.goto(f"{whole.url}/monitor/")
    for each in (thread, forked):
        expect(walker.at(f"run-row-{each}")).to_be_visible()
    walker.picture("threads-with-runs")


def start(walker: Walker, task: str) -> str:
    """Start a run with a file of the person's, and return its id."""
    walker.at("start-task").fill(task)
    with walker.page.expect_file_chooser() as asked:
        walker.at("start-files").click()
    asked.value.set_files({"name": OWN_FILE, "mimeType": "text/plain", "buffer": b"Open from nine to five."})
    expect(walker.at("start-assets")).to_contain_text(OWN_FILE)
    walker.at("start-button").click()
    walker.page.wait_for_url(re.compile(r"/monitor/run/"))
    expect(walker.at("approve-button")).to_be_enabled()
    return walker.page.url.rpartition("/")[2]


def edit_the_plan(walker: Walker) -> None:
    """Add a module, break it, see the complaint, mend it; reload on the way, and nothing is lost."""
    page, complaints = walker.page, walker.at("plan-complaints")
    expect(complaints).to_contain_text("can be carried out")
    walker.at("plan-add").click()
    added = page.locator('[data-testid^="plan-module-module-"]')
    added.get_by_test_id("plan-field-id").fill("my notes")
    expect(complaints).to_contain_text("the module id 'my notes' is malformed")
    expect(walker.at("approve-button")).to_be_disabled()
    expect(added.locator(".warn")).to_contain_text("malformed")
    walker.picture("plan-broken")
    page.reload()
    expect(complaints).to_contain_text("malformed")
    walker.at("plan-module-my notes").locator(".q-item").first.click()
    added = walker.at("plan-module-my notes")
    added.get_by_test_id("plan-field-id").fill("notes")
    expect(complaints).to_contain_text("can be carried out")
    added.get_by_test_id("plan-field-name").fill("Staff notes")
    added.get_by_test_id("plan-field-description").fill("Write notes about the library for its staff.")
    added.get_by_test_id("plan-field-asset-reads").fill("closing-hours.txt")
    expect(complaints).to_contain_text("closing-hours.txt")
    added.get_by_test_id("plan-field-asset-reads").fill(OWN_FILE)
    expect(complaints).to_contain_text("can be carried out")
    added.get_by_test_id("plan-field-dependencies").click()
    page.get_by_role("option", name="domain-model").click()
    page.keyboard.press("Escape")
    expect(walker.at("approve-button")).to_have_text("Approve as edited")
    expect(walker.at("approve-button")).to_be_enabled()
    walker.picture("plan-mended")


def see_the_diagram_larger_and_whole(walker: Walker) -> None:
    """Make the diagram larger, and see it whole."""
    drawn = walker.at("diagram").locator("svg")
    first = drawn.evaluate("svg => svg.clientWidth")
    walker.at("diagram-larger").click()
    assert drawn.evaluate("svg => svg.clientWidth") > first
    walker.at("diagram-whole").click()
    assert walker.at("diagram").evaluate("frame => frame.scrollHeight <= frame.clientHeight")
    walker.picture("run")


def look_at_the_timeline(walker: Walker) -> None:
    """See when each module worked."""
    walker.at("tab-timeline").click()
    expect(walker.at("timeline").locator("svg")).to_contain_text("Staff notes")
    walker.picture("timeline")
    walker.at("tab-modules").click()


def open_a_module(walker: Walker, thread: str) -> None:
    """Open the module that was added, see that it was told the person's file, and come back."""
    page = walker.page
    walker.at("module-notes").click()
    page.wait_for_url(re.compile(r"/module/notes"))
    expect(page.locator("h1")).to_contain_text("Staff notes")
    expect(page.locator("tr", has_text=OWN_FILE)).to_contain_text("included")
    walker.picture("module")
    walker.at("back-to-run").click()
    page.wait_for_url(re.compile(f"/run/{thread}$"))


def fork(walker: Walker, thread: str) -> str:
    """Fork from a checkpoint in the middle, watch the fork end, and return its id."""
    page = walker.page
    walker.at("tab-history").click()
    expect(walker.at("fork-button")).to_be_visible()
    for _ in range(4):
        walker.at("history-back").click()
    expect(walker.at("history-told")).to_contain_text("What came next")
    walker.picture("history")
    walker.at("fork-button").click()
    page.wait_for_url(re.compile(rf"/run/{thread}-"))
    expect(walker.at("run-state")).to_have_text("complete")
    return page.url.rpartition("/")[2]


def redo(walker: Walker) -> None:
    """Do the module that was added again, with other words."""
    page = walker.page
    walker.at("tab-history").click()
    walker.at("redo-module").click()
    page.get_by_role("option", name="Notes").click()
    walker.at("redo-edit").locator(".q-item").first.click()
    walker.at("redo-edit").get_by_test_id("plan-field-description").fill("Write other notes.")
    walker.at("redo-button").click()
    expect(page.get_by_text("The module is done again.")).to_be_visible()
    expect(walker.at("run-state")).to_have_text("complete")


def preview(walker: Walker) -> None:
    """Use the application in the preview's frame."""
    walker.at("tab-files").click()
    frame = walker.page.frame_locator('[data-testid="preview-frame"]')
    frame.get_by_test_id("login-user").fill(frame.get_by_test_id("demo-user").inner_text())
    frame.get_by_test_id("login-password").fill(frame.get_by_test_id("demo-password").inner_text())
    frame.get_by_test_id("login-submit").click()
    expect(frame.get_by_test_id("logout")).to_be_visible()
    walker.picture("preview")


def download(walker: Walker, tmp_path: Path) -> None:
    """Download the deliverable, and look into it."""
    with walker.page.expect_download() as began:
        walker.at("download-button").click()
    began.value.save_as(tmp_path / "got.zip")
    names = zipfile.ZipFile(tmp_path / "got.zip").namelist()
    assert "README.md" in names
    assert any(name.startswith("notes/") for name in names)


def test_the_readme_shows_the_pictures_that_the_walk_makes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"!\[([^\]]*)\]\(docs/pictures/([^)]+)\)", readme))
    named |= {alt: file for file, alt in re.findall(r'src="docs/pictures/([^"]+)" alt="([^"]*)"', readme)}
    assert sorted(named.values()) == sorted(SHOWN)
    for alt, file in named.items():
        assert len(alt.split()) > 3, f"{file} is not told in words"
        picture = ROOT / "docs" / "pictures" / file
        assert picture.stat().st_size <= _MOST_BYTES, file
        with Image.open(picture) as opened:
            assert opened.mode == "P", file
