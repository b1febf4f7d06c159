"""What is traced is sent before a command ends, in bounded time, and trouble with it is said once.

LangGraph reports to LangSmith by itself, and `matrioska.models.telemetry` to OpenTelemetry.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_TRACERS = {
    "opentelemetry": "OpenTelemetry",
    "matrioska.telemetry": "OpenTelemetry",
    "langsmith": "LangSmith",
}
# By these LangSmith's client sends from threads that do not keep the process: else it would try an
# unreachable server for a quarter of a minute after the command has ended.
_LANGSMITH = {"LANGSMITH_USE_DAEMON": "true", "LANGSMITH_DISABLE_RUN_COMPRESSION": "true"}


class _Once(logging.Handler):
    """Says the first trouble of a tracer in a line. The rest repeats it, at length and with parts of keys."""

    def __init__(self, logger: str) -> None:
        super().__init__(logging.WARNING)
        self._logger = logging.getLogger(logger)
        self._who = _TRACERS[logger]
        self._said = False

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        from matrioska.cli.text import line
        from matrioska.cli.ui import current
        from matrioska.i18n import told
        from matrioska.models.providers import shown_address

        if not self._said:
            self._said = True
            first = line(record.getMessage().partition("\n")[0])
            current().say(("! ", "yellow"), f"{self._who}: {shown_address(told(first))}")

    def __enter__(self) -> _Once:
        self._before, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._before


@contextmanager
def sending(*, to_the_end: bool) -> Iterator[None]:
    """Send what was traced inside, when it ends however.

    Args:
        to_the_end: the process ends with it: what its threads have to say after it is caught as well.
    """
    mine = {name: value for name, value in _LANGSMITH.items() if name not in os.environ}
    os.environ.update(mine)
    with ExitStack() as stack:
        for logger in _TRACERS:
            stack.enter_context(_Once(logger))
        try:
            yield
        finally:
            _send()
            for name in mine:
                os.environ.pop(name, None)
            if to_the_end:
                stack.pop_all()


def _send() -> None:
    if (telemetry := sys.modules.get("matrioska.models.telemetry")) is not None:
        telemetry.end_telemetry()
    if "langsmith.client" not in sys.modules:
        # Nothing was traced: its client is imported with the first run.
        return
    from langsmith.run_trees import get_cached_client
    from langsmith.utils import tracing_is_enabled

    from matrioska.models.telemetry import FLUSH_SECONDS

    if tracing_is_enabled():
        get_cached_client().flush(timeout=FLUSH_SECONDS)
