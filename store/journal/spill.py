"""The spill file: what the journal's database could not take, until it can. One JSON object a line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from matrioska.store.journal.entries import Entry, as_json, from_json

#: Entries that wait in memory while not even this file can be written.
MOST_HELD = 50_000
#: Entries handed back at once.
_AT_ONCE = 500
#: Seconds to wait for another process that is at the same file.
_LOCK_SECONDS = 10.0
#: Seconds after which a file that could not be written is tried again.
_PAUSE_SECONDS = 10.0

#: Name of a database whose address is none. What is for it is for whichever the corrected setting names.
UNNAMED = "of the setting journal"

Line = tuple[str, Entry | None]


class Spill:
    """Entries that wait for their database.

    Args:
        path: the file; several databases may share it.

    Attributes:
        lost: entries that could be kept nowhere.
        retry_at: when the file is tried again, by the monotonic clock, while it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self._held: list[Entry] = []
        self.retry_at = 0.0

    @property
    def held(self) -> int:
        """How many entries wait in memory, since the file cannot be written."""
        return len(self._held)

    def put(self, database: str, entries: Sequence[Entry]) -> None:
        """Keep entries for a database; in memory if the file cannot be written, until a later try.

        Raises:
            OSError: it cannot be written.
        """
        self._held.extend(entries)
        self.lost += max(0, len(self._held) - MOST_HELD)
        del self._held[:-MOST_HELD]
        # Each try writes down all that is held: on a full disk one a step would be work without end.
        if time.monotonic() < self.retry_at:
            return
        self.retry_at = time.monotonic() + _PAUSE_SECONDS
        lines = [json.dumps({"to": database, **as_json(entry)}, ensure_ascii=False) for entry in self._held]
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock(_LOCK_SECONDS):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                _append(stream, "\n".join(["", *lines, ""]).encode("utf-8", "replace"))
        self._held.clear()
        self.retry_at = 0.0

    def take_in(self, database: str, keep: Callable[[Sequence[Entry]], None]) -> int:
        """Hand a database's entries over, oldest first, and forget them; return how many.

        A kill in between hands some over twice, which changes nothing. While another process is at
        it, we wait: what it hands over was said before anything that we have to say.

        Args:
            database: whose.
            keep: keeps some of them for good; whatever it raises leaves them here.

        Raises:
            OSError: the file cannot be read or rewritten.
        """
        taken = self._take_from_file(database, keep) if self.path.exists() else 0
        if self._held:
            keep(self._held)
            taken += len(self._held)
            self._held.clear()
        return taken

    def _take_from_file(self, database: str, keep: Callable[[Sequence[Entry]], None]) -> int:
        others, ours = list[str](), list[Entry]()
        with self._lock(_LOCK_SECONDS):
            if not self.path.exists():
                return 0
            for line, entry in self._lines(database):
                if entry is None:
                    others.append(line)
                else:
                    ours.append(entry)
            for start in range(0, len(ours), _AT_ONCE):
                keep(ours[start : start + _AT_ONCE])
            self._replace(others)
        return len(ours)

    def _lines(self, database: str) -> Iterator[Line]:
        """Read the file: each line, and the entry in it if it is for this database and can be read."""
        for line in self.path.read_text("utf-8", "replace").split("\n"):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
                mine = isinstance(data, dict) and data.pop("to", None) in (database, UNNAMED)
                yield line, from_json(data) if mine else None
            except (ValueError, ValidationError):
                # Cut off by a kill, or written by another version: it stays, for whoever can read it.
                yield line, None

    def _replace(self, lines: Sequence[str]) -> None:
        if not lines:
            self.path.unlink()
            return
        aside = self.path.with_name(f"{self.path.name}.new")
        aside.touch(mode=0o600)
        aside.write_text("\n".join([*lines, ""]), "utf-8")
        aside.replace(self.path)

    def _lock(self, seconds: float) -> FileLock:
        return FileLock(f"{self.path}.lock", timeout=seconds)


def _append(stream: FileIO, data: bytes) -> None:
    """Write all of it or nothing; a full disk may take a part.

    The data begins with a line break: the line before may have been cut off by a kill.

    Raises:
        OSError: it cannot be written.
    """
    before = os.fstat(stream.fileno()).st_size
    try:
        while data:
            data = data[stream.write(data) :]
    except OSError:
        stream.truncate(before)
        raise
