"""Files that come with a request, as files on the disk for as long as a run takes them in."""

from __future__ import annotations

import asyncio
import base64
import binascii
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from matrioska.state.errors import AssetError, UnsafePathError
from matrioska.state.paths import safe_relative_path
from matrioska.web.runs.schemas import MOST_BYTES, SentFile


@asynccontextmanager
async def as_files(sent: Sequence[SentFile]) -> AsyncIterator[list[Path]]:
    """Write files that were sent into a folder that ends with the block, and yield their places.

    Raises:
        AssetError: a name is refused, a content is not base64, or all of them together are too large.
    """
    if not sent:
        yield []
        return
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="matrioska-")
    try:
        yield await asyncio.to_thread(_write, sent, Path(folder.name))
    finally:
        await asyncio.to_thread(folder.cleanup)


def _write(sent: Sequence[SentFile], folder: Path) -> list[Path]:
    contents = [_content(file) for file in sent]
    if sum(map(len, contents)) > MOST_BYTES:
        raise AssetError(
            [f"The files have more than {MOST_BYTES:,} bytes together."],
            next_step="Send smaller ones, or give them to `matrioska run --asset` on the command line.",
        )
    places = []
    for number, (file, content) in enumerate(zip(sent, contents, strict=True)):
        # A folder for each: two files may have one name.
        place = folder / str(number) / file.name
        place.parent.mkdir()
        place.write_bytes(content)
        places.append(place)
    return places


def check_name(name: str) -> None:
    """Check that a name is a plain file name, on every system.

    Raises:
        AssetError: it is a path, or hidden, or not a name everywhere.
    """
    try:
        safe_relative_path(name)
    except UnsafePathError as error:
        raise AssetError([f"The name {name[:100]!r} is refused: {error.reason}."], next_step="Rename it.") from error
    if "/" in name or name.startswith("."):
        raise AssetError([f"The name {name[:100]!r} is refused: it is hidden, or a path."], next_step="Rename it.")


def _content(file: SentFile) -> bytes:
    check_name(file.name)
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AssetError(
            [f"The content of {file.name} is not base64: {error}."], next_step="Send its bytes in base64."
        ) from error
