"""Who is let in: by Host, Origin and token, over HTTP and by websocket; and the way from the address to the cookie."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from matrioska.web.guard import LOOPBACK_HOSTS, Door, Guard, cookie_value
from tests.web.conftest import on_a_port

TOKEN = "a-token-of-some-length"
OTHER = "another-token-of-some-length"
ORIGIN = "http://127.0.0.1:8000"
SOCKET = "/monitor/_nicegui_ws/socket.io/"
Opened = Callable[..., TestClient]


def _app() -> Starlette:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("inside")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("inside")
        await socket.close()

    return Starlette(
        routes=[WebSocketRoute("/{path:path}", talk), Route("/{path:path}", page, methods=["GET", "POST"])]
    )


@pytest.fixture
def door() -> Iterator[Opened]:
    with ExitStack() as stack:

        def opened(*, hosts: frozenset[str] | None = LOOPBACK_HOSTS, **door: str | None) -> TestClient:
            app = Guard(_app(), Door(hosts=hosts, **{"monitor_token": TOKEN, **door}))  # type: ignore[arg-type]
            return stack.enter_context(TestClient(app, base_url=ORIGIN))

        yield opened


@pytest.mark.parametrize("path", ["/monitor", "/monitor/", "/monitor/run/x", "/api", "/api/runs", "/api/plan/check"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"cookie": f"matrioska-8000={cookie_value(TOKEN)}"}, 200),
        ({}, 401),
        ({"authorization": f"Bearer {OTHER}"}, 401),
        ({"cookie": f"matrioska-8000={TOKEN}"}, 401),
        ({"cookie": f"matrioska-8000={cookie_value(OTHER)}"}, 401),
        ({"cookie": f"matrioska-8001={cookie_value(TOKEN)}"}, 401),
        ({"cookie": "matrioska-8000="}, 401),
        ({"cookie": "matrioska-8000=ção".encode()}, 401),
        ({"authorization": f"Bearer {TOKEN}", "host": "evil.example"}, 421),
        ({"authorization": f"Bearer {TOKEN}", "origin": "https://evil.example"}, 403),
        ({"cookie": f"matrioska-8000={cookie_value(TOKEN)}", "origin": "http://127.0.0.1:8001"}, 403),
        ({"cookie": f"matrioska-8000={cookie_value(TOKEN)}", "origin": "null"}, 403),
        ({"cookie": f"matrioska-8000={cookie_value(TOKEN)}", "origin": ORIGIN}, 200),
    ],
)
def test_pages_and_interface_ask_for_a_token(door: Opened, path: str, headers: dict[str, str], status: int) -> None:
    response = door().get(path, headers=headers)
    assert response.status_code == status
    assert (response.text == "inside") == (status == 200)
    assert TOKEN not in response.text + str(response.headers)


COOKIE = {"cookie": f"matrioska-8000={cookie_value(TOKEN)}"}


@pytest.mark.parametrize("path", ["/monitor", "/api/runs/x/archive", "/query"])
@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
        # A link on a page of another port: the person opens it.
        ("same-site", "navigate", "document", 200),
        ("same-site", "no-cors", "image", 403),
        ("same-site", "no-cors", "script", 403),
        ("same-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "image", 403),
        ("cross-site", "navigate", "embed", 403),
    ],
)
def test_pages_of_other_ports_cannot_load_what_the_cookie_opens(
    door: Opened, path: str, site: str, mode: str, dest: str, status: int
) -> None:
    fetched = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert door().get(path, headers={**COOKIE, **fetched}).status_code == status


def test_one_origin_of_several_that_is_foreign_is_enough(door: Opened) -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("origin", ORIGIN), ("origin", "https://evil.example")]
    assert door().get("/api/runs", headers=headers).status_code == 403
    assert door().get("/api/runs", headers=headers[:2]).status_code == 200


@pytest.mark.parametrize("path", ["/monitor", "/api/runs"])
def test_what_is_closed_is_kept_from_other_sites(door: Opened, path: str) -> None:
    headers = door().get(path, headers=COOKIE).headers
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/query", "/v1/models", "/health", "/monitored", "/apis", "/"])
def test_other_paths_ask_for_none_on_this_machine(door: Opened, path: str) -> None:
    assert door().get(path).status_code == 200
    assert door(token=OTHER).get(path).status_code == 401
    # The cookie is the monitor's: where every request needs the token, it opens no other path.
    headers = {"cookie": f"matrioska-8000={cookie_value(OTHER)}"}
    assert door(token=OTHER).get(path, headers=headers).status_code == 401
    assert door(token=OTHER).get("/monitor", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/monitor", "/api/runs"])
def test_without_any_token_nobody_is_let_in(door: Opened, path: str) -> None:
    opened = door(monitor_token="")
    for given in ("", "None", TOKEN):
        assert opened.get(path, headers={"authorization": f"Bearer {given}"}).status_code == 401
        assert opened.get(f"{path}?token={given}").status_code == 401


def test_the_address_with_the_token_becomes_a_cookie_and_a_clean_address(door: Opened) -> None:
    opened = door()
    response = opened.get(f"/monitor/run/x?tab=files&token={TOKEN}&b=%26c", follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == "/monitor/run/x?tab=files&b=%26c"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"matrioska-8000={cookie_value(TOKEN)};")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    # The client keeps the cookie, as a browser does.
    assert opened.get("/monitor").text == "inside"
    assert opened.get("/api/runs").text == "inside"


@pytest.mark.parametrize("given", ["", "x", OTHER, "%FF", "a" * 10_000])
def test_a_wrong_token_in_the_address_opens_nothing(door: Opened, given: str) -> None:
    response = door().get(f"/monitor?token={given}", follow_redirects=False)
    assert response.status_code == 401
    assert "set-cookie" not in response.headers


def test_only_the_monitor_takes_the_token_from_the_address(door: Opened) -> None:
    for path in ("/api/runs", "/monitorx"):
        response = door(token=TOKEN).get(f"{path}?token={TOKEN}", follow_redirects=False)
        assert response.status_code == 401
    assert door().post(f"/monitor?token={TOKEN}").status_code == 401


def test_a_stranger_gets_no_cookie(door: Opened) -> None:
    headers = [{"host": "evil.example"}, {"origin": "https://evil.example"}]
    for each in headers:
        response = door().get(f"/monitor?token={TOKEN}", headers=each, follow_redirects=False)
        assert response.status_code in (403, 421)
        assert "set-cookie" not in response.headers


def test_the_clean_address_is_never_one_of_another_host(door: Opened) -> None:
    response = door().get(f"/monitor//evil.example/?token={TOKEN}", follow_redirects=False)
    assert response.headers["location"].startswith("/monitor")


def test_a_person_is_told_in_words_and_a_program_in_json(door: Opened) -> None:
    page = door().get("/monitor", headers={"accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"].startswith("text/plain")
    assert "matrioska serve" in page.text
    assert door().get("/api/runs", headers={"accept": "text/html"}).json()["error"]["code"] == "token"


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "[x]", "", "a/../b"])
def test_a_host_that_is_no_name_is_refused_even_where_any_name_will_do(door: Opened, host: str) -> None:
    headers = {"host": host, "authorization": f"Bearer {TOKEN}"}
    assert door(hosts=None, token=TOKEN).get("/monitor", headers=headers).status_code == 421


# -- websockets ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SOCKET, "/", "/query"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**COOKIE, "origin": ORIGIN}, 0),
        ({"authorization": f"Bearer {TOKEN}"}, 0),
        ({"origin": ORIGIN}, 401),
        ({}, 401),
        ({**COOKIE, "origin": "https://evil.example"}, 403),
        ({**COOKIE, "origin": "http://127.0.0.1:8001"}, 403),
        ({**COOKIE, "origin": "null"}, 403),
        ({**COOKIE, "origin": ""}, 403),
        ({**COOKIE, "host": "evil.example"}, 421),
        ({**COOKIE, "host": "evil.example", "origin": "http://evil.example"}, 421),
    ],
)
def test_websockets_are_held_to_the_same(door: Opened, path: str, headers: dict[str, str], status: int) -> None:
    headers = {"host": "127.0.0.1:8000", **headers}
    if not status:
        with door().websocket_connect(path, headers=headers) as socket:
            assert socket.receive_text() == "inside"
        return
    with pytest.raises(WebSocketDenialResponse) as refused, door().websocket_connect(path, headers=headers):
        pass
    assert refused.value.status_code == status


def test_a_websocket_is_refused_by_servers_that_cannot_say_why(door: Opened) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def drive() -> None:
        scope = {"type": "websocket", "path": SOCKET, "headers": [(b"host", b"127.0.0.1")], "extensions": {}}
        await Guard(_app(), Door())(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(drive())
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_over_a_real_port() -> None:
    app = Guard(_app(), Door(monitor_token=TOKEN))
    with on_a_port(app) as url:
        address, port = url.replace("http", "ws", 1) + SOCKET, url.rpartition(":")[2]
        cookie = {"Cookie": f"matrioska-{port}={cookie_value(TOKEN)}"}
        with connect(address, origin=url, additional_headers=cookie, proxy=None) as socket:  # type: ignore[arg-type]
            assert socket.recv() == "inside"
        for origin, headers, status in [
            ("https://evil.example", cookie, 403),
            ("null", cookie, 403),
            (url, {}, 401),
        ]:
            with pytest.raises(InvalidStatus) as refused:
                connect(address, origin=origin, additional_headers=headers, proxy=None)  # type: ignore[arg-type]
            assert refused.value.response.status_code == status
