"""A page that is walked in a real Chromium, and the README's pictures, which are taken on the way."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import PHONE

WIDE = {"width": 1280, "height": 900}
#: Folders for the README's pictures, and for all of the walk's. Read here, since tests see no such variables.
PICTURES, ALL_PICTURES = os.environ.get("MATRIOSKA_PICTURES"), os.environ.get("MATRIOSKA_KEEP_PICTURES")
#: The picture that is taken of a run at work; the walk takes the others.
AT_WORK = "run.png"
#: The README's pictures: what is seen on each, in which theme, on which screen, and what stands in its middle.
SHOWN = {
    "threads.png": ("threads-with-runs", "light", "wide", ""),
    "plan.png": ("plan-mended", "light", "wide", "plan-field-name"),
    AT_WORK: ("at-work", "dark", "wide", "diagram"),
    "module.png": ("module", "light", "wide", ""),
    "timeline.png": ("timeline", "light", "wide", ""),
    "phone.png": ("plan-broken", "light", "phone", "plan-complaints"),
}
_PATIENCE = 60_000


class Walker:
    """A page that is walked, and what goes wrong on the way."""

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page = page
        self.pictures = pictures
        self.shown: set[str] = set()
        self.faults: list[str] = []
        page.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught {error}"))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)

    def at(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def picture(self, name: str) -> None:
        """Take a picture of the page as it is, light and dark, wide and on a phone."""
        for theme in ("light", "dark"):
            for size, viewport in (("wide", WIDE), ("phone", PHONE)):
                self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
                self.page.wait_for_timeout(250)
                self._take(name, theme, size)
                if size == "phone":
                    self.assert_fits(name)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    def _take(self, name: str, theme: str, size: str) -> None:
        if ALL_PICTURES:
            self.page.screenshot(path=Path(ALL_PICTURES) / f"{name}-{theme}-{size}.png", full_page=True)
        for file, wanted in SHOWN.items():
            if wanted[:3] == (name, theme, size):
                self.page.evaluate("window.scrollTo(0, 0)")
                if middle := wanted[3]:
                    self.at(middle).first.evaluate("found => found.scrollIntoView({block: 'center'})")
                # What tells of a moment would stand in front of what lasts.
                expect(self.page.locator(".q-notification")).to_have_count(0)
                taken = Image.open(io.BytesIO(self.page.screenshot(animations="disabled")))
                taken.convert("RGB").quantize(96).save(self.pictures / file, optimize=True)
                self.shown.add(file)

    def assert_fits(self, name: str) -> None:
        """Check that nothing has to be scrolled sideways."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"{name} is {width} pixels wide on a phone"


def pictures_in(other: Path) -> Path:
    """Return the folder that the README's pictures go to; ``other`` where nobody asked for them."""
    folder = Path(PICTURES) if PICTURES else other / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
