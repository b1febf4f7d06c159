"""Using a generated application as a person would, in a real Chromium.

The walk finds everything on the page itself (which kinds of records there are, which fields a
form has), so that it works on any application of the web recipe, however it was planned.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_LOCAL = ("file:", "data:", "blob:")
#: Typed into a field, it would show itself at once if it were taken for markup.
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"
PHONE = {"width": 390, "height": 844}
_TIMEOUT = 6_000


@dataclass
class Walk:
    """What was seen on the way."""

    entities: list[str] = field(default_factory=list)
    """Names of the kinds of records, from the navigation."""
    titles: list[str] = field(default_factory=list)
    """What the navigation calls them."""
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers on the dashboard at the end."""
    exported: dict[str, Any] = field(default_factory=dict)
    """The export, read back."""
    faults: list[str] = field(default_factory=list)
    """Console errors, uncaught exceptions and requests that left the disk."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped, which CI counts as a failure."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, url: str, faults: list[str], **options: Any) -> Page:
    """Open an application in a profile of its own; what goes wrong there is added to ``faults``."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(_TIMEOUT)
    expect.set_options(timeout=_TIMEOUT)

    def on_request(request: Request) -> None:
        if not request.url.startswith(_LOCAL):
            faults.append(f"request to {request.url}")

    page.on("request", on_request)
    page.on("requestfailed", lambda request: faults.append(f"failed request to {request.url}"))
    page.on("pageerror", lambda error: faults.append(f"uncaught {error}"))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(url)
    return page


def walk_application(page_url: str, browser: Browser | None = None) -> Walk:
    """Use a whole application and return what was seen. Fails where it does not do what it should.

    Signs in (first wrongly), adds, finds, edits and deletes a record of every kind, watches the
    dashboard's numbers, reloads, exports, signs out, and looks at it on a phone.
    """
    if browser is None:
        with chromium() as own:
            return walk_application(page_url, own)
    walk = Walk()
    page = open_page(browser, page_url, walk.faults, viewport={"width": 1280, "height": 900})
    sign_in(page)
    walk.entities, walk.titles = _read_navigation(page)
    assert walk.entities, "the navigation names no kind of record"
    for entity in walk.entities:
        _walk_records(page, entity)
    _check_hostile_text(page, walk.entities)
    walk.counts = {entity: dashboard_count(page, entity) for entity in walk.entities if _has_dashboard(page)}
    walk.exported = export(page)
    for entity, count in walk.counts.items():
        assert len(walk.exported["records"][entity]) == count, f"the export misses records of {entity}"
    _check_sign_out(page)
    page.context.close()
    _check_phone(browser, page_url, walk)
    assert walk.faults == [], walk.faults
    return walk


def sign_in(page: Page) -> None:
    """Sign in with the demo account shown on the screen, after one wrong try. Not every application asks."""
    page.locator('[data-testid="login-user"], [data-testid^="nav-"]').first.wait_for(state="attached")
    if not page.get_by_test_id("login-user").count():
        return
    name = page.get_by_test_id("demo-user").inner_text()
    password = page.get_by_test_id("demo-password").inner_text()
    page.get_by_test_id("login-user").fill(name)
    page.get_by_test_id("login-password").fill(password + "-wrong")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-error")).to_be_visible()
    assert not page.get_by_test_id("logout").count(), "a wrong password was let in"
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("logout")).to_be_visible()


def _read_navigation(page: Page) -> tuple[list[str], list[str]]:
    names, titles = [], []
    for link in page.locator('[data-testid^="nav-"]').all():
        name = (link.get_attribute("data-testid") or "").removeprefix("nav-")
        if name not in ("dashboard", "settings"):
            names.append(name)
            titles.append(link.inner_text().strip())
    return names, titles


def go(page: Page, screen: str) -> None:
    """Go to a screen by its link in the navigation."""
    page.get_by_test_id(f"nav-{screen}").click()
    expect(page.get_by_test_id(f"nav-{screen}")).to_have_attribute("aria-current", "page")


def _has_dashboard(page: Page) -> bool:
    return page.get_by_test_id("nav-dashboard").count() > 0


def dashboard_count(page: Page, entity: str) -> int:
    """Return the number that the dashboard shows for a kind of record."""
    go(page, "dashboard")
    return int("".join(char for char in page.get_by_test_id(f"stat-{entity}").inner_text() if char.isdigit()))


def _walk_records(page: Page, entity: str) -> None:
    before = dashboard_count(page, entity) if _has_dashboard(page) else None
    go(page, entity)
    _check_required(page, entity)
    shown = add_record(page, entity, f"Zq{entity} ünique")
    if before is not None:
        assert dashboard_count(page, entity) == before + 1, f"the dashboard missed a new record of {entity}"
        go(page, entity)
    page.reload()
    page.get_by_test_id("search").wait_for()
    _find(page, shown)
    if shown:
        shown = _edit(page, shown)
    _delete(page, shown)
    if before is not None:
        assert dashboard_count(page, entity) == before, f"the dashboard missed a deletion of {entity}"


