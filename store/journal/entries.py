"""What the journal is told, entry by entry, before it is a row: the form that queues and spill files hold.

Ids are made from what an entry is, not drawn: whoever repeats a step after a kill writes over
what the first attempt left, instead of beside it.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from matrioska.state.journal import Status

Kind = Literal["ask", "begin", "say", "close", "end", "settle"]
#: Longest name of a step, in characters.
MAX_STEP = 250
_NAMESPACE = uuid.UUID("6f1c7a0e-5d0b-5c7e-9a53-4b1f8f3c2d10")


@dataclass(frozen=True)
class Asked:
    """What began it all: the root of a conversation's messages."""

    text: str
    source: str = "person"
    destination: str = "matrioska"


@dataclass(frozen=True, slots=True)
class Origin:
    """What every entry belongs to: enough to make its conversation and its root where they are missing."""

    conversation: str
    graph: str
    root: str
    """Id of the root message."""
    text: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to write down."""

    kind: Kind
    """``ask``: the root alone; ``begin`` and ``end`` of a step that may have been tried before; ``say``:
    a message; ``close`` one that was open; ``settle`` all that are open, and the conversation."""
    origin: Origin
    at: float
    """Seconds since 1970, UTC."""
    step: str = ""
    """The unit of work that is repeated as a whole, if it is repeated."""
    message: str = ""
    """Id of the message concerned."""
    status: Status = "done"
    row: dict[str, Any] | None = None
    """Of ``say``: the message's columns, but for those that only its place in the conversation decides."""
    metric: dict[str, Any] | None = None
    """Of ``say``: what processing took, if a model was called."""


_FORM = TypeAdapter(Entry)


def derived_id(*parts: str) -> str:
    """Return the id that belongs to these parts; they must not hold control characters."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def bounded_step(step: str) -> str:
    """Return a step's name as it is stored: of a very long one the beginning, and its digest."""
    if len(step) <= MAX_STEP:
        return step
    digest = hashlib.sha256(step.encode()).hexdigest()[:32]
    return f"{step[: MAX_STEP - len(digest) - 1]}~{digest}"


def as_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain JSON."""
    return asdict(entry)


def from_json(data: object) -> Entry:
    """Return the entry that `as_json` made.

    Raises:
        ValidationError: it is none.
    """
    return _FORM.validate_python(data)
