"""The deliverable as it looks, in a frame that can reach nothing, and its download."""

from __future__ import annotations

from pathlib import PurePosixPath

from nicegui import ui

from matrioska.i18n import _
from matrioska.web.guard import host_name
from matrioska.web.monitor.page import section, text
from matrioska.web.preview.links import Links
from matrioska.web.preview.pages import SANDBOX
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import RunView

#: What is worth a look; other files are shown as text among the files.
_SHOWN = (".html", ".htm", ".svg", ".md", ".markdown")
_MOST_FILES = 300


class _Service:
    """Where previews are served; None while they are not."""

    links: Links | None = None


def serve_previews(links: Links | None) -> None:
    """Have pages show previews below these addresses; None for no previews."""
    _Service.links = links


def preview_panel(desk: Desk, thread: str, view: RunView) -> None:
    """Build the preview of a run's deliverable and its download; nothing before there is one.

    Args:
        desk: whom it asks.
        thread: the run.
        view: the run as it stands.
    """
    if not view.files:
        return
    with section(_("Deliverable")):
        paths = [file.path for file in view.files if PurePosixPath(file.path).suffix.lower() in _SHOWN][:_MOST_FILES]
        first = view.entry_point if view.entry_point in paths else next(iter(paths), "")
        with ui.element("div").classes("tools") as tools:
            download = ui.button(_("Download as zip"), icon="download").props("outline no-caps")
            download.props["href"] = f"/api/runs/{thread}/archive"
            download.props["download"] = f"{thread}.zip"
            download.props["data-testid"] = "download-button"
        if first and _Service.links is not None:
            _Frame(thread, paths, first, _Service.links, tools)


class _Frame:
    """The frame, and which file it shows."""

    def __init__(self, thread: str, paths: list[str], first: str, links: Links, tools: ui.element) -> None:
        request = ui.context.client.request
        self._seen_as = host_name(request.headers.get("host", "")) if request is not None else "127.0.0.1"
        self._thread = thread
        self._links = links
        with tools:
            choose = ui.select(paths, label=_("File"), value=first, on_change=lambda event: self._show(event.value))
            choose.props("dense outlined data-testid=preview-file").classes("field")
            again = ui.button(icon="refresh", on_click=lambda: self._show(choose.value)).props("flat round dense")
            again.props["aria-label"] = _("Show it anew")
        self._place = ui.element("div")
        self._show(first)
        text(_("A preview has no network and forgets what is entered. Download it to use it."), classes="dim")

    def _show(self, path: str) -> None:
        # A frame of its own each time: what a page put into its window goes with it.
        self._place.clear()
        with self._place:
            frame = ui.element("iframe").classes("preview")
        frame.props["src"] = self._links.url(self._thread, path, self._seen_as)
        frame.props["sandbox"] = SANDBOX
        frame.props["referrerpolicy"] = "no-referrer"
        frame.props["loading"] = "lazy"
        frame.props["title"] = _("Preview of {path}").format(path=path)
        frame.props["data-testid"] = "preview-frame"
