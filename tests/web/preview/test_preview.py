"""The preview's own service: addresses that cannot be guessed, and what each kind of file is served as."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from matrioska.state.errors import UsageError
from matrioska.web.guard import LOOPBACK_HOSTS
from matrioska.web.preview.app import build_preview
from matrioska.web.preview.links import Links
from matrioska.web.preview.pages import MAX_MARKDOWN, Page, page_of

FILES = {
    "index.html": b"<!doctype html><html><head><title>x</title></head><body>hello</body></html>",
    "app/main.js": b"console.log(1)",
    "notes.md": b"# Notes\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))",
    "a b/\xc3\xa7.txt".encode("latin-1").decode(): b"text",
}
FOLDER = "http://localhost:9/abc/t/"


@pytest.fixture
def links() -> Links:
    return Links(8001)


@pytest.fixture
def client(links: Links) -> Iterator[TestClient]:
    asked: list[tuple[str, str]] = []

    async def read(thread: str, path: str) -> tuple[bytes, str]:
        asked.append((thread, path))
        if thread != "mine" or path not in FILES:
            raise UsageError("There is no such file: /secret/place.")
        return FILES[path], "text/html"

    app = build_preview(links, read, hosts=LOOPBACK_HOSTS)
    with TestClient(app, base_url="http://localhost:8001") as opened:
        opened.asked = asked  # type: ignore[attr-defined]
        yield opened


def test_who_knows_the_address_sees_the_files(client: TestClient, links: Links) -> None:
    for path, content in FILES.items():
        response = client.get(links.url("mine", path, "127.0.0.1").replace("http://localhost:8001", ""))
        assert response.status_code == 200
        assert path.endswith((".html", ".md")) or response.content == content


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/mine/index.html",
        "/{other}/mine/index.html",
        "/{pass}x/mine/index.html",
        "/{pass}/other/index.html",
        "/{pass}/mine/",
        "/{pass}/mine/none.html",
        "/{pass}/mine/%2e%2e/mine/index.html",
        "/{pass}/mine/..%2f..%2fetc/passwd",
        "/{pass}/mine//etc/passwd",
        "/{pass}/mine/%5c..%5cindex.html",
        "/{pass}/mine/index.html%00.md",
        "/{pass}/mine/.git/config",
        "/{pass}/%2e%2e/index.html",
        "/ç/mine/index.html",
    ],
)
def test_every_other_address_shows_nothing_and_tells_nothing(client: TestClient, links: Links, address: str) -> None:
    given = {"pass": links.pass_of("mine"), "other": Links(8001).pass_of("mine")}
    response = client.get(address.format(**given))
    assert response.status_code == 404
    assert "secret" not in response.text
    assert "hello" not in response.text


def test_paths_are_checked_before_they_are_read(client: TestClient, links: Links) -> None:
    for path in ("..%2fx", "%2fetc%2fpasswd", "a%5cb"):
        client.get(f"{links.folder('mine')}{path}")
    assert client.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost; script-src *", ""])
def test_only_names_of_this_machine_are_answered(client: TestClient, links: Links, host: str) -> None:
    response = client.get(links.folder("mine") + "index.html", headers={"host": host})
    assert response.status_code == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(client: TestClient, links: Links, method: str) -> None:
    assert client.request(method, links.folder("mine") + "index.html").status_code == 405


def test_an_address_is_of_one_thread_and_of_one_run_of_the_service(links: Links) -> None:
    assert links.opens(links.pass_of("mine"), "mine")
    assert not links.opens(links.pass_of("mine"), "other")
    assert not Links(8001).opens(links.pass_of("mine"), "mine")
    assert not links.opens(links.pass_of("../x"), "../x")


@pytest.mark.parametrize(
    ("seen_as", "origin"),
    [
        ("127.0.0.1", "http://localhost:8001"),
        ("localhost", "http://127.0.0.1:8001"),
        ("::1", "http://localhost:8001"),
        ("desk.example", "http://desk.example:8001"),
        ("fe80::1", "http://[fe80::1]:8001"),
    ],
)
def test_previews_have_another_name_than_the_page_that_shows_them(links: Links, seen_as: str, origin: str) -> None:
    assert links.origin(seen_as) == origin


@pytest.mark.parametrize(
    ("seen_as", "source"),
    [
        ("127.0.0.1", "http://localhost:8001"),
        ("::1", "http://localhost:8001"),
        ("desk.example", "http://desk.example:8001"),
        ("fe80::1", "http://*:8001"),
    ],
)
def test_a_page_may_frame_its_own_previews_only(links: Links, seen_as: str, source: str) -> None:
    assert links.framed_by(seen_as) == source


@pytest.mark.parametrize(
    ("path", "media_type", "scripts"),
    [
        ("a.html", "text/html; charset=utf-8", True),
        ("a.HTM", "text/html; charset=utf-8", True),
        ("a.xhtml", "text/html; charset=utf-8", True),
        ("a.svg", "image/svg+xml", False),
        ("a.md", "text/html; charset=utf-8", False),
        ("a.js", "text/javascript", False),
        ("a.css", "text/css", False),
        ("a.png", "image/png", False),
        ("a.xml", "text/plain; charset=utf-8", False),
        ("a.pdf", "text/plain; charset=utf-8", False),
        ("a.swf", "text/plain; charset=utf-8", False),
        ("a.py", "text/plain; charset=utf-8", False),
        ("html", "text/plain; charset=utf-8", False),
        ("a.html.txt", "text/plain; charset=utf-8", False),
    ],
)
def test_what_a_file_is_served_as(path: str, media_type: str, scripts: bool) -> None:
    page = page_of(path, b"<b>x</b>", FOLDER)
    assert page.media_type == media_type
    rules = _rules(page.headers["Content-Security-Policy"])
    assert rules["default-src"] == "'none'"
    assert rules["form-action"] == rules["base-uri"] == "'none'"
    assert ("allow-scripts" in rules["sandbox"]) == scripts
    assert "allow-same-origin" not in rules["sandbox"]
    assert rules["script-src"] == (f"'unsafe-inline' {FOLDER}" if scripts else "'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def _rules(policy: str) -> dict[str, str]:
    return {rule.partition(" ")[0]: rule.partition(" ")[2] for rule in policy.split("; ")}


def test_markdown_is_drawn_without_its_markup_and_its_scripts() -> None:
    page = page_of("notes.md", FILES["notes.md"], FOLDER)
    assert b"<h1>Notes</h1>" in page.content
    assert b"<script" not in page.content
    assert b"javascript:" not in page.content.replace(b"[x](javascript:alert(1))", b"")


def test_a_name_with_markup_stays_text_in_a_title() -> None:
    assert b"<img" not in page_of("<img src=x>.md", b"x", FOLDER).content


def test_very_long_markdown_is_shown_as_it_is() -> None:
    assert page_of("a.md", b"a" * (MAX_MARKDOWN + 1), FOLDER).media_type.startswith("text/plain")


@pytest.mark.parametrize(
    ("content", "before", "after"),
    [
        (b"<!doctype html><html><head><script>1", "<!doctype html>", "<html><head><script>1"),
        (b" <!DOCTYPE html PUBLIC 'a>b'>", " <!DOCTYPE html PUBLIC 'a>", "b'>"),
        (b"<script>1</script><head>", "", "<script>1</script><head>"),
        (b"<!--><script>1</script>--><!doctype html>", "", "<!--><script>1</script>--><!doctype html>"),
        (b"<!-- <head> --><script>1", "", "<!-- <head> --><script>1"),
        (b"\xef\xbb\xbf<!doctype html><p>x", "<!doctype html>", "<p>x"),
        ("<script>1</script>".encode("utf-16"), "", "\ufffd\ufffd<\0s"),
        (b"", "", ""),
    ],
)
def test_nothing_of_a_page_runs_before_its_prelude(content: bytes, before: str, after: str) -> None:
    shown = page_of("a.html", content, FOLDER).content.decode("utf-8")
    assert shown.startswith(before + "<script>(() => {")
    assert shown.partition("})();</script>")[2].startswith(after)


def test_pages_are_made_outside_the_loop(client: TestClient, links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(path: str, content: bytes, folder: str, **how: bool) -> Page:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return page_of(path, content, folder, **how)

    monkeypatch.setattr("matrioska.web.preview.app.page_of", made)
    assert client.get(f"{links.folder('mine')}notes.md").status_code == 200


@pytest.mark.parametrize(
    ("asked_for", "drawn"), [("iframe", True), ("document", True), (None, True), ("image", False), ("style", False)]
)
def test_markdown_is_drawn_where_it_is_opened_and_not_for_each_picture_that_a_page_names(
    client: TestClient, links: Links, asked_for: str | None, drawn: bool
) -> None:
    headers = {"Sec-Fetch-Dest": asked_for} if asked_for else {}
    shown = client.get(f"{links.folder('mine')}notes.md", headers=headers)
    assert ("<h1>" in shown.text) is drawn
    assert shown.headers["content-type"] == f"text/{'html' if drawn else 'plain'}; charset=utf-8"
