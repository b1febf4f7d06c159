"""A scope: one step's hand on the journal. Who holds one cannot write a message that belongs nowhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count as counter
from types import TracebackType
from typing import Any, Protocol, Self

from matrioska.models.meter import CallRecord
from matrioska.models.recorder import Voice
from matrioska.state.journal import MessageType, Status
from matrioska.state.text import clean_text
from matrioska.store.journal.entries import Entry, Origin, bounded_step, derived_id
from matrioska.store.journal.rendering import amount, content_of, count, details_of, name_of, party_of, prompt_of


class Sink(Protocol):
    """Where entries go."""

    keeps: bool
    """Whether what is said is kept at all."""

    def append(self, entry: Entry) -> None:
        """Take an entry; never waits."""
        ...

    def flush(self) -> Future[None]:
        """Return what is done once everything taken so far is kept for good. It never fails."""
        ...

    def flushed(self) -> Awaitable[None]:
        """Return the same for the running event loop."""
        ...

    def knows(self, conversation: str, message: str) -> bool:
        """Whether a message stands in the journal, unless somebody has removed its conversation since."""
        ...

    def may_hold(self, conversation: str, step: str) -> bool:
        """Whether an attempt of this step may have left messages."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scope stands."""

    path: str
    """The step within the conversation, those around it included: with the conversation, what makes ids."""
    unit: str
    """The step with which its messages are repeated: its own, or that of a scope around it."""
    owns: bool
    """Whether its own work is repeated as a whole."""
    source: str
    destination: str
    parent: str
    operation: str


