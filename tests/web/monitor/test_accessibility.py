"""Pages for everybody: WCAG 2 A and AA by axe-core on every page in both themes, and the approval by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from matrioska.nodes.approval import approval_request
from matrioska.state.approval import ask_for_review, read_decision
from tests.browser import PHONE, chromium
from tests.support import plan, spec
from tests.web.monitor.desks import FakeDesk, question_of, run_of

_WIDE = {"width": 1280, "height": 900}
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
_PLAN = plan(spec("model"), spec("storage", "model"), spec("screens", "storage"))
_REPAIR = {
    "modules": {"storage": {"status": "failed", "error": {"message": "The answer was no JSON."}}},
    "architecture": _PLAN,
}
_BUDGET = {"budget_tokens": 50_000, "spent": {"tokens": 50_100, "cost": 0.42, "seconds": 33.2, "calls": 9}}
_RUN = "/monitor/run/the-run"
_PATIENCE = 60_000
#: What a finger is to find, and is lower than 40 pixels.
_SMALL = """
[...document.querySelectorAll("main button, main a[href], header a, header button, .q-tab, .fold .q-item")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }))
  .map((each) => [each.getBoundingClientRect().height, each.outerHTML.slice(0, 120)])
  .filter(([height]) => 0 < height && height < 40)
  .map((found) => found.join(" "))
"""
#: Whether the focus is on an element of that name, or in the field that it is of.
_FOCUSED = """
(id) => {
  const found = document.querySelector(`[data-testid="${id}"]`);
  return Boolean(found) && (found.closest("label") || found).contains(document.activeElement);
}
"""


def _asking(waiting: str, question: dict[str, Any]) -> dict[str, Any]:
    return {"status": "waiting", "waiting": waiting, "question": {"id": "q1", **question}}


#: What a run may look like, beyond the one that works.
_LOOKS: dict[str, dict[str, Any]] = {
    "approval": _asking("approval", approval_request(_PLAN, ["the key 'x' has no writer"])),
    "failures": _asking("failures", ask_for_review("repair", "repair_modules", _REPAIR, "1 module failed.", [])),
    "budget": _asking("budget", ask_for_review("budget", "raise_budget", _BUDGET, "The tokens are used up.", [])),
    "failed": {"status": "failed", "error": {"code": "x", "message": "It broke.", "next_step": "Try again."}},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _page(browser: Browser, scheme: str = "light", viewport: dict[str, int] = _WIDE) -> Page:
    page = browser.new_context(color_scheme=scheme, viewport=viewport).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(_PATIENCE)
    expect.set_options(timeout=_PATIENCE)
    return page


def _go(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    # Until it has shaken hands, NiceGUI may load the page anew.
    page.wait_for_function("window.did_handshake")
    # What fades in has other colours on the way.
    page.wait_for_function("!document.getAnimations().some((each) => each.playState === 'running')")


def _violations(page: Page, where: str) -> list[str]:
    found = Axe().run(page, options=_RULES).response["violations"]
    return [
        f"{where}: {fault['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:300]}"
        for fault in found
        for node in fault["nodes"][:3]
    ]


def _levels(page: Page) -> list[int]:
    """Return the levels of the headings that are seen, in order."""
    return [
        int(name[1])
        for name in page.locator("h1:visible, h2:visible, h3:visible").evaluate_all(
            "found => found.map((each) => each.tagName)"
        )
    ]


def _look_around(page: Page, url: str, desk: FakeDesk, check: Callable[[str], None]) -> None:
    """Visit every page, every tab, and every question that a run may ask."""
    working = desk.view
    for path in ("/", "/fitness", "/question/the-question", "/run/the-run/module/part-3", "/run/nobody", "/nowhere"):
        _go(page, f"{url}/monitor{path}")
        check(path)
    _go(page, url + _RUN)
    expect(page.locator("g.node").first).to_have_attribute("data-state", "done")
    check("modules")
    for tab in ("timeline", "whiteboard", "files", "journal", "history"):
        page.get_by_test_id(f"tab-{tab}").click()
        expect(page.get_by_test_id(f"tab-{tab}")).to_have_attribute("aria-selected", "true")
        check(tab)
    for name, fields in _LOOKS.items():
        desk.view = working.model_copy(update=fields)
        _go(page, url + _RUN)
        if name == "approval":
            page.get_by_test_id("plan-module-storage").locator(".q-item").first.click()
            # A trial: it waits until the fold has come to rest.
            page.get_by_test_id("plan-remove").click(trial=True)
        check(name)
    desk.view = working


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_wcag(browser: Browser, monitor_of: Any, scheme: str) -> None:
    desk = FakeDesk(run_of(7), question_of())
    faults: list[str] = []
    with monitor_of(desk) as url:
        page = _page(browser, scheme)

        def check(where: str) -> None:
            faults.extend(_violations(page, where))
            levels = _levels(page)
            if levels[:1] != [1] or any(after - before > 1 for before, after in pairwise(levels)):
                faults.append(f"{where}: headings {levels}")

        _look_around(page, url, desk, check)
        page.context.close()

    assert faults == [], "\n".join(faults)


def test_on_a_phone_nothing_is_too_small_for_a_finger(browser: Browser, monitor_of: Any) -> None:
    desk = FakeDesk(run_of(7), question_of())
    faults: list[str] = []
    with monitor_of(desk) as url:
        page = _page(browser, viewport=PHONE)

        def check(where: str) -> None:
            faults.extend(f"{where}: {told}" for told in page.evaluate(_SMALL))
            if (width := page.evaluate("document.documentElement.scrollWidth")) > PHONE["width"]:
                faults.append(f"{where} is {width} pixels wide")

        _look_around(page, url, desk, check)
        page.context.close()

    assert faults == [], "\n".join(faults)


def test_a_plan_is_edited_and_approved_with_the_keyboard_alone(browser: Browser, monitor_of: Any) -> None:
    desk = FakeDesk(run_of(3, **_LOOKS["approval"]))
    with monitor_of(desk) as url:
        page = _page(browser)
        _go(page, url + _RUN)
        expect(page.get_by_test_id("plan-complaints")).to_contain_text("can be carried out")
        _tab_to(page, "plan-add")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("plan-module-module-4")).to_be_visible()
        _tab_to(page, "plan-field-id")
        page.keyboard.press("Control+a")
        page.keyboard.type("notes")
        _tab_to(page, "plan-field-description")
        page.keyboard.type("Write notes.")
        _tab_to(page, "plan-field-dependencies")
        page.keyboard.type("model")
        # The list is narrowed a moment after what is typed.
        expect(page.get_by_role("option")).to_have_text(["model"])
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        _tab_to(page, "approve-button")
        expect(page.get_by_test_id("approve-button")).to_have_text("Approve as edited")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.keyboard.press("Enter")
        expect(page.get_by_text("Answered. The run goes on.").first).to_be_visible()
        page.context.close()

    ((_, _, given, *_),) = [call for call in desk.calls if call[0] == "answer"]
    decided = read_decision(given)
    assert decided.plan is not None
    added = decided.plan["modules"][-1]
    assert (added["id"], added["description"], added["dependencies"]) == ("notes", "Write notes.", ["model"])


def _tab_to(page: Page, testid: str) -> None:
    """Press Tab until an element, or what is in it, has the focus."""
    for _ in range(80):
        if page.evaluate(_FOCUSED, testid):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {testid}")
