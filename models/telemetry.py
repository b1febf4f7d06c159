"""OpenTelemetry, where the standard variables ask for it: a span per run, step and call to a model.

The exporters are the SDK's own and are found by name, as its own tools find them. Nothing is imported
and nothing sent unless the environment says where to.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

from matrioska.state.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from matrioska.models.spans import SpanHandler

#: Seconds that sending what is left may take when a command ends.
FLUSH_SECONDS = 3.0
INSTALL = "pip install 'matrioska[telemetry]'"
_TRUE = frozenset({"1", "true", "yes", "on"})
#: Values of the variable by which texts are let into spans, as the conventions name them.
_CAPTURE = _TRUE | {"span_only", "span_and_event"}
_log = logging.getLogger("matrioska.telemetry")
_lock = threading.Lock()


def wanted(signal: str) -> tuple[str, ...]:
    """Return the exporters that the environment asks for, by name; none when it asks for nothing.

    An address alone asks for traces. Metrics are asked for by name or by an address of their own, since
    many collectors of traces take none.

    Args:
        signal: ``traces`` or ``metrics``.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if named:
        return tuple(name.strip() for name in named.split(",") if name.strip() not in ("", "none"))
    addresses = [f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"]
    addresses += ["OTEL_EXPORTER_OTLP_ENDPOINT"] if signal == "traces" else []
    return ("otlp",) if any(os.environ.get(name, "").strip() for name in addresses) else ()


def address(signal: str) -> str:
    """Return where a signal is sent by OTLP, as the environment says it; '' for the exporter's own default."""
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((found for name in names if (found := os.environ.get(name, "").strip())), "")


def captures_text() -> bool:
    """Whether prompts and answers may stand in spans: only where the environment says so."""
    return os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().lower() in _CAPTURE


@dataclass(frozen=True)
class _Sending:
    """What is set up while telemetry is on."""

    handler: SpanHandler
    traces: TracerProvider
    metrics: MeterProvider | None

    def end(self) -> None:
        """Send what is left."""
        self.traces.shutdown()
        if self.metrics is not None:
            self.metrics.shutdown()


# None: not looked at yet; False: looked at, and off.
_state: _Sending | Literal[False] | None = None
_handler: SpanHandler | None = None


def start_telemetry() -> None:
    """Begin to send, when the environment asks for it; the first call decides, until `end_telemetry`.

    What is wrong (a package that is missing, an exporter that is not there, a faulty variable) is said
    once in the log: it never stops a run.
    """
    global _state
    if _state is not None:
        return
    with _lock:
        if _state is None:
            _state = _set_up() if wanted("traces") else False


def end_telemetry(seconds: float = FLUSH_SECONDS) -> None:
    """Send what is left, and end; what a collector does not take in that time is given up.

    Args:
        seconds: how long it may take. The SDK itself waits up to half a minute.
    """
    global _state
    with _lock:
        ended, _state = _state, None
    if not ended:
        return
    ended.handler.rest()
    sender = threading.Thread(target=ended.end, name="matrioska-telemetry", daemon=True)
    sender.start()
    sender.join(seconds)
    if sender.is_alive():
        _log.warning("The collector of OpenTelemetry did not take everything within %g s.", seconds)


@contextmanager
def traced(name: str, conversation: str = "") -> Iterator[None]:
    """Put the calls to models inside under one span, where no graph does that.

    Args:
        name: what is done.
        conversation: id of the thread, if there is one.
    """
    start_telemetry()
    if not _state:
        yield
        return
    with _state.handler.span(name, conversation):
        yield


def _set_up() -> _Sending | Literal[False]:
    try:
        return _sending()
    except ImportError as error:
        _log.warning("OpenTelemetry is configured, but %s is not installed: %s", error.name, INSTALL)
    except ConfigError as error:
        _log.warning("OpenTelemetry is configured, but %s %s", error.message, error.next_step)
    except Exception as error:  # noqa: BLE001 - whatever the SDK makes of its variables, the run goes on
        _log.warning("OpenTelemetry is configured, but cannot be set up: %s", type(error).__name__)
    return False


def _sending() -> _Sending:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporters = _exporters("traces")
    resource = _resource()
    traces, metrics = TracerProvider(resource=resource), _metrics(resource)
    for exporter in exporters:
        traces.add_span_processor(BatchSpanProcessor(exporter()))
    handler = _heard()
    meter = metrics.get_meter("matrioska") if metrics is not None else None
    handler.use(traces.get_tracer("matrioska"), meter, captures_text())
    return _Sending(handler, traces, metrics)


def _heard() -> SpanHandler:
    """Return the handler that hears every run of LangChain and LangGraph in this process."""
    global _handler
    if _handler is None:
        from langchain_core.tracers.context import register_configure_hook

        from matrioska.models.spans import SpanHandler

        _handler = SpanHandler()
        # A hook cannot be taken back, and must say the same in every thread: hence one, and as the default.
        register_configure_hook(ContextVar("matrioska_spans", default=_handler), inheritable=True)
    return _handler


def _resource() -> Resource:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: "matrioska"})


def _metrics(resource: Resource) -> MeterProvider | None:
    if not wanted("metrics"):
        return None
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    readers = [PeriodicExportingMetricReader(exporter()) for exporter in _exporters("metrics")]
    return MeterProvider(readers, resource=resource)


def _exporters(signal: str) -> list[Callable[[], Any]]:
    """Return the exporters asked for.

    Raises:
        ConfigError: one is not installed.
    """
    return [_exporter(signal, name) for name in wanted(signal)]


def _exporter(signal: str, name: str) -> Callable[[], Any]:
    known = entry_points(group=f"opentelemetry_{signal}_exporter")
    entry = _otlp(signal) if name == "otlp" else name
    if entry not in known.names:
        raise ConfigError(
            f"there is no exporter {name!r} of {signal} (installed: {', '.join(sorted(known.names)) or 'none'}).",
            next_step=INSTALL,
        )
    loaded: Callable[[], Any] = known[entry].load()
    return loaded


def _otlp(signal: str) -> str:
    """Return the name of the exporter for OTLP's protocol in use; HTTP unless another is asked for."""
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((found for name in names if (found := os.environ.get(name, "").strip())), "")
    return "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
