"""Assets in plans: named by the architect, resolved for modules, part of what a module's result depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska.nodes.assets import asset_faults, matching_assets
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.repository import Asset
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from tests.graph.conftest import Start
from tests.support import Author, fenced, plan, spec


def _asset(name: str) -> Asset:
    return Asset(ref=ArtifactRef(path=name, sha256="a" * 64, size=1), description="A file.")


ASSETS = {name: _asset(name) for name in ("images/a.png", "images/b.png", "tune.wav")}


@pytest.mark.parametrize(
    ("reads", "found"),
    [
        (["tune.wav"], ["tune.wav"]),
        (["images/*"], ["images/a.png", "images/b.png"]),
        (["*.png", "images/a.png"], ["images/a.png", "images/b.png"]),
        (["TUNE.WAV"], []),
        ([], []),
    ],
)
def test_a_module_is_given_what_it_names(reads: list[str], found: list[str]) -> None:
    assert list(matching_assets(ModuleSpec(id="a", asset_reads=reads), ASSETS)) == found


def test_a_name_with_brackets_is_found_as_it_stands() -> None:
    assets = {"take [2].wav": _asset("take [2].wav")}
    assert list(matching_assets(ModuleSpec(id="a", asset_reads=["take [2].wav"]), assets)) == ["take [2].wav"]


def test_what_is_not_there_is_said_with_what_is() -> None:
    (fault,) = asset_faults(Architecture.model_validate(plan(spec("a", asset_reads=["tune.mp3"]))), ASSETS)
    assert fault.startswith("module 'a' reads the asset 'tune.mp3', which the project does not have")
    assert "'tune.wav'" in fault
    (fault,) = asset_faults(Architecture.model_validate(plan(spec("a", asset_reads=["*.png"]))), {})
    assert "it has none" in fault


def test_a_plan_of_nothing_but_wrong_names_is_told_of_some() -> None:
    modules = [spec(f"m{n}", asset_reads=[f"tune-{n}-{m}.wav" for m in range(40)]) for n in range(10)]
    faults = asset_faults(Architecture.model_validate(plan(*modules)), ASSETS)
    assert len(faults) == 31
    assert faults[-1] == "and 370 more"


def test_an_architect_that_names_assets_that_are_not_there_is_told(start: Start) -> None:
    author = Author(
        plan(spec("a")), told={"plan": [fenced(plan(spec("a", asset_reads=["x.png"]))), fenced(plan(spec("a")))]}
    )
    result = start(author).run("Do it.")
    assert result["status"] == "complete"
    assert "reads the asset 'x.png', which the project does not have" in author.prompts("plan")[1]


def test_a_person_who_names_one_is_asked_again(start: Start) -> None:
    driven = start(Author(plan(spec("a"))), approval="ask")
    driven.run("Do it.")
    driven.answer({"type": "edit", "args": plan(spec("a", asset_reads=["x.png"]))})
    (asked,) = driven.state().interrupts
    assert any("x.png" in complaint for complaint in asked.value["complaints"]), asked.value
    driven.answer(True)
    assert driven.statuses() == {"a": "done"}


def _stored(base: Path, text: str) -> dict[str, Any]:
    ref = ArtifactStore(Layout.at(base).objects).put_text("x.txt", text)
    return {"x.txt": Asset(ref=ref, domain="data", description="A text.").model_dump(mode="json")}


def test_a_changed_asset_runs_its_readers_again_and_nothing_else(start: Start, tmp_path: Path) -> None:
    author = Author(plan(spec("a"), spec("b")))
    driven = start(author)
    driven.run("Do it.")
    author.calls()
    reads = plan(spec("a", asset_reads=["x.txt"]), spec("b"))
    driven.update({"architecture": reads, "assets": _stored(tmp_path, "one")}, as_node="approval")
    driven.run()
    assert author.calls() == ["assemble", "produce a"]
    driven.update({"assets": _stored(tmp_path, "two")}, as_node="approval")
    driven.run()
    assert author.calls() == ["assemble", "produce a"]


def test_an_asset_that_is_gone_fails_its_reader_alone(start: Start, tmp_path: Path) -> None:
    author = Author(plan(spec("a"), spec("b")))
    driven = start(author)
    driven.run("Do it.")
    driven.update({"architecture": plan(spec("a", asset_reads=["x.png"]), spec("b"))}, as_node="approval")
    driven.run()
    assert driven.statuses() == {"a": "failed", "b": "done"}
    assert "Give it with --asset" in driven.results()["a"]["error"]["next_step"]
