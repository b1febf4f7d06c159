"""A person walks through the monitor, in a real Chromium, over the real service."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import PHONE, chromium
from tests.web.whole import ROOT, Whole, whole_service

TASK = "Create a library management system with dashboard"
WIDE = {"width": 1280, "height": 900}
#: Folders for the README's pictures, and for all of the walk's. Read here, since tests see no such variables.
PICTURES, ALL_PICTURES = os.environ.get("MATRIOSKA_PICTURES"), os.environ.get("MATRIOSKA_KEEP_PICTURES")
#: The README's pictures: what is seen on each, in which theme, on which screen, and what stands in its middle.
SHOWN = {
    "threads.png": ("threads-with-runs", "light", "wide", ""),
    "plan.png": ("plan-mended", "light", "wide", "plan-field-name"),
    "run.png": ("run", "dark", "wide", ""),
    "module.png": ("module", "light", "wide", ""),
    "timeline.png": ("timeline", "light", "wide", ""),
    "phone.png": ("plan-broken", "light", "phone", "plan-complaints"),
}
_MOST_BYTES = 120_000
_PATIENCE = 60_000


class Walker:
    """A page that is walked, and what goes wrong on the way."""

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page = page
        self.pictures = pictures
        self.shown: set[str] = set()
        self.faults: list[str] = []
        page.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught {error}"))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)

    def at(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def picture(self, name: str) -> None:
        """Take a picture of the page as it is, light and dark, wide and on a phone."""
        for theme in ("light", "dark"):
            for size, viewport in (("wide", WIDE), ("phone", PHONE)):
                self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
                self.page.wait_for_timeout(250)
                self._take(name, theme, size)
                if size == "phone":
                    self.assert_fits(name)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    def _take(self, name: str, theme: str, size: str) -> None:
        if ALL_PICTURES:
            self.page.screenshot(path=Path(ALL_PICTURES) / f"{name}-{theme}-{size}.png", full_page=True)
        for file, wanted in SHOWN.items():
            if wanted[:3] == (name, theme, size):
                self.page.evaluate("window.scrollTo(0, 0)")
                if middle := wanted[3]:
                    self.at(middle).first.evaluate("found => found.scrollIntoView({block: 'center'})")
                taken = Image.open(io.BytesIO(self.page.screenshot(animations="disabled")))
                taken.convert("RGB").quantize(96).save(self.pictures / file, optimize=True)
                self.shown.add(file)

    def assert_fits(self, name: str) -> None:
        """Check that nothing has to be scrolled sideways."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"{name} is {width} pixels wide on a phone"


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
    pictures = Path(PICTURES or tmp_path / "pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport=WIDE, accept_downloads=True)  # type: ignore[arg-type]
    walker = Walker(context.new_page(), pictures)
    walker.page.goto(whole.entrance)
    yield walker
    context.close()
    assert walker.faults == []
    assert walker.shown == set(SHOWN)


def test_a_run_from_its_start_to_its_download(walker: Walker, whole: Whole, tmp_path: Path) -> None:
    page = walker.page
    assert whole.token not in page.url
    walker.picture("threads")
    thread = start(walker, TASK)
    walker.picture("plan")
    edit_the_plan(walker)
    walker.at("approve-button").click()
    expect(walker.at("run-state")).to_have_text("complete")
    walker.picture("run")
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
    """Start a run and return its id."""
    walker.at("start-task").fill(task)
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
    added.get_by_test_id("plan-field-dependencies").click()
    page.get_by_role("option", name="domain-model").click()
    page.keyboard.press("Escape")
    expect(walker.at("approve-button")).to_have_text("Approve as edited")
    expect(walker.at("approve-button")).to_be_enabled()
    walker.picture("plan-mended")


def look_at_the_timeline(walker: Walker) -> None:
    """See when each module worked."""
    walker.at("tab-timeline").click()
    expect(walker.at("timeline").locator("svg")).to_contain_text("Staff notes")
    walker.picture("timeline")
    walker.at("tab-modules").click()


def open_a_module(walker: Walker, thread: str) -> None:
    """Open the module that was added, and come back."""
    page = walker.page
    walker.at("module-notes").click()
    page.wait_for_url(re.compile(r"/module/notes"))
    expect(page.locator("h1")).to_contain_text("Staff notes")
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
