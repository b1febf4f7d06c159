"""Collectors of traces on this machine: one that speaks OTLP over HTTP, one that speaks LangSmith's protocol."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import zstandard
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

# What LangSmith says of itself.
_INFO = {
    "version": "0.10",
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_000_000,
        "scale_up_nthreads_limit": 16,
        "scale_up_qsize_trigger": 1000,
        "scale_down_nempty_trigger": 4,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}


@dataclass
class Collector:
    """What was sent to one address.

    Attributes:
        answers: cleared to let it keep silent until it closes.
    """

    url: str = ""
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def bodies(self, path: str) -> list[bytes]:
        """Return what was sent to a path."""
        return [body for sent, body in self.requests if sent == path]

    @property
    def everything(self) -> bytes:
        """All that was sent, in one."""
        return b"\n".join(body for _, body in self.requests)

    @property
    def spans(self) -> list[Span]:
        """The spans, in the order of their beginnings."""
        found = [
            span
            for body in self.bodies("/v1/traces")
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def resource(self) -> dict[str, Any]:
        """Return who sent the spans."""
        first = ExportTraceServiceRequest.FromString(self.bodies("/v1/traces")[0]).resource_spans[0]
        return _plain(first.resource.attributes)

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """Return sums by metric, with what they are told apart by."""
        found: dict[str, list[tuple[dict[str, Any], float]]] = {}
        for body in self.bodies("/v1/metrics"):
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        points = [(_plain(point.attributes), point.sum) for point in metric.histogram.data_points]
                        found.setdefault(metric.name, []).extend(points)
        return found

    def tree(self) -> list[str]:
        """Return the names of the spans, each below its parent, siblings in order."""
        spans, lines = self.spans, list[str]()
        known = {span.span_id for span in spans}

        def show(parent: bytes, depth: int) -> None:
            for span in spans:
                if span.parent_span_id == parent or (not parent and span.parent_span_id not in known):
                    lines.append("  " * depth + span.name)
                    show(span.span_id, depth + 1)

        show(b"", 0)
        return lines

    def named(self, name: str) -> list[tuple[Span, dict[str, Any]]]:
        """Return the spans of a name, with their attributes."""
        return [(span, _plain(span.attributes)) for span in self.spans if span.name == name]


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Let a collector listen on a free port of this machine."""
    collector = Collector()
    collector.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(json.dumps(_INFO).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            unpack = {
                "gzip": gzip.decompress,
                "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
            }
            coding = self.headers.get("Content-Encoding", "")
            collector.requests.append((self.path, unpack[coding](body) if coding else body))
            collector.answers.wait(30)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.answers.set()
            server.shutdown()
            thread.join()
