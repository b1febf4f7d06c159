"""The pages in a real browser: hostile texts, what is loaded, both themes, a phone, the keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from matrioska.nodes.approval import approval_request
from tests.browser import PHONE, chromium
from tests.web.monitor.desks import HOSTILE, FakeDesk, question_of, run_of

_WIDE = {"width": 1280, "height": 900}
_PATHS = (
    "/monitor/",
    "/monitor/run/the-run",
    "/monitor/run/the-run/module/part-1",
    "/monitor/question/the-question",
    "/monitor/fitness",
)
_TABS = ("timeline", "whiteboard", "files", "journal", "history")
_PLAN = {"name": "Tides", "modules": []}
_QUESTION = {"id": "q1", **approval_request(_PLAN, [])}
#: A folder in which the pictures are kept, to be looked at.
_KEPT = os.environ.get("MATRIOSKA_KEEP_PICTURES")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class Seat:
    """A browser's page, and what went wrong in it."""

    def __init__(self, browser: Browser, url: str, **options: object) -> None:
        self.url = url
        self.faults: list[str] = []
        self.page: Page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
        self.page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        own = (url, url.replace("http:", "ws:"), "data:")
        self.page.on("request", lambda asked: asked.url.startswith(own) or self.faults.append(f"request {asked.url}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught {error}"))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.page.on("console", lambda told: told.type == "error" and self.faults.append(told.text))

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)
        expect(self.page.get_by_role("heading", level=1).first).to_be_visible()

    def turn(self, tab: str) -> None:
        self.page.get_by_test_id(f"tab-{tab}").click()
        expect(self.page.get_by_test_id(f"tab-{tab}")).to_have_attribute("aria-selected", "true")

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def keep(self, name: str) -> None:
        if _KEPT:
            self.page.screenshot(path=Path(_KEPT) / f"{name}.png", full_page=True)


def _hostile() -> FakeDesk:
    return FakeDesk(run_of(7, name=HOSTILE), question_of(HOSTILE))


def test_nothing_that_a_model_wrote_becomes_markup_and_nothing_comes_from_elsewhere(browser, monitor_of) -> None:
    with monitor_of(_hostile()) as url:
        seat = Seat(browser, url, viewport=_WIDE)
        for path in _PATHS:
            seat.go(path)
            _unfold(seat.page)
            _nothing_came_alive(seat)
        seat.go("/monitor/run/the-run")
        expect(seat.page.locator("g.node")).to_have_count(7)
        for tab in _TABS:
            seat.turn(tab)
            _unfold(seat.page)
            _nothing_came_alive(seat)

        assert seat.faults == []


def _unfold(page: Page) -> None:
    """Open every fold, and those inside."""
    closed = page.locator(".fold .q-item[aria-expanded=false]:visible")
    while closed.count():
        closed.first.click()
        expect(page.locator(".q-expansion-item--collapsed .q-expansion-item__content:visible")).to_have_count(0)


def _nothing_came_alive(seat: Seat) -> None:
    assert seat.page.title().endswith("· Matrioska")
    assert seat.page.locator("main img, main script, main b, main a[href^=javascript]").count() == 0


@pytest.mark.parametrize(("scheme", "viewport"), [("light", _WIDE), ("dark", _WIDE), ("dark", PHONE)])
def test_pages_fit_and_follow_the_systems_theme(browser, monitor_of, scheme: str, viewport: dict[str, int]) -> None:
    with monitor_of(FakeDesk(run_of(12), question_of())) as url:
        seat = Seat(browser, url, viewport=viewport, color_scheme=scheme)
        for path in _PATHS:
            seat.go(path)
            if path == "/monitor/run/the-run":
                expect(seat.page.locator("g.node")).to_have_count(12)
            dark = seat.page.evaluate("document.body.classList.contains('body--dark')")
            assert dark == (scheme == "dark")
            assert seat.width() <= viewport["width"], path
            seat.keep(f"{path.strip('/').replace('/', '-')}-{scheme}-{viewport['width']}")
        seat.go("/monitor/run/the-run")
        for tab in _TABS:
            seat.turn(tab)
            assert seat.width() <= viewport["width"], tab
            seat.keep(f"{tab}-{scheme}-{viewport['width']}")

        assert seat.faults == []


