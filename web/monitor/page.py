"""What all pages of the monitor share: the frame around them, and how they show texts, states and faults.

Nearly everything that is shown was written by models or strangers. It goes into elements as their text,
which the browser never reads as markup, and never into an element's properties as a string to be parsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from nicegui import app, ui
from nicegui.elements.mixins.text_element import TextElement

from matrioska.i18n import _, told
from matrioska.web.errors import error_body
from matrioska.web.monitor.language import language_switch
from matrioska.web.monitor.words import run_word, state_word

#: Below this path the monitor is mounted.
PREFIX = "/monitor"
#: Cookie with the theme that a person chose; the server reads it, so that no page flashes.
THEME_COOKIE = "matrioska-theme"
_STATIC = Path(__file__).parent / "static"
_THEMES: dict[str, bool | None] = {"system": None, "light": False, "dark": True}
_ICONS = {"system": "brightness_auto", "light": "light_mode", "dark": "dark_mode"}
_ASSETS = "/assets"

T = TypeVar("T")


def share_assets() -> None:
    """Serve our style sheet and script, and have every page load them. Called once, before the first page."""
    app.add_static_files(_ASSETS, _STATIC)
    # Quasar's bar for requests under way has no name for a screen reader, and tells nobody anything.
    app.config.quasar_config["loadingBar"]["skipHijack"] = True
    style, script = (f"{PREFIX}{_ASSETS}/{name}?{_digest(name)}" for name in ("monitor.css", "monitor.js"))
    ui.add_head_html(f'<link rel="stylesheet" href="{style}"><script src="{script}"></script>', shared=True)


def _digest(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


@contextmanager
def framed(title: str, heading: str = "") -> Iterator[ui.element]:
    """Build a page's frame; what is built inside stands in its main part.

    Args:
        title: what the browser's tab says; words of our own, and ids.
        heading: the page's heading, any text; '' where the page builds its own.
    """
    ui.page_title(f"{title} · Matrioska")
    with ui.header(fixed=False).classes("bar"):
        ui.link("Matrioska", "/").classes("brand").props["aria-label"] = _("All threads")
        with ui.element("nav").classes("row-tight") as links:
            links.props["aria-label"] = _("Main")
            ui.link(_("Threads"), "/")
            ui.link(_("Fitness"), "/fitness")
            language_switch()
            _theme_switch()
    # The page around it is Quasar's, and a main part already.
    with ui.element("div").classes("page") as main:
        if heading:
            text(heading, "h1")
        yield main
    ui.skip_link(_("Skip to the content"), target=main)


def _theme_switch() -> None:
    request = ui.context.client.request
    chosen = request.cookies.get(THEME_COOKIE, "") if request is not None else ""
    mode = ui.dark_mode(_THEMES.get(chosen))
    state = {"theme": chosen if chosen in _THEMES else "system"}
    words = {"system": _("Theme of the system"), "light": _("Light theme"), "dark": _("Dark theme")}

    def turn() -> None:
        names = list(_THEMES)
        name = state["theme"] = names[(names.index(state["theme"]) + 1) % len(names)]
        mode.value = _THEMES[name]
        switch.props["icon"], switch.props["aria-label"] = _ICONS[name], words[name]
        ui.run_javascript(
            f"document.cookie = '{THEME_COOKIE}={name}; path={PREFIX}; max-age=31536000; samesite=strict'"
        )

    switch = ui.button(on_click=turn, color=None).props("flat round dense").classes("quiet")
    switch.props["icon"], switch.props["aria-label"] = _ICONS[state["theme"]], words[state["theme"]]
    switch.props["data-testid"] = "theme-switch"


def text(said: str, tag: str = "div", classes: str = "") -> TextElement:
    """Show a text, as text, in an element of that tag."""
    return TextElement(tag=tag, text=said).classes(classes)


def block(said: str, label: str = "") -> TextElement:
    """Show a long text as it stands, in a box that scrolls.

    Args:
        said: the text.
        label: what a screen reader calls it.
    """
    shown = text(said, "pre", "verbatim")
    shown.props["tabindex"] = "0"
    if label:
        shown.props["role"], shown.props["aria-label"] = "region", label
    return shown


@contextmanager
def section(title: str) -> Iterator[ui.element]:
    """Build a titled part of a page."""
    with ui.element("section").classes("part titled") as part:
        text(title, "h2")
        yield part


class Badge(TextElement):
    """The state of something: its word, in its colour.

    Args:
        state: the state.
        of_run: whether it is a run's, for which waiting means waiting for a person.
    """

    def __init__(self, state: str, *, of_run: bool = False) -> None:
        super().__init__(tag="span", text="")
        self.classes("badge")
        self._of_run = of_run
        self.show(state)

    def show(self, state: str) -> None:
        """Show another state."""
        self.text = run_word(state) if self._of_run else state_word(state)
        if self.props.get("data-state") != state:
            self.props["data-state"] = state


def facts(rows: list[tuple[str, str]]) -> None:
    """Show names with their values; those without a value are left out."""
    with ui.element("dl").classes("facts"):
        for name, value in rows:
            if value:
                with ui.element("div"):
                    text(name, "dt")
                    text(value, "dd")


def complain(error: Exception) -> None:
    """Tell the person of a fault: what happened, and what to do."""
    ui.notify(fault_text(error), type="negative", multi_line=True, timeout=8000, close_button=True)


def fault_text(error: Exception) -> str:
    """Return what happened and what to do, in the reader's language."""
    body = error_body(error).error
    return f"{told(body.message)} {told(body.next_step)}".strip()


async def brought(action: Awaitable[T]) -> T | None:
    """Return what an action brings; None when it fails, which the person is told."""
    try:
        return await action
    except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is told
        complain(error)
        return None


async def attempt(action: Awaitable[Any]) -> bool:
    """Do something that may fail, and tell the person when it does; return whether it was done."""

    async def done() -> bool:
        await action
        return True

    return await brought(done()) or False


def show_fault(error: Exception) -> None:
    """Show why there is nothing to see here, as the page's whole content."""
    text(_("This cannot be shown"), "h1")
    text(fault_text(error))
    ui.link(_("All threads"), "/")


def unfolding(title: str, build: Callable[[], Any], *, testid: str = "") -> ui.expansion:
    """Return a fold whose content is built when it is first opened; ``build`` may be async."""
    fold = ui.expansion(title).classes("fold")
    fold.props["data-testid"] = testid
    built: list[bool] = []

    async def opened() -> None:
        if not fold.value or built:
            return
        built.append(True)
        with fold:
            found = build()
            if isinstance(found, Awaitable):
                await attempt(found)

    fold.on_value_change(opened)
    return fold
