"""Pages of the monitor that are looked at: as elements, by a client of NiceGUI's protocol, or in a Chromium."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

_CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
#: Whether there is a Chromium.
HAS_CHROMIUM = Path(_CHROMIUM).exists()
_ELEMENTS = re.compile(r"parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
_CLIENT = re.compile(r"query: \{.*?'client_id': '([0-9a-f-]+)'.*?'next_message_id': (\d+)")
_SETTLES = 1.0
#: Notes when a row first showed a state, and what it shows now.
_OBSERVE = """() => {
  window.first = {};
  const look = () => document.querySelectorAll('a[data-testid^="module-"]').forEach(link => {
    const badge = link.closest('tr').querySelector('.badge');
    const key = link.dataset.testid.slice(7) + ' ' + badge.dataset.state;
    if (!(key in window.first)) window.first[key] = Date.now() / 1000;
  });
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
  look();
}"""
_SHOWN = """() => [window.first, [...document.querySelectorAll('a[data-testid^="module-"]')].map(link =>
  [link.dataset.testid.slice(7), link.closest('tr').querySelector('.badge').dataset.state])]"""


@dataclass
class Seen:
    """What a page has shown of modules.

    Attributes:
        first: when it first showed a module in a state, in seconds since 1970.
        last: the state that it shows now, of the modules whose rows are on it.
    """

    first: dict[tuple[str, str], float] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)


class Reader:
    """A run's page as a browser holds it, without a browser: elements by id, changed by what the server sends.

    Args:
        url: the page.
        turns: how often the table of modules is turned to its next page.
    """

    def __init__(self, url: str, turns: int = 0) -> None:
        import socketio

        self._url = url
        self._turns = turns
        self._elements: dict[str, dict[str, Any]] = {}
        self._seen = Seen()
        self._client = socketio.AsyncClient(reconnection=False)
        self._client.on("update", self._update)
        self.size = 0
        """Bytes of the page."""

    async def __aenter__(self) -> Reader:
        import aiohttp

        async with aiohttp.ClientSession() as session, session.get(self._url) as response:
            page = await response.text()
        self.size = len(page.encode())
        client, elements = _CLIENT.search(page), _ELEMENTS.search(page)
        if client is None or elements is None:
            raise RuntimeError(f"{self._url} is no page of this version of NiceGUI")
        self._take(json.loads(html.unescape(elements[1])))
        asked = {
            "client_id": client[1],
            "next_message_id": client[2],
            "implicit_handshake": "true",
            "tab_id": str(uuid.uuid4()),
            "document_id": str(uuid.uuid4()),
        }
        place = urlsplit(self._url)
        await self._client.connect(
            f"{place.scheme}://{place.netloc}?{urlencode(asked)}",
            transports=["websocket"],
            socketio_path="/monitor/_nicegui_ws/socket.io",
        )
        for _ in range(self._turns):
            await self._press("Next page", client[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.disconnect()

    async def _press(self, name: str, client: str) -> None:
        """Press the first button of that name, and wait for what comes of it."""
        button = next(
            element
            for element in self._elements.values()
            if element.get("props", {}).get("aria-label") == name and element.get("events")
        )
        number = next(number for number, element in self._elements.items() if element is button)
        click = next(event for event in button["events"] if event["type"] == "click")
        told = {"id": int(number), "client_id": client, "listener_id": click["listener_id"], "args": []}
        await self._client.emit("event", told)
        await asyncio.sleep(_SETTLES)

    async def _update(self, message: dict[str, Any]) -> None:
        self._take({number: element for number, element in message.items() if number != "_id"})

    def _take(self, elements: Mapping[str, dict[str, Any] | None]) -> None:
        now = time.time()
        for number, element in elements.items():
            if element is None:
                self._elements.pop(number, None)
                continue
            self._elements[number] = element
            rows = [row for row in element.get("props", {}).get("rows") or [] if "waits" in row]
            if rows:
                self._seen.last = {row["id"]: row["state"] for row in rows}
            for row in rows:
                self._seen.first.setdefault((row["id"], row["state"]), now)

    async def seen(self) -> Seen:
        """Return what it has shown."""
        return self._seen


class Chromium:
    """A Chromium for several pages, each in a profile of its own."""

    async def __aenter__(self) -> Chromium:
        from playwright.async_api import async_playwright

        self._driver = await async_playwright().start()
        self._browser = await self._driver.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._browser.close()
        await self._driver.stop()

    async def open(self, url: str, turns: int = 0) -> ChromiumPage:
        """Open a run's page, with its table of modules turned so often."""
        page = await self._browser.new_page()
        page.set_default_timeout(120_000)
        await page.goto(url)
        button = page.locator(".sheet").get_by_role("button", name="Next page")
        await page.locator('a[data-testid^="module-"]').first.wait_for()
        for _ in range(turns):
            await button.click()
            await page.wait_for_timeout(_SETTLES * 1000)
        await page.evaluate(_OBSERVE)
        return ChromiumPage(page)


class ChromiumPage:
    """A run's page in Chromium.

    Args:
        page: Playwright's.
    """

    def __init__(self, page: Any) -> None:
        self._page = page

    async def seen(self) -> Seen:
        """Return what it has shown."""
        first, last = await self._page.evaluate(_SHOWN)
        times = {tuple(key.rsplit(" ", 1)): at for key, at in first.items()}
        return Seen(times, dict(last))
