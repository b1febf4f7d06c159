"""What the command line sends to OpenTelemetry and LangSmith: only where it is told to, all of it, and no key."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.collectors import Collector, collecting
from tests.matrioska.cli.conftest import ROOT

_KEY = "lsv2_a_key_of_mine"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def _langsmith(collector: Collector, tracing: str = "true") -> dict[str, str]:
    return {"LANGSMITH_TRACING": tracing, "LANGSMITH_ENDPOINT": collector.url, "LANGSMITH_API_KEY": _KEY}


def _runs(collector: Collector) -> Counter[str]:
    """Return how many runs of each type were begun."""
    sent = b"".join(collector.bodies("/runs/multipart"))
    found = re.findall(rb'name="post\.([0-9a-f-]{36})"[^{]*(\{.*?"run_type":"(\w+)")', sent, re.DOTALL)
    return Counter(kind.decode() for _, _, kind in found)


def test_a_run_reaches_langsmith_before_the_command_ends(spawn, collector: Collector) -> None:
    ended = spawn("run", "Build it.", "-y", child=True, CHILD_AUTHOR="chain", **_langsmith(collector)).end()
    assert ended.code == 0
    runs = _runs(collector)
    # The plan, two contracts, three modules, the whole, and the critic of it.
    assert runs["llm"] >= 7
    assert runs["chain"] > runs["llm"]
    for step in ("architect", "m0.agree", "m2.produce", "remember"):
        assert json.dumps(step).encode() in collector.everything
    assert _KEY.encode() not in collector.everything


@pytest.mark.parametrize("tracing", ["", "false"])
def test_nothing_is_sent_unless_asked_for(spawn, collector: Collector, tracing: str) -> None:
    variables = _langsmith(collector, tracing) | {"OTEL_TRACES_EXPORTER": "none"}
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    assert spawn("run", "Build it.", "-y", child=True, CHILD_AUTHOR="chain", **variables).end().code == 0
    assert collector.requests == []


def test_a_run_reaches_a_collector_before_the_command_ends(spawn, collector: Collector) -> None:
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    assert spawn("run", "Build it.", "-y", child=True, CHILD_AUTHOR="chain", **address).end().code == 0
    tree = collector.tree()
    assert tree[0] == "invoke_workflow matrioska"
    assert tree[-1].strip() == "remember"


@pytest.mark.parametrize("who", ["LangSmith", "OpenTelemetry"])
def test_who_cannot_be_reached_is_named_once_and_costs_no_result(spawn, collector: Collector, who: str) -> None:
    collector.answers.clear()
    variables = _langsmith(collector) if who == "LangSmith" else {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    process = spawn("run", "Build it.", "-y", "--json", child=True, CHILD_AUTHOR="chain", **variables)
    ended = process.end()
    assert ended.code == 0
    assert ended.json["status"] == "complete"
    if who == "OpenTelemetry":
        assert 1 <= ended.err.count("! OpenTelemetry: ") <= 2
    assert _KEY not in ended.err


def test_a_server_of_langgraph_sends_nothing_by_itself() -> None:
    assert json.loads((ROOT / "langgraph.json").read_text())["env"]["LANGSMITH_TRACING"] == "false"
