"""A run in the middle of its work, as the README shows it: some modules done, some writing, some waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from matrioska.web.runs.views import Event, ModuleView
from tests.browser import chromium
from tests.web.monitor.desks import FakeDesk, run_of
from tests.web.walking import AT_WORK, WIDE, Walker, pictures_in

#: Of each module its name, its state and the places of those that it waits for.
_MODULES = [
    ("Domain model", "done", []),
    ("Design system", "done", []),
    ("Data store", "done", [0]),
    ("Interface components", "done", [1]),
    ("Staff notes", "done", [0]),
    ("Page: Books", "producing", [2, 3]),
    ("Page: Loans", "producing", [2, 3]),
    ("Sign-in", "agreed", [3]),
    ("Dashboard", "waiting", [5, 6]),
    ("Application shell", "waiting", [5, 6, 7]),
]
_BOOKS = """### file: books/books.js
export function booksPage(store, components) {
  const table = components.table(["Title", "Author", "Shelf"]);
  for (const book of store.list("books")) table.add(book.id, [book.title, book.author, book.shelf]);"""
_LOANS = """### file: loans/loans.js
export function loansPage(store, components) {
  const open = store.list("loans").filter((loan) => !loan.returned);"""


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _desk() -> FakeDesk:
    """Return a desk with the run, of which two modules have said something since the page was asked for."""
    view = run_of(0, task="Create a library management system with dashboard", findings=[], critical_path=0.0)
    view.modules = [
        ModuleView(id=f"m{at}", name=name, state=state, depends_on=[f"m{each}" for each in needs], layer=len(needs))
        for at, (name, state, needs) in enumerate(_MODULES)
    ]
    done = sum(module.state == "done" for module in view.modules)
    view.line = view.line.model_copy(
        update={"title": "Library management system", "modules": len(_MODULES), "done": done}
    )
    desk = FakeDesk(view)
    for number, (module, said) in enumerate({"m5": _BOOKS, "m6": _LOANS}.items(), view.events + 1):
        desk.events_kept.append(Event(id=number, type="piece", data={"module": module, "text": said}))
    return desk


def test_a_run_at_work_is_seen_whole(browser: Browser, monitor_of: Any, tmp_path: Path) -> None:
    with monitor_of(_desk()) as url:
        context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
        walker = Walker(context.new_page(), pictures_in(tmp_path))
        walker.page.goto(f"{url}/monitor/run/the-run")
        for state, number in (("done", 5), ("producing", 2), ("agreed", 1), ("waiting", 2)):
            expect(walker.page.locator(f'g.node[data-state="{state}"]')).to_have_count(number)
        expect(walker.page.get_by_role("region", name="Page: Books")).to_contain_text("store.list")
        expect(walker.page.get_by_role("region", name="Page: Loans")).to_contain_text("loan.returned")
        assert walker.at("diagram").evaluate("frame => frame.scrollWidth <= frame.clientWidth")
        assert walker.at("diagram").evaluate("frame => frame.scrollHeight <= frame.clientHeight")

        walker.picture("at-work")
        context.close()

    assert walker.faults == []
    assert walker.shown == {AT_WORK}
