"""The meter: who counts what calls cost, and stops them when a budget is used up.

The gateway asks the meter in force before each call and tells it after. Which one is in
force is a context variable, so that a worker may ask any number of models, in tasks of its
own, without carrying it along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from matrioska.state.results import Usage

if TYPE_CHECKING:
    # Named only: who reads the journal need not wait for a third of LangChain.
    from langchain_core.messages import BaseMessage


@dataclass(frozen=True)
class CallRecord:
    """One call, as it is written down."""

    model: str
    """``provider:model`` that answered, or failed last."""
    usage: Usage
    """What it cost in all, its failed attempts included."""
    error: str = ""
    """Code of the error in which it ended; '' when it was answered."""
    prompt: tuple[BaseMessage, ...] = ()
    """What was asked."""
    text: str = ""
    """What was answered, cleaned and without the reasoning."""
    fault: str = ""
    """Why the answer cannot be used as it is; '' when nothing is wrong with it, or there is none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """How the model was asked, as far as its member says: plain JSON, no address and no key."""


class Meter(Protocol):
    """See the module's text."""

    def admit(self) -> None:
        """Let a call begin, or raise what stops the run. Whatever it raises passes the gateway as it is."""
        ...

    def record(self, call: CallRecord) -> None:
        """Count a call that has ended."""
        ...


class NoMeter:
    """Counts nothing and stops nothing."""

    def admit(self) -> None:
        """See `Meter.admit`."""

    def record(self, call: CallRecord) -> None:
        """See `Meter.record`."""


_current: ContextVar[Meter] = ContextVar("matrioska_meter", default=NoMeter())  # noqa: B039 - it has no state


def current_meter() -> Meter:
    """Return the meter in force."""
    return _current.get()


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Put a meter in force for everything called inside."""
    token = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(token)