def test_a_chosen_theme_stays(browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(1))) as url:
        seat = Seat(browser, url, viewport=_WIDE, color_scheme="light")
        seat.go("/monitor/")
        switch = seat.page.get_by_test_id("theme-switch")
        for words in ("Light theme", "Dark theme"):
            switch.click()
            expect(switch).to_have_attribute("aria-label", words)
        seat.go("/monitor/fitness")

        assert seat.page.evaluate("document.body.classList.contains('body--dark')")


def test_a_module_of_the_diagram_is_coloured_and_opened_with_the_keyboard(browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(4))) as url:
        seat = Seat(browser, url, viewport=_WIDE)
        seat.go("/monitor/run/the-run")
        node = seat.page.get_by_role("link", name="Part 3: failed")
        expect(node).to_have_attribute("data-state", "failed")
        node.focus()
        seat.page.keyboard.press("Enter")
        expect(seat.page).to_have_url(f"{url}/monitor/run/the-run/module/part-3")

        assert seat.faults == []


@pytest.mark.parametrize("viewport", [_WIDE, PHONE])
def test_a_large_diagram_is_legible_at_first_and_can_be_seen_whole(browser, monitor_of, viewport) -> None:
    view = run_of(60)
    for module in view.modules:
        module.state = "producing" if module.id == "part-40" else "done"
    with monitor_of(FakeDesk(view)) as url:
        seat = Seat(browser, url, viewport=viewport)
        seat.go("/monitor/run/the-run")
        expect(seat.page.locator("g.node[data-state]")).to_have_count(60)
        at_work = seat.page.locator('g.node[data-state="producing"]')
        frame = seat.page.get_by_test_id("diagram")
        assert _letters(at_work) >= 10
        assert _is_inside(at_work, frame)
        assert seat.page.evaluate("window.scrollY") == 0

        seat.page.get_by_test_id("diagram-whole").click()
        for node in (seat.page.locator("g.node").first, seat.page.locator("g.node").last):
            assert _is_inside(node, frame)
        small = _letters(at_work)
        for _ in range(3):
            seat.page.get_by_test_id("diagram-larger").click()
        assert _letters(at_work) > 1.5 * small
        seat.page.get_by_test_id("diagram-smaller").click()
        assert seat.width() <= viewport["width"]

        assert seat.faults == []


def _letters(node: Locator) -> float:
    """Return how tall a node's letters are on the screen, in pixels."""
    return float(
        node.locator("text").evaluate("text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a")
    )


def _is_inside(node: Locator, frame: Locator) -> bool:
    inner, outer = node.bounding_box(), frame.bounding_box()
    assert inner is not None
    assert outer is not None
    return (
        outer["x"] <= inner["x"]
        and outer["y"] <= inner["y"]
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"]
    )


def test_dialogs_have_the_colours_of_the_page(browser, monitor_of) -> None:
    desk = FakeDesk(run_of(2, status="waiting", waiting="approval", plan=_PLAN, question=_QUESTION))
    with monitor_of(desk) as url:
        seat = Seat(browser, url, viewport=_WIDE, color_scheme="dark")
        seat.go("/monitor/run/the-run")
        asks, confirms = seat.page.get_by_test_id("reject-button"), seat.page.get_by_test_id("reject-confirm")
        asks.click()
        expect(confirms).to_be_visible()
        ours = asks.evaluate("button => getComputedStyle(button).color")

        assert confirms.evaluate("button => getComputedStyle(button).backgroundColor") == ours
        assert seat.faults == []


def test_the_keyboard_reaches_the_content_first_and_a_screen_reader_knows_the_page(browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(4))) as url:
        seat = Seat(browser, url, viewport=_WIDE)
        seat.go("/monitor/run/the-run")
        assert seat.page.locator("html").get_attribute("lang") == "en-US"
        for role in ("banner", "navigation", "main"):
            expect(seat.page.get_by_role(role)).to_have_count(1)
        unnamed = "button:not([aria-label]), [role=button]:not([aria-label])"
        nameless = [found for found in seat.page.locator(unnamed).all() if not found.inner_text().strip()]
        assert nameless == []

        seat.page.keyboard.press("Tab")
        expect(seat.page.get_by_text("Skip to the content")).to_be_focused()
        seat.page.keyboard.press("Enter")
        expect(seat.page.locator(".page")).to_be_focused()
