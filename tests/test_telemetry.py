"""Runs and questions as spans at a real collector: what is sent, what is not, and what happens when it is not there."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from matrioska.graph import cascade
from matrioska.models.gateway import client_for, client_of
from matrioska.models.recorder import voiced
from matrioska.models.telemetry import end_telemetry, start_telemetry, traced, wanted
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ModelError
from matrioska.state.members import Member
from tests.collectors import Collector, collecting
from tests.protocols import ModelServer, openai_app, serving
from tests.support import MODES, Author, Driven, chain, opened
from tests.trees import SIX, Tree

_SECRET = "sk-a-key-of-mine"
_NODES = ["architect", "approval", "execute", "assemble", "verify", "review", "deliver", "remember"]


@pytest.fixture(autouse=True)
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    end_telemetry()
    yield
    end_telemetry()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found
        end_telemetry()


def _run(mode: str, base: Path, author: Author, **options: object) -> None:
    with opened("sqlite", base) as graph:
        Driven(graph, mode, base, author.model, options=dict(options)).run("Build it.")


@pytest.mark.parametrize("mode", MODES)
def test_a_run_is_a_tree_of_its_steps_and_calls(mode: str, tmp_path: Path, collector: Collector) -> None:
    author = Author(chain(2))
    _run(mode, tmp_path, author)
    end_telemetry()
    tree = collector.tree()
    assert [line.strip() for line in tree if line[:3].count(" ") == 2] == _NODES
    assert tree[0] == "invoke_workflow matrioska"
    for stage in ("m0.agree", "m0.produce", "m1.produce"):
        at, name = tree.index(f"    {stage}"), stage.partition(".")[2]
        within = ["      distill", f"      {name}", "        chat scriptedchatmodel", "      check"]
        assert tree[at + 1 : at + 5] == within
    calls = collector.named("chat scriptedchatmodel")
    assert len(calls) == len(author.model.calls)
    assert {span.trace_id for span in collector.spans} == {collector.spans[0].trace_id}
    assert all(told["gen_ai.conversation.id"] == "one" for _, told in calls)
    assert not [span for span in collector.spans if span.status.code]
    assert collector.resource()["service.name"] == "matrioska"


@pytest.mark.parametrize("mode", MODES)
def test_a_question_is_a_tree_of_what_each_mind_does(
    mode: str, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    minds = Tree()
    monkeypatch.setattr(cascade, "load_tree", minds.load)
    monkeypatch.setattr(cascade, "find_member", minds.find)
    graph = cascade.build_cascade_graph(InMemorySaver())
    given: Any = ({"question": "What do you know?"}, {"configurable": {"thread_id": "one"}})
    context = {"base_path": str(tmp_path)}
    if mode == "sync":
        graph.invoke(*given, context=context)
    else:
        asyncio.run(graph.ainvoke(*given, context=context))
    end_telemetry()
    calls = collector.named("chat watched")
    names = {span.span_id: span.name for span in collector.spans}
    assert collector.tree()[0] == "invoke_workflow cascade"
    assert {told["gen_ai.agent.name"] for _, told in calls} == set(SIX)
    # Each call stands below the step of the mind that made it.
    assert all(names[call.parent_span_id].startswith(told["gen_ai.agent.name"]) for call, told in calls)
    assert len(calls) == len(minds.made())


def test_a_call_is_told_by_the_conventions_and_without_its_texts(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", _SECRET)
    _ask_openai()
    (root, _), (call, told) = collector.named("ask single")[0], collector.named("chat some-model")[0]
    assert call.parent_span_id == root.span_id
    assert {name: told[name] for name in told if name.startswith("gen_ai")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "some-model",
        "gen_ai.response.model": told.get("gen_ai.response.model", "some-model"),
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": told["gen_ai.usage.input_tokens"],
        "gen_ai.usage.output_tokens": told["gen_ai.usage.output_tokens"],
        "gen_ai.agent.name": "atlas",
    }
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["matrioska.message.type"] == "synthesis"
    for private in (_SECRET, "Be brief", "How high", "Bearer"):
        assert private.encode() not in collector.everything


def test_texts_are_sent_where_the_environment_says_so(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", _SECRET)
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    _ask_openai()
    _, told = collector.named("chat some-model")[0]
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "How high is it?"}]},
    ]
    assert json.loads(told["gen_ai.output.messages"])[0]["role"] == "assistant"
    assert _SECRET.encode() not in collector.everything


async def test_no_text_is_one_that_cannot_be_sent(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with traced("ask"):
        await client_of(ScriptedChatModel(script=lambda *_: "a\ud800b")).ask([HumanMessage("\udfff\x00?")])
    end_telemetry()
    ((_, told),) = collector.named("chat scriptedchatmodel")
    assert json.loads(told["gen_ai.input.messages"])[0]["parts"][0]["content"].endswith("?")


def _ask_openai() -> None:
    async def ask(server: ModelServer) -> None:
        member = Member(model=f"openai:some-model@{server.url}/v1")
        with traced("ask single", "q"), voiced("synthesis", "atlas", "person"):
            await client_for(member).ask([SystemMessage("Be brief"), HumanMessage("How high is it?")])

    with serving(openai_app, ModelServer(lambda *_: "Very high.")) as server:
        asyncio.run(ask(server))
    end_telemetry()


async def test_an_attempt_that_fails_is_seen_beside_the_one_that_does_not(collector: Collector) -> None:
    answers = iter([ConnectionError(f"refused {_SECRET}"), "Yes."])
    model = ScriptedChatModel(script=lambda *_: next(answers))
    with traced("ask"):
        await client_of(model).ask([HumanMessage("Is it?")])
    end_telemetry()
    (failed, told), (passed, _) = collector.named("chat scriptedchatmodel")
    assert (failed.status.code, passed.status.code) == (2, 0)
    assert told["error.type"] == failed.status.message == "ConnectionError"
    # Clients quote keys in what they say.
    assert _SECRET.encode() not in collector.everything


@pytest.mark.parametrize("mode", MODES)
def test_a_failing_module_is_an_error_and_a_pause_is_none(mode: str, tmp_path: Path, collector: Collector) -> None:
    author = Author(chain(1), {"produce m0": ModelError("No mood.", next_step="Wait.")})
    _run(mode, tmp_path, author, approval="ask")
    end_telemetry()
    assert collector.tree()[-1].strip() == "approval"
    assert not [span for span in collector.spans if span.status.code]
    collector.requests.clear()
    _run(mode, tmp_path / "other", author)
    end_telemetry()
    (failed, told), *_ = [found for found in collector.named("produce") if found[0].status.code]
    assert told["error.type"] == "model"
    assert failed.status.message == "No mood."


def test_metrics_are_sent_when_asked_for(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", _SECRET)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    _ask_openai()
    _, told = collector.named("chat some-model")[0]
    tokens = {facts["gen_ai.token.type"]: total for facts, total in collector.metrics()["gen_ai.client.token.usage"]}
    assert tokens == {"input": told["gen_ai.usage.input_tokens"], "output": told["gen_ai.usage.output_tokens"]}
    ((facts, seconds),) = collector.metrics()["gen_ai.client.operation.duration"]
    assert facts["gen_ai.request.model"] == "some-model"
    assert seconds > 0


@pytest.mark.parametrize(
    ("environment", "traces", "metrics"),
    [
        ({}, (), ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, ("otlp",), ()),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, ("otlp",), ()),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, (), ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp"), ()),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, (), ()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, (), ()),
    ],
)
def test_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], traces: tuple[str, ...], metrics: tuple[str, ...]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (wanted("traces"), wanted("metrics")) == (traces, metrics)


@pytest.mark.parametrize(
    ("environment", "missing", "says"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "opentelemetry.sdk.trace", "pip install"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "", "there is no exporter 'zipkin' of traces (installed: console"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "otlp"),
    ],
)
def test_what_cannot_be_set_up_is_said_once_and_stops_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    environment: dict[str, str],
    missing: str,
    says: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    author = Author(chain(1))
    with caplog.at_level(logging.WARNING, "matrioska.telemetry"), opened("memory", tmp_path) as graph:
        driven = Driven(graph, "async", tmp_path, author.model)
        driven.run("Build it.")
        driven.thread = "two"
        driven.run("Build it.")
        assert driven.statuses() == {"m0": "done"}
    (record,) = [found for found in caplog.records if found.name == "matrioska.telemetry"]
    assert says in record.getMessage()


def test_a_collector_that_keeps_silent_is_left_in_the_end(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.answers.clear()
    start_telemetry()
    with traced("ask"):
        pass
    with caplog.at_level(logging.WARNING, "matrioska.telemetry"):
        end_telemetry(0.3)
    assert "did not take everything within 0.3 s" in caplog.text
