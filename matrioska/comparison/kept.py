"""What a study has brought so far, in a file of one JSON object a line: an interrupted one goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from matrioska.comparison.records import Contestant, Duel, StudyQuestion, WayReply
from matrioska.state.errors import StoreError
from matrioska.state.questions import Via
from matrioska.store.layout import Layout, unwritable

_FOLDER = "comparisons"
#: Part of a study's name: files of another form are never looked for.
_FORMAT = 1
_MODELS: Mapping[str, type[BaseModel]] = {"reply": WayReply, "duel": Duel}


def fingerprint(questions: Sequence[StudyQuestion], contestants: Sequence[Contestant], judge: str) -> str:
    """Return what makes two studies the same: their questions, who answers them and how, and who judges."""
    told = [[found.model_dump(mode="json") for found in kind] for kind in (questions, contestants)]
    return hashlib.sha256(json.dumps([_FORMAT, *told, judge], sort_keys=True).encode()).hexdigest()[:16]


class Kept:
    """The file of one study that is not ended. Use `opened`.

    Attributes:
        path: the file.
        replies: what came, by question and way.
        duels: what was judged, by question and both ways.
        begun: threads of replies that were begun and have not come, by question and way.
        resumed: whether the file was there already.
        name: begins the ids of the study's threads; another study of the same questions has another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies: dict[tuple[str, Via], WayReply] = {}
        self.duels: dict[tuple[str, Via, Via], Duel] = {}
        self.begun: dict[tuple[str, Via], str] = {}
        self.name = ""
        self._lock = threading.Lock()
        self.resumed = self._read()
        if not self.name:
            self._keep({"kind": "study", "format": _FORMAT, "name": f"compare-{secrets.token_hex(4)}"})

    def begin(self, question: str, via: Via, thread_id: str) -> None:
        """Write down that a reply is being asked for, in this thread.

        Raises:
            StoreError: it cannot be written. So for all that write.
        """
        self._keep({"kind": "begun", "question": question, "via": via, "thread": thread_id})

    def reply(self, reply: WayReply) -> None:
        """Write down what came."""
        self._keep({"kind": "reply", "value": reply.model_dump(mode="json")})

    def duel(self, duel: Duel) -> None:
        """Write down what was judged. Where no judge could be reached nothing is kept: it is asked again."""
        if not duel.unreached:
            self._keep({"kind": "duel", "value": duel.model_dump(mode="json")})

    def end(self) -> Path:
        """Close the study: from now on the same questions make a new one. Returns where the file stands then."""
        place = self.path.with_name(f"{self.path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl")
        try:
            self.path.replace(place)
        except OSError as error:
            raise unwritable(place, error) from error
        return place

    def _keep(self, entry: dict[str, Any]) -> None:
        data = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
        with self._lock:
            self._take_in(entry)
            try:
                with self.path.open("ab") as file:
                    file.write(data)
                    file.flush()
                    # What was paid for must outlive a power cut.
                    os.fsync(file.fileno())
            except OSError as error:
                raise unwritable(self.path, error) from error

    def _read(self) -> bool:
        """Take in what the file holds, and cut off the rest of a line that a kill left; return whether it was there.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            if not self.path.exists():
                return False
            whole, _, torn = self.path.read_bytes().rpartition(b"\n")
            if torn:
                os.truncate(self.path, len(whole) + 1 if whole else 0)
            for number, line in enumerate(whole.splitlines(), 1):
                self._take_in(self._parsed(line, number))
        except OSError as error:
            raise unwritable(self.path, error) from error
        return True

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = json.loads(line)
            if entry["kind"] == "study":
                return {"kind": "study", "name": str(entry["name"])}
            if entry["kind"] == "begun":
                return {"kind": "begun", **{key: str(entry[key]) for key in ("question", "via", "thread")}}
            return {
                "kind": entry["kind"],
                "value": _MODELS[entry["kind"]].model_validate(entry["value"]).model_dump(mode="json"),
            }
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise StoreError(
                f"Line {number} of {self.path} is not one of a study.",
                path=str(self.path),
                next_step="Move the file away to begin the study anew.",
            ) from error

    def _take_in(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "study":
            self.name = entry["name"]
        elif entry["kind"] == "begun":
            self.begun[entry["question"], entry["via"]] = entry["thread"]
        elif entry["kind"] == "reply":
            reply = WayReply.model_validate(entry["value"])
            self.replies[reply.question, reply.via] = reply
            self.begun.pop((reply.question, reply.via), None)
        else:
            duel = Duel.model_validate(entry["value"])
            self.duels[duel.question, duel.one, duel.other] = duel


@contextmanager
def opened(layout: Layout, name: str) -> Iterator[Kept]:
    """Open the file of a study below a base path, for one process at a time.

    Args:
        layout: the base path.
        name: the study's `fingerprint`.

    Raises:
        StoreError: another process is at it, or it cannot be read or written.
    """
    folder = layout.checkpoints / _FOLDER
    lock = FileLock(folder / f"{name}.lock", thread_local=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreError(
            "Another process is at work on the same comparison.",
            path=str(folder),
            next_step="Wait for it to end, or stop it, and try again.",
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield Kept(folder / f"{name}.jsonl")
    finally:
        lock.release()
