"""Files that a person gives a run: sent by the browser, kept until the run has taken them in."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path

from nicegui import events, ui
from nicegui.elements.upload_files import FileUpload
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matrioska.i18n import _
from matrioska.state.errors import AssetError
from matrioska.state.figures import size
from matrioska.web.monitor.page import attempt, complain, text
from matrioska.web.runs.uploads import check_name

#: Most files of one run, and bytes of all of them.
MOST_FILES, MOST_BYTES = 50, 200_000_000
#: Bytes of one request: the largest file, and what its form adds.
_MOST_REQUEST = MOST_BYTES + 100_000


class Uploads:
    """A button that takes files, and the list of those taken. They go with the page."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._sizes: dict[Path, int] = {}
        self._number = 0
        # The browser sends several at the same time.
        self._one_by_one = asyncio.Lock()
        # Quasar's own list of files has buttons without names: ours is shown, and its picker used.
        self._picker = ui.upload(
            multiple=True, auto_upload=True, max_file_size=MOST_BYTES, on_upload=self._taken, on_rejected=self._rejected
        ).classes("unseen")
        with ui.element("div").classes("stack"):
            with ui.element("div").classes("tools"):
                pick = ui.button(_("Add files"), icon="attach_file").props("outline no-caps data-testid=start-files")
                # In the browser: a picker opens only right after a click.
                pick.on("click", js_handler=f"() => runMethod({self._picker.id}, 'pickFiles', [])")
                text(_("Files of yours, for the modules to read."), "span", "dim")
            self._list = ui.element("ul").classes("list bare").props("aria-live=polite data-testid=start-assets")
        ui.context.client.on_delete(self.clear)

    @property
    def files(self) -> list[Path]:
        """The files taken, in order."""
        return list(self._sizes)

    async def clear(self) -> None:
        """Remove all files: the run has them, or nobody wants them any more."""
        folder, self._folder, self._sizes = self._folder, None, {}
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _taken(self, event: events.UploadEventArguments) -> None:
        async with self._one_by_one:
            await attempt(self._keep(event.file))

    async def _keep(self, file: FileUpload) -> None:
        """Keep a file.

        Raises:
            AssetError: its name is refused, or there are too many files or bytes.
        """
        check_name(file.name)
        if len(self._sizes) >= MOST_FILES or sum(self._sizes.values()) + file.size() > MOST_BYTES:
            raise AssetError(
                [f"A run is started with {MOST_FILES} files of {size(MOST_BYTES)} together at most."],
                next_step="Pack them, or give them to `matrioska run --asset` on the command line.",
            )
        if self._folder is None:
            self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="matrioska-"))
            # Where the service ends before the page does.
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        # A folder for each: two files may have one name.
        self._number += 1
        place = self._folder / str(self._number) / file.name
        await file.save(place)
        self._sizes[place] = file.size()
        self._show()

    async def _drop(self, place: Path) -> None:
        self._sizes.pop(place, None)
        self._show()
        await asyncio.to_thread(place.unlink, missing_ok=True)

    def _show(self) -> None:
        self._list.clear()
        with self._list:
            for place, number in self._sizes.items():
                with ui.element("li").classes("tools"):
                    text(f"{place.name} · {size(number)}", "span", "breaks")
                    out = ui.button(icon="close", on_click=partial(self._drop, place)).props("flat round dense")
                    out.props["aria-label"] = _("Leave out {name}").format(name=place.name)

    def _rejected(self) -> None:
        complain(AssetError([f"A file has more than {size(MOST_BYTES)}."], next_step="Choose a smaller one."))


class Bounded:
    """ASGI middleware that refuses a request whose body is larger than anything that pages send.

    NiceGUI writes what is uploaded to the disk before anybody is asked.

    Args:
        app: what it guards.
        most: bytes that a body may have.
    """

    def __init__(self, app: ASGIApp, most: int = _MOST_REQUEST) -> None:
        self.app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            refusal = PlainTextResponse(f"The body has more than {self._most:,} bytes.\n", 413, {"Connection": "close"})
            await refusal(scope, receive, send)
            return
        got = 0

        async def received() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            # A body of untold length: to the application, its sender went away.
            return message if got <= self._most else {"type": "http.disconnect"}

        await self.app(scope, received, send)
