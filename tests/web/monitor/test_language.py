"""Whose language pages speak: chosen, remembered, the service's, the browser's; two at once do not mix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from playwright.sync_api import Browser, Page, expect
from starlette.requests import Request

from matrioska import i18n
from matrioska.web.monitor.language import SPOKEN, language_for, remembered
from tests.browser import chromium
from tests.web.monitor.desks import FakeDesk, question_of, run_of

_WORDS = {
    "Threads": "Conversas",
    "Stop": "Parar",
    "working": "em andamento",
    "complete": "concluída",
    "waiting": "à espera",
    "At work": "Trabalhando",
    "Whiteboard": "Quadro",
    "The whiteboard is empty.": "O quadro está vazio.",
    "The page is gone.": "A página se foi.",
    "Not found": "Não encontrado",
    "There is no such page": "Esta página não existe",
    "1,234.5": "1.234,5",
    "Connection lost.": "Sem conexão.",
    "delegation": "delegação",
}


@pytest.fixture(autouse=True)
def portuguese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small catalogue of our own: these tests are of the choice, not of the words."""
    catalogue = Catalog(locale="pt_BR")
    for text, said in _WORDS.items():
        catalogue.add(text, said)
    place = tmp_path / "locale" / "pt_BR" / "LC_MESSAGES" / "matrioska.mo"
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        write_mo(file, catalogue)
    monkeypatch.setattr(i18n, "LOCALES", tmp_path / "locale")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _asks(query: str = "", **headers: str) -> Request:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": given})


@pytest.mark.parametrize(
    ("request_", "language"),
    [
        (_asks(), "en"),
        (_asks(accept_language="pt-BR,pt;q=0.9,en;q=0.8"), "pt_BR"),
        (_asks(accept_language="fr, en;q=0.4, pt;q=0.7"), "pt_BR"),
        (_asks(accept_language="pt;q=0, en;q=x, de"), "en"),
        (_asks("lang=pt", accept_language="en"), "pt_BR"),
        (_asks("lang=en", accept_language="pt", cookie="matrioska-language=pt_BR"), "en"),
        (_asks("lang=xx", cookie="matrioska-language=pt_BR"), "pt_BR"),
        (_asks(accept_language="pt", cookie="matrioska-language=../../etc"), "pt_BR"),
        (_asks(accept_language=",".join(["xx"] * 50_000 + ["pt"])), "en"),
    ],
)
def test_who_is_heard_first(request_: Request, language: str) -> None:
    assert language_for(request_) == language


def test_the_services_language_comes_before_the_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    with i18n.speaking_everywhere("pt_BR"):
        assert language_for(_asks(accept_language="en")) == "pt_BR"
        assert language_for(_asks("lang=en")) == "en"
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    with i18n.speaking_everywhere():
        assert language_for(_asks(accept_language="en")) == "en"
    monkeypatch.setenv("MATRIOSKA_LANG", "pt")
    with i18n.speaking_everywhere():
        assert language_for(_asks(accept_language="en")) == "pt_BR"


def test_only_a_language_that_is_spoken_is_remembered_under_its_own_name() -> None:
    assert remembered(b"lang=PT") == b"matrioska-language=pt_BR; Path=/; Max-Age=31536000; SameSite=Strict"
    for query in (b"", b"lang=", b"lang=xx", b"lang=%0d%0aSet-Cookie:a=b", b"other=pt"):
        assert remembered(query) is None


def test_every_language_that_is_spoken_has_its_names() -> None:
    shipped = Path(i18n.__file__).parent / "locale"
    assert {path.name for path in shipped.glob("*/")} | {"en"} <= set(SPOKEN)


def _open(browser: Browser, url: str, language: str) -> Page:
    page = browser.new_context(locale=language).new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    page.goto(url)
    return page


def test_two_readers_at_once_each_hear_their_own_language_to_the_end(browser: Browser, monitor_of) -> None:
    desk = FakeDesk(run_of(3), question_of())
    with monitor_of(desk) as url:
        seats = {"en-US": ("working", "complete", "Stop"), "pt-BR": ("em andamento", "concluída", "Parar")}
        pages = {language: _open(browser, f"{url}/monitor/run/the-run", language) for language in seats}
        for language, page in pages.items():
            working, _, stop = seats[language]
            assert page.locator("html").get_attribute("lang") == language
            assert page.evaluate("Quasar.lang.getLocale && Quasar.lang.props.isoName") == language
            expect(page.get_by_test_id("run-state")).to_have_text(working)
            expect(page.get_by_test_id("stop-button")).to_have_text(stop)
        line = desk.view.line.model_copy(update={"status": "complete"})
        desk.view = desk.view.model_copy(update={"line": line, "status": "complete", "shared_state": {}})
        for language, page in pages.items():
            # Painted by a timer, in a task that no request of a page began.
            expect(page.get_by_test_id("run-state")).to_have_text(seats[language][1])
        for said, page in zip(("The whiteboard is empty.", "O quadro está vazio."), pages.values(), strict=True):
            page.get_by_test_id("tab-whiteboard").click()
            expect(page.get_by_text(said)).to_be_visible()


def test_a_notice_of_a_button_is_in_the_pages_language(browser: Browser, monitor_of) -> None:
    desk = FakeDesk(run_of(3))

    async def stop(thread: str) -> None:
        from matrioska.state.errors import UsageError

        raise UsageError("The page is gone.", next_step="Stop")

    desk.stop = stop  # type: ignore[method-assign]
    with monitor_of(desk) as url:
        for language, said in (("pt-BR", "A página se foi."), ("en-US", "The page is gone.")):
            page = _open(browser, f"{url}/monitor/run/the-run", language)
            page.get_by_test_id("stop-button").click()
            expect(page.locator(".q-notification").get_by_text(said)).to_be_visible()


def test_the_switch_is_reached_by_keyboard_and_remembered(browser: Browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(1))) as url:
        page = _open(browser, f"{url}/monitor/", "en-US")
        switch = page.get_by_role("link", name="Português")
        switch.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Conversas")
        page.goto(f"{url}/monitor/run/the-run")
        assert page.locator("html").get_attribute("lang") == "pt-BR"
        page.goto(f"{url}/monitor/nothing/here")
        expect(page.get_by_role("heading", level=1)).to_have_text("Esta página não existe")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_what_is_said_without_the_service_is_in_the_pages_language(browser: Browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(1))) as url:
        page = browser.new_context(locale="pt-BR").new_page()
        page.goto(f"{url}/monitor/")
        expect(page.locator("#popup")).to_contain_text("Sem conexão.")
        expect(page.locator("#popup")).to_contain_text("open the address that it printed")
        page.goto(f"{url}/monitor/?lang=en")
        expect(page.locator("#popup")).to_contain_text("Connection lost.")


def test_the_kinds_of_messages_are_in_the_pages_language(browser: Browser, monitor_of) -> None:
    with monitor_of(FakeDesk(run_of(1))) as url:
        page = browser.new_context(locale="pt-BR").new_page()
        page.goto(f"{url}/monitor/run/the-run")
        page.get_by_test_id("tab-journal").click()
        expect(page.get_by_test_id("journal")).to_contain_text("boss → part-0, delegação (1)")
