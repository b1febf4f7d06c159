"""Redo: one module again, and of its descendants only those whose own inputs changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.graph.conftest import Start
from tests.support import Author, Driven, chain, plan, reader, spec


def _with_description(driven: Driven, module: str, text: str) -> dict[str, Any]:
    architecture = driven.state().values["architecture"]
    modules = [{**m, "description": text} if m["id"] == module else m for m in architecture["modules"]]
    return {**architecture, "modules": modules}


def _redo(driven: Driven, module: str, text: str) -> dict[str, Any]:
    update = {"architecture": _with_description(driven, module, text), "results": {module: None}}
    driven.update(update, as_node="approval")
    return driven.run(None)


def test_equal_values_run_no_descendant(start: Start) -> None:
    author = Author(chain(4))
    driven = start(author)
    driven.run("Do it.")
    before = driven.results()
    author.calls()
    result = _redo(driven, "m0", "Build m0 differently.")
    assert author.calls() == ["agree m0", "assemble", "produce m0"]
    assert result["status"] == "complete"
    after = driven.results()
    assert after["m0"]["digest"] != before["m0"]["digest"]
    assert {m: after[m] for m in ("m1", "m2", "m3")} == {m: before[m] for m in ("m1", "m2", "m3")}


def test_changed_values_run_the_readers_and_stop_where_values_are_equal_again(start: Start) -> None:
    author = Author(chain(4))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    _redo(driven, "m0", "Build m0. [value:new]")
    # m1 reads m0 and writes what it wrote before, so m2 and m3 have nothing new to see.
    assert author.calls() == ["agree m0", "agree m1", "assemble", "produce m0", "produce m1"]
    assert driven.state().values["shared_state"]["m0.api"]["note"] == "new"


def test_changes_that_are_carried_on_reach_every_descendant(start: Start) -> None:
    architecture = chain(4)
    for module in architecture["modules"][1:3]:
        module["description"] += " [carry]"
    author = Author(architecture)
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    _redo(driven, "m0", "Build m0. [value:new]")
    stages = [f"{stage} m{n}" for stage in ("agree", "produce") for n in range(3)] + ["produce m3"]
    assert author.calls() == sorted([*stages, "assemble"])


def test_a_sibling_never_runs_again(start: Start) -> None:
    author = Author(plan(reader("top"), reader("left", "top"), reader("right", "top"), reader("end", "left", "right")))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    _redo(driven, "left", "Build left. [value:new]")
    assert author.calls() == ["agree left", "assemble", "produce end", "produce left"]


def test_files_that_are_read_count_as_inputs(start: Start) -> None:
    author = Author(plan(spec("base"), spec("copy", artifact_reads=["base"]), spec("after", "base")))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    _redo(driven, "base", "Build base differently.")
    assert author.calls() == ["assemble", "produce base", "produce copy"]


def test_a_redo_as_it_is_runs_only_the_module(start: Start) -> None:
    author = Author(chain(3))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    driven.update({"results": {"m1": None}}, as_node="approval")
    driven.run(None)
    assert author.calls() == ["agree m1", "assemble", "produce m1"]


def test_resuming_an_ended_run_calls_nothing(start: Start) -> None:
    author = Author(chain(3))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    driven.update({}, as_node="approval")
    assert driven.run(None)["status"] == "complete"
    assert author.calls() == ["assemble"]


def test_extra_keys_in_a_contract_do_not_make_a_module_run_again(start: Start) -> None:
    author = Author(chain(2), {"agree m0": '{"m0.api": {"functions": []}, "unasked": 1}'})
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    driven.update({}, as_node="approval")
    driven.run(None)
    assert author.calls() == ["assemble"]
    assert "unasked" not in driven.state().values["shared_state"]


def test_a_module_taken_out_of_the_plan_goes_with_its_values(start: Start) -> None:
    author = Author(plan(reader("keep"), reader("drop")))
    driven = start(author)
    driven.run("Do it.")
    architecture = driven.state().values["architecture"]
    architecture = {**architecture, "modules": [m for m in architecture["modules"] if m["id"] == "keep"]}
    driven.update({"architecture": architecture}, as_node="approval")
    author.calls()
    result = driven.run(None)
    assert author.calls() == []
    assert set(driven.results()) == {"keep"}
    assert list(result["shared_state"]) == ["keep.api"]
    assert [file["path"] for file in result["deliverable"]["files"]] == ["keep.py"]


@pytest.mark.parametrize("broken", ["cycle", "unknown"])
def test_a_broken_plan_set_from_outside_is_refused_and_the_run_can_go_on(start: Start, broken: str) -> None:
    author = Author(chain(2))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    architecture = driven.state().values["architecture"]
    added = {"cycle": {"dependencies": ["m1"]}, "unknown": {"shared_state_reads": ["nobody"]}}[broken]
    modules = [{**architecture["modules"][0], **added}, *architecture["modules"][1:]]
    driven.update({"architecture": {**architecture, "modules": modules}}, as_node="approval")
    with pytest.raises(Exception, match="The plan cannot be carried out"):
        driven.run(None)
    assert author.calls() == []
    driven.update({"architecture": architecture}, as_node="approval")
    assert driven.run(None)["status"] == "complete"
    assert author.calls() == ["assemble"]