def _check_required(page: Page, entity: str) -> None:
    page.get_by_test_id(f"add-{entity}").click()
    page.get_by_test_id("save").click()
    errors = page.locator('[data-testid^="error-"]').filter(has_text=re.compile(r"\S"))
    invalid = page.locator('[aria-invalid="true"]')
    assert invalid.count() and errors.count() == invalid.count(), f"an empty form of {entity} shows no errors"
    page.get_by_test_id("form-dialog").get_by_test_id("cancel").click()


def add_record(page: Page, entity: str, text: str) -> str:
    """Add a record with ``text`` in its text fields; return the text by which it is found, '' without one."""
    page.get_by_test_id(f"add-{entity}").click()
    form = page.get_by_test_id("form-dialog")
    texts = fill_form(form, text)
    form.get_by_test_id("save").click()
    expect(form).to_have_count(0)
    return text if texts else ""


def fill_form(form: Locator, text: str) -> int:
    """Fill every field of an open form; return how many took the text."""
    taken = 0
    for control in form.locator('[data-testid^="field-"]').all():
        kind = control.get_attribute("data-type")
        if kind in ("choice", "reference"):
            control.select_option(index=1)
        elif kind == "boolean":
            control.check()
        elif kind in ("number", "money"):
            control.fill("7")
        elif kind == "date":
            control.fill("2031-05-17")
        elif kind == "email":
            control.fill("zq@example.com")
        else:
            control.fill(text)
            taken += 1
    return taken


def _find(page: Page, text: str) -> Locator:
    """Search for a record and return its row; without a text to search for, the first row after sorting."""
    everything = page.get_by_test_id("row").count()
    page.get_by_test_id("search").fill("nothing is called this")
    expect(page.get_by_test_id("row")).to_have_count(0)
    expect(page.get_by_test_id("empty")).to_be_visible()
    page.get_by_test_id("search").fill(text)
    if text:
        # Accents and case must not matter.
        page.get_by_test_id("search").fill(text.replace("ü", "U").lower())
        expect(page.get_by_test_id("row")).to_have_count(1)
    else:
        assert page.get_by_test_id("row").count() == everything
    return page.get_by_test_id("row").first


def _edit(page: Page, text: str) -> str:
    page.get_by_test_id("row").get_by_test_id("edit").click()
    form = page.get_by_test_id("form-dialog")
    kept = form.locator('[data-type="text"], [data-type="longtext"]').first
    assert kept.input_value() == text, "the form does not show the record"
    changed = text.replace("Zq", "Zx")
    fill_form(form, changed)
    form.get_by_test_id("save").click()
    expect(form).to_have_count(0)
    page.get_by_test_id("search").fill(text)
    expect(page.get_by_test_id("row")).to_have_count(0)
    page.get_by_test_id("search").fill(changed)
    expect(page.get_by_test_id("row")).to_have_count(1)
    return changed


def _delete(page: Page, text: str) -> None:
    # With nothing to search for, the record just added has the latest date, so it is sorted to the top.
    row = page.get_by_test_id("row").first if text else page.get_by_test_id("row").filter(has_text="2031").first
    row.get_by_test_id("delete").click()
    page.get_by_test_id("cancel").click()
    expect(row).to_be_visible()
    row.get_by_test_id("delete").click()
    page.get_by_test_id("confirm").click()
    expect(page.get_by_test_id("confirm-dialog")).to_have_count(0)
    if text:
        expect(page.get_by_test_id("row")).to_have_count(0)


def _check_hostile_text(page: Page, entities: list[str]) -> None:
    for entity in entities:
        go(page, entity)
        if not add_record(page, entity, HOSTILE):
            continue
        page.get_by_test_id("search").fill("onerror")
        expect(page.get_by_test_id("row")).to_have_count(1)
        if _has_dashboard(page):
            go(page, "dashboard")
            expect(page.get_by_test_id("recent")).to_be_visible()
        assert page.locator("#app img, #app b").count() == 0, "typed text became markup"
        assert page.title() != "owned"
        return


def export(page: Page) -> dict[str, Any]:
    """Export everything from the settings and return it."""
    go(page, "settings")
    with page.expect_download() as download:
        page.get_by_test_id("export").click()
    value = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def _check_sign_out(page: Page) -> None:
    if not page.get_by_test_id("logout").count():
        return
    page.get_by_test_id("logout").click()
    expect(page.get_by_test_id("login-user")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("login-user")).to_be_visible()


def _check_phone(browser: Browser, url: str, walk: Walk) -> None:
    page = open_page(browser, url, walk.faults, viewport=PHONE, color_scheme="dark")
    _assert_fits(page, "the sign-in screen")
    sign_in(page)
    for screen in ["dashboard", *walk.entities, "settings"]:
        if not page.get_by_test_id(f"nav-{screen}").count():
            continue
        page.get_by_test_id("menu").click()
        go(page, screen)
        _assert_fits(page, f"the screen {screen}")
    add = page.get_by_test_id(f"nav-{walk.entities[0]}")
    page.get_by_test_id("menu").click()
    add.click()
    page.get_by_test_id(f"add-{walk.entities[0]}").click()
    _assert_fits(page, "a form")
    page.context.close()


def _assert_fits(page: Page, what: str) -> None:
    page.locator("#app *").first.wait_for(state="attached")
    width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    assert width <= PHONE["width"], f"{what} is {width} pixels wide on a phone of {PHONE['width']}"
