"""Numbered plans: whatever a schema allows is a plan that can be carried out, and revisions keep what stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.numbered import expand_plan, number_plan
from matrioska.nodes.schemas import plan_schema
from matrioska.state.errors import PlanError
from matrioska.state.paths import safe_relative_path
from tests.nodes.shapes import anything
from tests.support import chain, plan, reader, spec


def _module(title: str, *builds_on: int, **fields: Any) -> dict[str, Any]:
    return {"title": title, "description": f"Build {title}.", "builds_on": list(builds_on), **fields}


def _plan(*modules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "Shop", "goal": "A shop.", "language": "pt", **fields, "modules": list(modules)}


def test_a_numbered_plan_becomes_a_whole_one() -> None:
    made = expand_plan(
        _plan(
            _module("Book Store", files=["store.js"], rules=["No network."], size=2),
            _module("Página", 1, 1, files=["index.html"]),
            _module("Guide", 1, 2, modality="prose"),
            constraints=["Runs from disk."],
        )
    )
    store, page, guide = made.modules
    assert [m.id for m in made.modules] == ["book-store", "pagina", "guide"]
    assert (store.name, store.outputs, store.rules, store.size) == ("Book Store", ["store.js"], ["No network."], 2)
    assert (store.shared_state_writes, store.shared_state_reads) == (["book-store.contract"], [])
    assert (page.dependencies, page.shared_state_reads) == (["book-store"], ["book-store.contract"])
    assert page.shared_state_writes == ["pagina.contract"]
    # Nobody builds on the last one, so it promises nothing.
    assert guide.shared_state_writes == [] and guide.modality == "prose"
    assert (made.name, made.language, made.constraints) == ("Shop", "pt", ["Runs from disk."])


@pytest.mark.parametrize(
    ("titles", "ids"),
    [
        (["Page", "Page", "page"], ["page", "page-2", "page-3"]),
        (["Page 2", "Page", "Page"], ["page-2", "page", "page-3"]),
        (["", "日本語", "!"], ["module-1", "module-2", "module-3"]),
        (["3D view", "con", "nul"], ["module-1", "module-2", "module-3"]),
        (["module 2", "?"], ["module-2", "module-2-2"]),
        (["x" * 200, "x" * 200], ["x" * 32, "x" * 32 + "-2"]),
    ],
)
def test_ids_come_from_titles_and_differ(titles: list[str], ids: list[str]) -> None:
    assert [m.id for m in expand_plan(_plan(*map(_module, titles))).modules] == ids


@pytest.mark.parametrize("number", [0, -1, 2, 3, 99])
def test_a_number_that_does_not_come_before_is_complained_of_exactly(number: int) -> None:
    with pytest.raises(PlanError) as refused:
        expand_plan(_plan(_module("A"), _module("B", number), _module("C", 1)))
    assert refused.value.complaints == [
        f"module 2 ('B') builds on module {number}, which does not come before it: name earlier modules only, or "
        "change their order"
    ]


def test_wrong_types_are_complained_of_by_place() -> None:
    with pytest.raises(PlanError) as refused:
        expand_plan(_plan(_module("A"), {"description": "x", "builds_on": ["one"]}))
    assert any(complaint.startswith("modules[2].title") for complaint in refused.value.complaints)
    assert any(complaint.startswith("modules[2].builds_on[1]") for complaint in refused.value.complaints)
    for raw in ({}, {"modules": []}, {"modules": "none"}):
        with pytest.raises(PlanError):
            expand_plan(raw)


def test_faults_that_no_schema_sees_are_found_by_the_plan_checks() -> None:
    with pytest.raises(PlanError, match="unsafe path"):
        expand_plan(_plan(_module("A", files=["../x.js"])))


def test_a_whole_plan_is_taken_though_a_numbered_one_was_asked_for() -> None:
    assert expand_plan(chain(3)) == parse_plan(chain(3))


def test_a_module_that_keeps_its_title_keeps_its_id() -> None:
    before = parse_plan(plan(spec("core", name="Book Store"), spec("p1", name="Page")))
    after = expand_plan(_plan(_module("Page"), _module("book store"), _module("New")), before)
    assert [m.id for m in after.modules] == ["p1", "core", "new"]


def test_a_plan_is_shown_in_numbers_and_read_back() -> None:
    # The reader stands before what it reads.
    before = parse_plan(plan(reader("page", "core"), reader("core"), spec("guide", "page", artifact_reads=["core"])))
    numbered = number_plan(before)
    assert [m["title"] for m in numbered["modules"]] == ["CORE", "PAGE", "GUIDE"]
    assert [m["builds_on"] for m in numbered["modules"]] == [[], [1], [1, 2]]
    again = expand_plan(numbered, before)
    assert {m.id: set(m.dependencies) for m in again.modules} == {
        "core": set(),
        "page": {"core"},
        "guide": {"core", "page"},
    }
    assert number_plan(again) == numbered


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([1_000, 3_000, 12_000]).flatmap(lambda budget: anything(plan_schema(budget))))
def test_whatever_the_schema_allows_is_a_plan(raw: dict[str, Any]) -> None:
    made = expand_plan(json.loads(json.dumps(raw)))
    assert len(made.modules) == len(raw["modules"])
    for module in made.modules:
        safe_relative_path(module.id)


def test_the_example_of_the_prompt_is_a_plan() -> None:
    source = (Path(__file__).parents[2] / "prompts" / "architect_numbered.md").read_text(encoding="utf-8")
    example = source.partition("```json\n")[2].partition("```")[0]
    assert [m.id for m in expand_plan(json.loads(example)).modules] == ["book-store", "main-page"]
