"""The recorder: who writes down what is said.

The gateway hands every call to the recorder in force, as it does to the meter; workers hand it
what models say to each other. Which one is in force is a context variable, and so is the voice:
as whom, to whom and in answer to what a call is made. So a worker may ask any number of models,
in tasks of its own, without carrying either along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from matrioska.models.meter import CallRecord, current_meter
from matrioska.state.journal import MessageType, Status


@dataclass(frozen=True)
class Voice:
    """As what the calls made now are written down."""

    type: MessageType = "response"
    source: str = ""
    """Who speaks: a mind, module, node or step; '' leaves it to the recorder."""
    destination: str = ""
    """To whom."""
    parent: str = ""
    """Id of the message that it answers; '' leaves it to the recorder."""


class Recorder(Protocol):
    """See the module's text. Nothing here raises: what cannot be written is the recorder's own trouble."""

    def call(self, call: CallRecord, voice: Voice) -> str:
        """Write down a call that has ended: one message, with what it cost. Returns its id."""
        ...

    def note(
        self,
        type: MessageType,
        content: str,
        *,
        source: str = "",
        destination: str = "",
        parent: str = "",
        key: str = "",
        status: Status = "done",
        details: Mapping[str, Any] | None = None,
    ) -> str:
        """Write down a message that is no call, and return its id.

        Args:
            type: what it is.
            content: its text.
            source: who says it; '' for the step under way.
            destination: to whom; '' for whoever began the step.
            parent: id of the message that it answers; '' for the one that began the step.
            key: what makes it the same message when the step is repeated after a kill: it is written
                over then. '' for a message that goes with the others of its step when that is repeated.
            status: ``open`` for one whose answer is awaited; see `close`.
            details: more, as JSON.
        """
        ...

    def close(self, message: str, status: Status = "done") -> None:
        """Say that what an open message asked for is done, or failed."""
        ...


class NoRecorder:
    """Writes nothing."""

    def call(self, call: CallRecord, voice: Voice) -> str:
        """See `Recorder.call`."""
        return ""

    def note(self, type: MessageType, content: str, **_: Any) -> str:
        """See `Recorder.note`."""
        return ""

    def close(self, message: str, status: Status = "done") -> None:
        """See `Recorder.close`."""


#: Hears an answer as it comes, piece by piece; None says that a new attempt begins and what came before is void.
Listener = Callable[[str | None], None]


def _deaf(piece: str | None) -> None:
    """Hear nothing."""


_listener: ContextVar[Listener] = ContextVar("matrioska_listener", default=_deaf)
_recorder: ContextVar[Recorder] = ContextVar("matrioska_recorder", default=NoRecorder())  # noqa: B039 - it has no state
_voice: ContextVar[Voice] = ContextVar("matrioska_voice", default=Voice())  # noqa: B039 - it is frozen


def current_recorder() -> Recorder:
    """Return the recorder in force."""
    return _recorder.get()


def current_voice() -> Voice:
    """Return the voice in which calls are made now."""
    return _voice.get()


@contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Put a recorder in force for everything called inside, with no voice of its own yet."""
    token, voice = _recorder.set(recorder), _voice.set(Voice())
    try:
        yield
    finally:
        _voice.reset(voice)
        _recorder.reset(token)


@contextmanager
def voiced(type: MessageType, source: str, destination: str, parent: str = "") -> Iterator[None]:
    """Make the calls inside in this voice."""
    token = _voice.set(Voice(type, source, destination, parent))
    try:
        yield
    finally:
        _voice.reset(token)


def take_down(call: CallRecord) -> None:
    """Count a call that has ended, and write it down."""
    current_meter().record(call)
    current_recorder().call(call, current_voice())


def current_listener() -> Listener:
    """Return who hears the answers that come now."""
    return _listener.get()


@contextmanager
def listened(listener: Listener) -> Iterator[None]:
    """Let a listener hear, piece by piece, what is answered to the calls inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
