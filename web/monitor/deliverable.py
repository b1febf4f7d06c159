"""The files of a run: which there are, what stands in them, the deliverable's preview and its download."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from matrioska.i18n import _, counted
from matrioska.state.figures import size
from matrioska.web.monitor.page import block, section, text, unfolding
from matrioska.web.monitor.preview import preview_panel
from matrioska.web.runs.desk import Desk
from matrioska.web.runs.views import Event, FileView, RunView

#: Files that are listed, and bytes of one that are shown.
_MOST_FILES, _MOST_BYTES = 500, 100_000


class FilesPanel:
    """See the module's text.

    Args:
        desk: whom it asks.
        thread: the run.
    """

    def __init__(self, desk: Desk, thread: str) -> None:
        self._desk = desk
        self._thread = thread
        self._files: list[FileView] | None = None
        self._preview = ui.element("div").classes("stack")
        with section(_("Files")) as self._part:
            self._list = ui.element("div")

    def show(self, view: RunView) -> None:
        """See `Panel`."""
        if view.files == self._files:
            return
        self._files = view.files
        self._preview.clear()
        self._list.clear()
        with self._list:
            show_files(self._desk, self._thread, view.files)
        if view.files:
            with self._preview:
                preview_panel(self._desk, self._thread, view)

    def hear(self, event: Event) -> None:
        """See `Panel`."""


def show_files(desk: Desk, thread: str, files: list[FileView], folder: str = "") -> None:
    """Show files as folds, each with its text once it is opened.

    Args:
        desk: whom to ask for what stands in them.
        thread: the run.
        files: the files.
        folder: what their paths stand below, in the run's; a module's id, or '' for none.
    """
    if not files:
        text(_("There are no files yet."), classes="dim")
    for file in files[:_MOST_FILES]:
        path = f"{folder}/{file.path}" if folder else file.path
        unfolding(f"{file.path} · {size(file.size)}", partial(_show, desk, thread, path, file.media_type))
    if len(files) > _MOST_FILES:
        text(counted("and {n} more", "and {n} more", len(files) - _MOST_FILES), classes="dim")


async def _show(desk: Desk, thread: str, path: str, kind: str) -> None:
    found, _media_type = await desk.file(thread, path)
    try:
        said = found[:_MOST_BYTES].decode("utf-8", "strict" if len(found) <= _MOST_BYTES else "ignore")
    except UnicodeDecodeError:
        text(_("This is no text: {kind}.").format(kind=kind), classes="dim")
        return
    if len(found) > _MOST_BYTES:
        text(_("Only its beginning is shown."), classes="dim")
    block(said, path)
