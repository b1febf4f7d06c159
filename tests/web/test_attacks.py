"""Attacks on the monitor: by other sites, by what models wrote, and by the deliverable's own scripts.

All of it meets the real service and a real Chromium. An outside world listens on ports of its own:
whatever reaches it got out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from matrioska.models.testing import ScriptedChatModel
from matrioska.orchestrator import MatrioskaOrchestrator
from matrioska.web.guard import cookie_value
from tests.browser import chromium
from tests.support import Author, file_block, plan, spec
from tests.web.attacks import MARKUP, Outside, hostile_pages
from tests.web.whole import Whole, whole_service

THREAD = "hostile"


@pytest.fixture
def outside() -> Iterator[Outside]:
    opened = Outside()
    yield opened
    opened.close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def service(tmp_path: Path, outside: Outside) -> Iterator[Whole]:
    """A service over a run whose every text is markup and whose deliverable attacks."""
    with whole_service(tmp_path) as whole:
        _run_hostile(tmp_path, outside, whole)
        yield whole


def _run_hostile(base: Path, outside: Outside, whole: Whole) -> None:
    module = spec("app", name=f"App {MARKUP}"[:200], description=MARKUP, rules=[MARKUP], outputs=["index.html"])
    module |= {"shared_state_writes": ["app.api"], "contract_first": False}
    other = spec("other", "app", name="Other", description=MARKUP, shared_state_reads=["app.api"])
    pages = hostile_pages(whole.url, outside.place)
    files = "\n\n".join(file_block(path, page) for path, page in pages.items())
    contract = "\n\n```json contract\n" + json.dumps({"app.api": {"text": MARKUP, MARKUP[:60]: [MARKUP]}}) + "\n```"
    author = Author(
        plan(module, other, name=f"Project {MARKUP}"[:200], goal=MARKUP, constraints=[MARKUP]),
        told={
            "produce app": files + contract,
            "mend app": files + contract,
            "produce other": file_block("other.txt", MARKUP),
        },
    )
    run = MatrioskaOrchestrator(author.model, base_path=base)
    assert isinstance(author.model, ScriptedChatModel)
    report = run.run(f"Make something. {MARKUP}", thread_id=THREAD)
    assert report.deliverable is not None, report


def open_monitor(browser: Browser, service: Whole, path: str, faults: list[str]) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
    page.on("pageerror", lambda error: faults.append(f"uncaught {error}"))
    page.context.on("page", lambda opened: faults.append(f"opened {opened.url}"))
    page.goto(f"{service.url}/monitor{path}?token={service.token}")
    return page


def show_file(page: Page, path: str) -> None:
    page.get_by_test_id("tab-files").click()
    page.get_by_test_id("preview-file").click()
    page.get_by_role("option", name=f"app/{path}").click()


def test_a_deliverable_can_reach_nothing(browser: Browser, service: Whole, outside: Outside) -> None:
    faults: list[str] = []
    page = open_monitor(browser, service, f"/run/{THREAD}", faults)
    show_file(page, "index.html")
    frame = page.frame_locator('[data-testid="preview-frame"]')
    expect(frame.locator("#shown")).to_contain_text('"done":"yes"')
    told = json.loads(frame.locator("#shown").inner_text())
    assert told["part"] == "loaded"
    assert told["origin"] == "null"
    for name in ("cookie", "parent", "top", "fetch outside", "fetch api", "fetch api blind", "fetch token"):
        assert told[name] == "refused", name
    for name in ("fetch own", "fetch up", "socket outside", "socket monitor", "eval", "call"):
        assert told[name] == "refused", name
    for name in ("wasm", "service worker", "clipboard"):
        assert told[name] == "refused", name
    assert told["open"] == "null"
    assert told["referrer"] == ""
    colour = frame.locator("body").evaluate("body => getComputedStyle(body).color")
    assert colour == "rgb(1, 2, 3)", "the deliverable's own style was not loaded"
    ways = ("leaving.html", "leaving-as-data.html", "leaving-as-blob.html", "refreshing.html", "sending.html")
    for path in (*ways, "drawn.svg", "notes.md"):
        show_file(page, path)
        page.wait_for_timeout(1500)
    assert page.url == f"{service.url}/monitor/run/{THREAD}"
    assert outside.came == []
    assert "owned" not in page.title()
    # The scripts' own errors are told here, too.
    assert [fault for fault in faults if not fault.startswith("uncaught ")] == []


@pytest.mark.parametrize("held", [True, False])
def test_calls_get_out_only_where_the_list_of_connections_is_taken_away(
    browser: Browser, service: Whole, outside: Outside, held: bool
) -> None:
    def answer(route: Route) -> None:
        response = route.fetch()
        headers = {name: value for name, value in response.headers.items() if name != "connection-allowlist"}
        route.fulfill(response=response, headers=headers)

    page = open_monitor(browser, service, f"/run/{THREAD}", [])
    if not held:
        page.route("**/calling.html", answer)
    # Chromium ends the process of a frame that calls all the same, which is taken for the end of the page here.
    beside, below = browser.new_page(), page.context.new_cdp_session(page)
    show_file(page, "calling.html")
    beside.wait_for_timeout(3_000)
    assert bool(outside.came) != held
    there = below.send("Runtime.evaluate", {"expression": "location.href"})["result"]["value"]
    assert there == f"{service.url}/monitor/run/{THREAD}"


MODULE = f"/run/{THREAD}/module/app"


def test_markup_of_models_stays_text(browser: Browser, service: Whole) -> None:
    faults: list[str] = []
    for path in ("/", f"/run/{THREAD}", MODULE):
        page = open_monitor(browser, service, path, faults)
        expect(page.locator("main")).to_contain_text("onerror")
        for tab in page.locator('[data-testid^="tab-"]').all():
            tab.click()
            page.wait_for_timeout(400)
            _unfold(page)
            _assert_text_only(page)
        _unfold(page)
        _assert_text_only(page)
        page.context.close()
    assert faults == []


def _unfold(page: Page) -> None:
    for fold in page.locator(".fold > .q-expansion-item > .q-expansion-item__container > .q-item").all()[:12]:
        if fold.is_visible():
            fold.click()
    page.wait_for_timeout(500)


def _assert_text_only(page: Page) -> None:
    assert "owned" not in page.title()
    assert page.locator("main img, main script, main [onload], main [onerror]").count() == 0
    assert page.locator('a[href^="javascript:"]').count() == 0
    assert "onerror" in page.locator("main").inner_text(), "the hostile text is not on this page"


def test_markup_in_a_plan_that_is_edited_stays_text(browser: Browser, tmp_path: Path) -> None:
    author = Author(plan(spec("app", name=MARKUP[:200], description=MARKUP, rules=[MARKUP]), name=MARKUP[:200]))
    MatrioskaOrchestrator(author.model, base_path=tmp_path, approval="ask").run(MARKUP, thread_id=THREAD)
    with whole_service(tmp_path) as service:
        faults: list[str] = []
        page = open_monitor(browser, service, f"/run/{THREAD}", faults)
        page.get_by_test_id("plan-module-app").locator(".q-item").first.click()
        page.get_by_test_id("plan-field-dependencies").click()
        page.keyboard.press("Escape")
        page.get_by_test_id("plan-field-id").fill("<img src=x onerror=alert(1)>")
        expect(page.get_by_test_id("plan-complaints")).to_contain_text("onerror")
        _assert_text_only(page)
        assert faults == []


def test_another_site_gets_nothing_from_a_browser_that_is_signed_in(
    browser: Browser, service_once: Whole, outside: Outside
) -> None:
    service = service_once
    context = browser.new_context()
    page = context.new_page()
    page.goto(service.entrance)
    cookies = context.cookies()
    assert [cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies] == [True]
    assert page.evaluate("document.cookie") == ""
    assert service.token not in page.content()
    other = context.new_page()
    # The same browser, another site: a port of this machine, where cookies would go along.
    other.goto(f"http://{outside.place}/")
    told = other.evaluate(
        """async ([api, ws]) => {
          const get = (options) => fetch(api + "/api/runs", options).then((r) => r.type + r.status, () => "refused");
          const socket = new Promise((done) => { const s = new WebSocket(ws); s.onopen = () => done("open");
            s.onerror = () => done("refused"); });
          return [await get({ credentials: "include" }), await get({ method: "POST", body: "{}", credentials: "include",
            headers: { "content-type": "application/json" } }), await socket];
        }""",
        [
            service.url,
            service.url.replace("http", "ws", 1) + "/monitor/_nicegui_ws/socket.io/?EIO=4&transport=websocket",
        ],
    )
    assert told == ["refused", "refused", "refused"]
    # What needs no permission to be loaded: the cookie goes along to every port of a host.
    loaded = other.evaluate(
        """async (api) => {
          const load = (tag, name) => new Promise((done) => { const e = document.createElement(tag);
            e.onload = () => done("loaded"); e.onerror = () => done("refused"); e[name] = api; document.body.append(e); });
          return [await load("img", "src"), await load("script", "src"),
            await fetch(api, { mode: "no-cors", credentials: "include" }).then((r) => r.type, () => "refused")];
        }""",
        f"{service.url}/monitor/assets/monitor.js",
    )
    assert loaded == ["refused", "refused", "refused"]
    other.set_content(f'<iframe src="{service.url}/monitor"></iframe>')
    other.wait_for_timeout(800)
    assert "Matrioska" not in (other.frames[1].content() if len(other.frames) > 1 else "")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/monitor", {}, 401),
        ("/monitor/", {}, 401),
        ("/monitor/run/hostile", {}, 401),
        ("/monitor/_nicegui_ws/socket.io/?EIO=4&transport=polling", {}, 401),
        ("/api/runs", {}, 401),
        ("/api/runs/hostile/archive", {}, 401),
        ("/api/runs", {"Host": "evil.example", "Authorization": "{bearer}"}, 421),
        ("/monitor", {"Host": "evil.example", "Cookie": "{cookie}"}, 421),
        ("/api/runs", {"Origin": "https://evil.example", "Authorization": "{bearer}"}, 403),
        ("/monitor", {"Origin": "null", "Cookie": "{cookie}"}, 403),
        ("/api/runs/hostile/files/..%2f..%2f..%2fetc%2fpasswd", {"Authorization": "{bearer}"}, 404),
        ("/api/runs/hostile/files/%2fetc%2fpasswd", {"Authorization": "{bearer}"}, 404),
        ("/api/runs/..%2f..%2fx/files/index.html", {"Authorization": "{bearer}"}, 404),
        ("/api/runs/%00", {"Authorization": "{bearer}"}, 404),
        ("/monitor/assets/..%2f..%2fguard.py", {"Authorization": "{bearer}"}, 404),
        ("/monitor/_nicegui/../../../etc/passwd", {"Authorization": "{bearer}"}, 404),
        ("/monitor/", {"Cookie": "{cookie}"}, 200),
        ("/api/runs", {"Authorization": "{bearer}"}, 200),
    ],
)
def test_strangers_and_climbers_are_turned_away(
    service_once: Whole, path: str, headers: dict[str, str], status: int
) -> None:
    port = service_once.url.rpartition(":")[2]
    told = {
        "bearer": service_once.bearer["Authorization"],
        "cookie": f"matrioska-{port}={cookie_value(service_once.token)}",
    }
    filled = {name: value.format(**told) for name, value in headers.items()}
    with httpx.Client(follow_redirects=True) as client:
        response = client.get(service_once.url + path, headers=filled)
    assert response.status_code == status
    assert "root:" not in response.text


@pytest.mark.parametrize(("name", "other"), [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")])
def test_a_page_frames_nothing_but_its_own_previews(service_once: Whole, name: str, other: str) -> None:
    port = service_once.url.rpartition(":")[2]
    headers = {**service_once.bearer, "Host": f"{name}:{port}"}
    policy = httpx.get(f"{service_once.url}/monitor/", headers=headers).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert re.fullmatch(rf"http://{re.escape(other)}:\d+", rules["frame-src"])
    assert rules["connect-src"] == rules["form-action"] == rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["object-src"] == rules["base-uri"] == "'none'"


@pytest.fixture(scope="module")
def service_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole_service(tmp_path_factory.mktemp("service")) as whole:
        yield whole


def test_a_files_own_address_is_never_a_page(service: Whole) -> None:
    for path in ("app/index.html", "app/drawn.svg", "app/notes.md"):
        response = httpx.get(f"{service.url}/api/runs/{THREAD}/files/{path}", headers=service.bearer)
        assert response.status_code == 200
        shown = response.headers["content-type"].split(";")[0]
        assert shown == "text/plain" or "attachment" in response.headers.get("content-disposition", "")
        assert response.headers["x-content-type-options"] == "nosniff"