class Scope:
    """One step's messages; a `Recorder`.

    Used as a context manager, of either kind: entering one makes sure of the conversation and its
    root, and leaving one waits until what it was told is kept for good. Nothing in it raises
    because of the journal: see `Journal.trouble`.

    Attributes:
        origin: the conversation and its root.
        place: where in it this scope stands.
    """

    def __init__(self, sink: Sink, origin: Origin, place: Place, outer: Scope | None = None) -> None:
        self._sink = sink
        self._outer = outer
        self.origin = origin
        self.place = place
        self._numbers: dict[tuple[str, str, str], counter[int]] = {}
        self._open: dict[str, None] = {}
        self._began = False
        self._told = False

    @property
    def conversation(self) -> str:
        """Id of the conversation."""
        return self.origin.conversation

    @property
    def root(self) -> str:
        """Id of the conversation's first message of this turn."""
        return self.origin.root

    def child(
        self,
        step: str,
        *,
        parent: str = "",
        source: str = "",
        destination: str = "",
        operation: str = "",
        repeats: bool = False,
    ) -> Scope:
        """Return a scope for a part of this step; what is not given is as here.

        Args:
            step: the part's name, one of its own within this step.
            parent: id of the message that its messages answer.
            source: who speaks in it.
            destination: to whom.
            operation: what calls in it are for.
            repeats: whether its work is done anew, as a whole, when it was cut off, independent of
                this step's. Else its messages share the fate of this step's.
        """
        path = bounded_step(f"{self.place.path}/{clean_text(step)}")
        place = replace(
            self.place,
            path=path,
            unit=self.place.unit if self.place.owns and not repeats else path,
            owns=repeats or self.place.owns,
            source=party_of(source) or self.place.source,
            destination=party_of(destination) or self.place.destination,
            parent=parent or self.place.parent,
            operation=party_of(operation) or self.place.operation,
        )
        return Scope(self._sink, self.origin, place, self)

    def call(self, call: CallRecord, voice: Voice) -> str:
        """See `Recorder.call`."""
        if not self._sink.keeps:
            return ""
        type: MessageType = "error" if call.error else voice.type
        processing: dict[str, Any] = {"model": clean_text(call.model)}
        processing |= {"fault": content_of(call.fault)} if call.fault else {}
        processing |= {"error": clean_text(call.error)} if call.error else {}
        processing |= {"attempts": call.usage.calls} if call.usage.calls > 1 else {}
        return self._say(
            type,
            call.text or (f"No answer came ({call.error})." if call.error else ""),
            source=voice.source,
            destination=voice.destination,
            parent=voice.parent,
            status="failed" if call.error else "done",
            context={"prompt": prompt_of(call.prompt)},
            processing=processing,
            metric=self._metric(call),
        )

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
        """See `Recorder.note`."""
        if not self._sink.keeps:
            return ""
        message = self._say(
            type,
            content,
            source=source,
            destination=destination,
            parent=parent,
            key=clean_text(key),
            status=status,
            processing=details_of(details),
        )
        if status == "open":
            self._open[message] = None
        return message

    def close(self, message: str, status: Status = "done") -> None:
        """See `Recorder.close`."""
        self._open.pop(message, None)
        self._tell("close", message=message, status=status)

    def failed(self, error: BaseException) -> str:
        """Say that the step has failed: what it left open has failed too. Returns the error message's id."""
        for message in list(self._open):
            self.close(message, "failed")
        details = {"error": str(getattr(error, "code", type(error).__name__))}
        return self.note("error", str(error) or type(error).__name__, status="failed", details=details)

    def settle(self, status: Status = "done") -> None:
        """Say that the conversation has ended, for now: what is still open in it is closed."""
        self._tell("settle", status=status)

    def defer(self) -> None:
        """Let whoever leaves the scope around this one wait for what was said here so far.

        For messages that bear keys and are said again there, should a kill come before they are kept.
        """
        if self._outer is not None and self._told:
            self._told, self._outer._told = False, True

    async def flush(self) -> None:
        """Wait until everything said so far is kept for good."""
        if self._told:
            await self._sink.flushed()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if self._told:
            self._sink.flush().result()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        # Who is cancelled hands over nothing that is saved before this is kept, and should end at once.
        if not isinstance(error, asyncio.CancelledError):
            await self.flush()

    def _begin(self) -> None:
        if not self._sink.knows(self.conversation, self.root):
            self._tell("ask")
        if self.place.owns and self.place.unit == self.place.path:
            self._began = self._sink.may_hold(self.conversation, self.place.unit)
            if self._began:
                self._tell("begin")

    def _end(self) -> None:
        if self._began:
            self._tell("end")

    def _say(
        self,
        type: MessageType,
        content: str,
        *,
        source: str,
        destination: str,
        parent: str,
        key: str = "",
        status: Status,
        context: dict[str, Any] | None = None,
        processing: dict[str, Any],
        metric: dict[str, Any] | None = None,
    ) -> str:
        source = party_of(source) or self.place.source
        destination = party_of(destination) or self.place.destination
        identity = ("key", key) if key else ("turn", type, source, destination, self._nth(type, source, destination))
        message = derived_id(self.conversation, self.place.path, *identity)
        row = {
            "id": message,
            "parent_id": parent or self.place.parent or self.root,
            "type": type,
            "source": source,
            "destination": destination,
            "content": content_of(content),
            "context": context or {},
            "processing": processing,
        }
        self._tell("say", message=message, status=status, row=row, metric=metric)
        return message

    def _nth(self, type: str, source: str, destination: str) -> str:
        # Both steps are atomic: threads of one step may speak at the same time.
        return str(next(self._numbers.setdefault((type, source, destination), counter())))

    def _metric(self, call: CallRecord) -> dict[str, Any]:
        return {
            "service": name_of(call.model) or "unknown",
            "operation": self.place.operation,
            "input_tokens": count(call.usage.input_tokens),
            "output_tokens": count(call.usage.output_tokens),
            "seconds": amount(call.usage.seconds),
            "cost": amount(call.usage.cost),
            "parameters": details_of(call.parameters),
            "error": name_of(call.error),
        }

    def _tell(self, kind: Any, **fields: Any) -> None:
        if self._sink.keeps:
            self._told = True
            self._sink.append(Entry(kind, self.origin, time.time(), self.place.unit, **fields))
