"""The generated applications in use, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from matrioska.state.architecture import Architecture, ModuleSpec
from tests.browser import chromium, dashboard_count, export, go, open_page, sign_in, walk_application
from tests.models.embedded.simulation import BIBLIOTECA, LIBRARY, REACT, Simulation, build, plan_for, write_files

_WINES = "App with wines (name, vintage year, rating) and tastings (wine, date, notes) without login"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def _page_of(task: str, folder: Path) -> str:
    _, files = build(task)
    return (write_files(folder, files) / "app-shell/index.html").as_uri()


@pytest.mark.parametrize(
    ("task", "titles"),
    [
        (REACT, ["Users", "Products"]),
        (BIBLIOTECA, ["Livros", "Membros", "Empréstimos"]),
        (_WINES, ["Wines", "Tastings"]),
    ],
)
def test_a_person_can_use_it(task: str, titles: list[str], browser: Browser, tmp_path: Path) -> None:
    walk = walk_application(_page_of(task, tmp_path), browser)
    assert walk.titles == titles
    assert all(walk.counts[entity] > 0 for entity in walk.entities)


def test_a_direct_run_works_as_well(browser: Browser, tmp_path: Path) -> None:
    spec = ModuleSpec(id="deliverable", description="Do the whole task of the project's goal.")
    run = Simulation(Architecture(name="App", goal="A todo app with tasks (title, due date, done)", modules=[spec]))
    write_files(tmp_path, run.produce("deliverable"))
    assert walk_application((tmp_path / "index.html").as_uri(), browser).titles == ["Tasks"]


def test_accounts_import_and_protected_records(browser: Browser, tmp_path: Path) -> None:
    faults: list[str] = []
    page = open_page(browser, _page_of(LIBRARY, tmp_path), faults)
    page.get_by_test_id("login-swap").click()
    page.get_by_test_id("login-user").fill("Ada")
    page.get_by_test_id("login-password").fill("short")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-error")).to_contain_text("6")
    page.get_by_test_id("login-password").fill("long enough")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("logout")).to_be_visible()
    assert "long enough" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")

    # A book that is lent out cannot be deleted.
    go(page, "book")
    page.get_by_test_id("search").fill("Time Machine")
    page.get_by_test_id("delete").click()
    expect(page.get_by_test_id("notice-dialog")).to_contain_text("Loans")
    page.get_by_test_id("cancel").click()

    saved = export(page)
    file = tmp_path / "export.json"
    file.write_text(json.dumps(saved), encoding="utf-8")
    page.get_by_test_id("clear").click()
    page.get_by_test_id("confirm").click()
    assert dashboard_count(page, "book") == 0
    go(page, "book")
    expect(page.get_by_test_id("empty")).to_be_visible()
    _import(page, file)
    assert dashboard_count(page, "book") == len(saved["records"]["book"])

    file.write_text('{"application": "another"}', encoding="utf-8")
    _import(page, file)
    expect(page.locator(".toast-error")).to_be_visible()
    assert dashboard_count(page, "book") == len(saved["records"]["book"])
    assert faults == []
    page.context.close()


def _import(page: Page, file: Path) -> None:
    go(page, "settings")
    page.get_by_test_id("import-file").set_input_files(file)
    page.get_by_test_id("confirm").click()


def test_lists_sort_filter_and_page(browser: Browser, tmp_path: Path) -> None:
    faults: list[str] = []
    page = open_page(browser, _page_of(LIBRARY, tmp_path), faults)
    sign_in(page)
    go(page, "loan")
    expect(page.get_by_test_id("row")).to_have_count(10)
    page.get_by_test_id("next").click()
    expect(page.get_by_test_id("row")).to_have_count(2)
    page.get_by_test_id("filter-status").select_option("Overdue")
    expect(page.get_by_test_id("next")).to_be_disabled()
    states = page.locator('[data-testid="row"] [data-label="Status"]').all_inner_texts()
    assert states and set(states) == {"Overdue"}
    go(page, "book")
    titles = page.locator('[data-testid="row"] [data-label="Title"]')
    ascending = titles.all_inner_texts()
    assert ascending == sorted(ascending)
    page.get_by_test_id("sort-title").click()
    assert titles.all_inner_texts() == ascending[::-1]
    assert faults == []
    page.context.close()


def test_dates_out_of_order_are_refused(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, _page_of(LIBRARY, tmp_path), [])
    sign_in(page)
    go(page, "loan")
    page.get_by_test_id("edit").first.click()
    page.get_by_test_id("field-loan_date").fill("2031-02-02")
    page.get_by_test_id("field-due_date").fill("2031-02-01")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("error-due_date")).to_contain_text("Loan date")
    page.context.close()


def test_damaged_data_is_set_aside(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, _page_of(LIBRARY, tmp_path), [])
    sign_in(page)
    key = "library-management-system.data.v1"
    page.evaluate(f"localStorage.setItem('{key}', '{{broken')")
    page.reload()
    expect(page.locator(".toast-error")).to_be_visible()
    assert page.evaluate(f"localStorage.getItem('{key}.damaged')") == "{broken"
    assert dashboard_count(page, "book") == 8
    page.context.close()


def test_the_theme_is_chosen_and_kept(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, _page_of(_WINES, tmp_path), [], color_scheme="light")
    page.get_by_test_id("theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.get_by_test_id("theme").wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.context.close()


def test_an_entity_that_only_the_domain_value_has_gets_a_page(browser: Browser, tmp_path: Path) -> None:
    run = Simulation(plan_for(_WINES))
    run.agree_all()
    run.board["domain"]["entities"].append({"name": "cellar", "plural": "Cellars", "fields": ["name", "city"]})
    files = {f"{spec.id}/{path}": text for spec in run.plan.modules for path, text in run.produce(spec.id).items()}
    write_files(tmp_path, files)
    walk = walk_application((tmp_path / "app-shell/index.html").as_uri(), browser)
    assert walk.titles == ["Wines", "Tastings", "Cellars"]
