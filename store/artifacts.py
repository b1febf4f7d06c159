"""Content-addressed files: written once, found by digest, checked when read."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterable
from pathlib import Path

from matrioska.state.artifacts import ArtifactRef, SourceFile
from matrioska.state.errors import CorruptStoreError, StoreError
from matrioska.state.paths import safe_relative_path
from matrioska.store.layout import unwritable

# The system's own tables differ from machine to machine; a deliverable's media types must not.
_MEDIA = mimetypes.MimeTypes()
_MEDIA.add_type("text/markdown", ".md")
_MEDIA.add_type("application/yaml", ".yaml")
_MEDIA.add_type("application/yaml", ".yml")
_MEDIA.add_type("application/sql", ".sql")

_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


class ArtifactStore:
    """Files by SHA-256 below one folder, as ``ab/cdef…``.

    Args:
        root: folder of the store; created on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]

    def put(self, path: str, content: bytes) -> ArtifactRef:
        """Keep ``content`` and return its reference under the relative ``path``.

        Raises:
            UnsafePathError: the path could leave its folder.
            StoreError: the disk is full or not writable.
        """
        safe = safe_relative_path(path)
        media_type = named_media_type(safe) or "application/octet-stream"
        return ArtifactRef(path=safe, sha256=self.keep(content), size=len(content), media_type=media_type)

    def keep(self, content: bytes) -> str:
        """Keep ``content``, which is no file of anybody's, and return its digest.

        Raises:
            StoreError: the disk is full or not writable.
        """
        digest = hashlib.sha256(content).hexdigest()
        place = self._place(digest)
        if not place.exists():
            self._write(place, content)
        return digest

    def _write(self, place: Path, content: bytes) -> None:
        # A name appears only with its whole content behind it: write aside, then rename.
        try:
            handle, aside = _begin_aside(place.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(content)
                Path(aside).replace(place)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(place.parent, error) from error

    def keep_parts(self, parts: Iterable[bytes]) -> tuple[str, int]:
        """Keep content that comes in parts, however large, and return its digest and its bytes.

        Raises:
            StoreError: the disk is full or not writable.
        """
        digest, size = hashlib.sha256(), 0
        try:
            handle, aside = _begin_aside(self.root)
            try:
                with os.fdopen(handle, "wb") as stream:
                    for part in parts:
                        digest.update(part)
                        size += stream.write(part)
                place = self._place(digest.hexdigest())
                place.parent.mkdir(parents=True, exist_ok=True)
                Path(aside).replace(place)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(self.root, error) from error
        return digest.hexdigest(), size

    def holds(self, content: bytes) -> bool:
        """Whether exactly this content was ever put here."""
        return self._place(hashlib.sha256(content).hexdigest()).exists()

    def place(self, ref: ArtifactRef) -> Path:
        """Return where the content of a reference stands. What is read there is not checked; see `get`."""
        return self._place(ref.sha256)

    def put_text(self, path: str, text: str) -> ArtifactRef:
        """Keep a text as UTF-8."""
        return self.put(path, text.encode("utf-8"))

    def get(self, ref: ArtifactRef) -> bytes:
        """Return the content of a reference; see `read`."""
        return self.read(ref.sha256, ref.path)

    def head(self, ref: ArtifactRef, most: int) -> bytes:
        """Return the first ``most`` bytes of a reference's content, which is checked only if that is all of it.

        Raises:
            StoreError, CorruptStoreError: see `read`.
        """
        if ref.size <= most:
            return self.get(ref)
        try:
            with self.place(ref).open("rb") as stream:
                return stream.read(most)
        except OSError as error:
            raise self._missing(ref.sha256, ref.path, error) from error

    def read(self, digest: str, name: str = "") -> bytes:
        """Return the content of a digest; ``name`` is for the message.

        Raises:
            StoreError: it is missing.
            CorruptStoreError: its bytes changed since it was written.
        """
        place = self._place(digest)
        try:
            content = place.read_bytes()
        except OSError as error:
            raise self._missing(digest, name, error) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise CorruptStoreError(
                f"The content of {name or digest[:12]} was changed on disk.",
                path=str(place),
                next_step="Delete that file and run its module again with `matrioska redo`.",
            )
        return content

    def _missing(self, digest: str, name: str, error: OSError) -> StoreError:
        return StoreError(
            f"The content of {name or digest[:12]} is missing from the artifact store ({error.strerror}).",
            path=str(self._place(digest)),
            next_step="Run the module that made it again with `matrioska redo`.",
        )

    def sources(self, refs: Iterable[ArtifactRef]) -> list[SourceFile]:
        """Return the text files among the references, decoded; other files are passed over."""
        found = []
        for ref in refs:
            content = self.get(ref)
            if b"\0" in content:
                continue
            found.append(SourceFile(path=ref.path, text=content.decode("utf-8", errors="replace")))
        return found


def named_media_type(name: str) -> str:
    """Return the media type that a file's suffix stands for; '' for none that is known."""
    return _MEDIA.guess_type(name)[0] or ""


def _begin_aside(folder: Path) -> tuple[int, str]:
    """Open a new file in a folder, which is made where it is missing; return its handle and its path."""
    # `mkstemp`, and a look at the folder for every file, would cost more than the writing.
    aside = f"{folder}/.part-{os.urandom(8).hex()}"
    try:
        return os.open(aside, _NEW_FILE, 0o600), aside
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(aside, _NEW_FILE, 0o600), aside
