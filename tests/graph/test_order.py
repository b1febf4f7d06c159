"""When what runs: readers start on promises, small plans cost nothing extra, events tell it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.graph.conftest import DIAGONAL, Start
from tests.support import Author, chain, plan, reader, spec

pytestmark = DIAGONAL


def test_readers_start_when_the_contract_is_agreed(start: Start) -> None:
    author = Author(chain(4), latency=lambda stage, module: {"agree": 0.01, "produce": 0.4}.get(stage, 0.0))
    start(author).run("Do it.")
    calls = {f"{call.stage} {call.module}": call for call in author.model.calls}
    for before, after in pairwise(["agree m0", "agree m1", "agree m2", "produce m3"]):
        assert calls[before].ended <= calls[after].started
    # The last module begins its files while the first is still writing its own.
    assert calls["produce m3"].started < calls["produce m0"].ended


def test_without_contracts_each_waits_for_the_whole(start: Start) -> None:
    author = Author(plan(reader("a", contract_first=False), reader("b", "a", contract_first=False), reader("c", "b")))
    start(author).run("Do it.")
    made = [f"{call.stage} {call.module}".strip() for call in author.model.calls]
    assert made == ["plan", "produce a", "produce b", "produce c", "assemble"]


def test_who_has_no_reader_agrees_on_nothing(start: Start) -> None:
    author = Author(plan(reader("a"), reader("b")))
    start(author).run("Do it.")
    assert author.calls() == ["assemble", "plan", "produce a", "produce b"]


def test_a_plan_of_one_module_needs_no_assembly(start: Start) -> None:
    author = Author(plan(reader("only")))
    result = start(author).run("Do it.")
    assert author.calls() == ["plan", "produce only"]
    assert [file["path"] for file in result["deliverable"]["files"]] == ["only.py"]
    assert result["status"] == "complete"


def test_direct_is_one_call(start: Start) -> None:
    author = Author(plan(spec("unused")))
    driven = start(author, direct=True, approval="ask")
    result = driven.run("Just do it.\nNow.")
    assert author.calls() == ["produce deliverable"]
    assert result["status"] == "complete"
    assert result["architecture"]["name"] == "Just do it."
    assert result["architecture"]["goal"] == "Just do it.\nNow."


def test_every_module_sees_only_what_it_declared(start: Start) -> None:
    author = Author(plan(reader("a"), reader("secret"), reader("b", "a"), spec("z", "secret", "b")))
    start(author).run("Do it.")
    (prompt,) = author.prompts("produce", "b")
    assert "a_api_call" in prompt
    assert "secret" not in prompt
    (prompt,) = author.prompts("produce", "z")
    assert "_api_call" not in prompt


@pytest.mark.parametrize("subgraphs", [False, True])
def test_events_tell_every_phase_once(start: Start, subgraphs: bool) -> None:
    author = Author(chain(2), {"produce m1": "Sorry."})
    author.told["mend m1"] = "Sorry."
    driven = start(author)
    events = driven.events("Do it.", subgraphs=subgraphs)
    if subgraphs:
        events = [event for _, event in events]
    steps = [event["step"] for event in events if event["type"] == "step"]
    assert steps == ["architect", "execute", "assemble", "verify", "deliver", "remember"]
    phases = [(event["module"], event["phase"]) for event in events if event["type"] == "module"]
    assert [phase for module, phase in phases if module == "m0"] == ["agreeing", "agreed", "producing", "done"]
    assert [phase for module, phase in phases if module == "m1"] == ["producing", "mending", "mending", "failed"]
    assert phases.index(("m0", "agreed")) < phases.index(("m1", "producing"))
    (mending, _) = [event for event in events if event.get("phase") == "mending"]
    assert "The answer holds no file." in mending["complaints"][0]


def test_events_name_what_blocks_and_what_was_kept(start: Start) -> None:
    author = Author(plan(spec("a"), spec("b", "a"), spec("c")), {"produce a": ZeroDivisionError("oops")})
    driven = start(author)
    events = driven.events("Do it.")
    blocked = next(event for event in events if event.get("phase") == "blocked")
    assert (blocked["module"], blocked["blocked_by"]) == ("b", ["a"])
    failed = next(event for event in events if event.get("phase") == "failed")
    assert "oops" in failed["error"]
    driven.update({}, as_node="approval")
    (begun,) = [event for event in driven.events(None) if event.get("step") == "execute"]
    assert begun["stages"] == ["a.produce", "b.produce"]
    assert begun["settled"] == ["c"]


def test_the_module_subgraph_shows(start: Start) -> None:
    drawn = start(Author(chain(2))).graph.get_graph(xray=True)
    assert {f"execute:{node}" for node in ("distill", "agree", "produce", "mend", "check")} <= set(drawn.nodes)
