"""The context package: what is declared goes in, what does not fit is left out and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.gateway.tokens import estimate
from matrioska.nodes.distill import DEFAULT_BUDGET, build_package
from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import ConfigError
from matrioska.state.jobs import Job, Project
from matrioska.store.artifacts import ArtifactStore

PROJECT = Project(name="P", goal="Have it.", constraints=["Small."], language="en")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def _job(**fields: Any) -> Job:
    return Job(kind="produce", project=PROJECT, spec=ModuleSpec(id="a", description="Build a."), **fields)


def test_goal_manual_and_values_go_in_word_for_word(store: ArtifactStore) -> None:
    package, record = build_package(_job(values={"k": {"deep": [1, "ü"]}}), store, DEFAULT_BUDGET)
    texts = {section.name: section.text for section in package.sections}
    assert json.loads(texts["project"]) == PROJECT.model_dump()
    assert json.loads(texts["module"])["description"] == "Build a."
    assert json.loads(texts["values"]) == {"k": {"deep": [1, "ü"]}}
    assert record["included"] == {name: estimate(text) for name, text in texts.items()}
    assert record["left_out"] == {}


def test_a_promise_comes_along(store: ArtifactStore) -> None:
    package, _ = build_package(_job(promised={"a.api": 1}), store, DEFAULT_BUDGET)
    assert [section.name for section in package.sections] == ["project", "module", "values", "contract"]


def test_files_that_do_not_fit_are_left_out_and_written_down(store: ArtifactStore) -> None:
    job = _job(readable={"b": [store.put_text("big.txt", "word " * 2_000)]})
    package, record = build_package(job, store, 500)
    assert "artifacts" not in {section.name for section in package.sections}
    assert record["left_out"]["artifacts"] > 2_000
    assert sum(record["included"].values()) <= record["budget"] == 500
    package, record = build_package(job, store, 5_000)
    assert package.sections[-1].name == "artifacts"
    assert "path=../b/big.txt" in package.sections[-1].text
    assert record["left_out"] == {}


def test_what_cannot_be_left_out_names_the_largest(store: ArtifactStore) -> None:
    job = _job(values={"k": "x" * 10_000})
    with pytest.raises(ConfigError, match=r"its values alone takes 2,5\d\d") as caught:
        build_package(job, store, 500)
    assert "token_budget" in caught.value.next_step


def test_equal_jobs_make_equal_packages(store: ArtifactStore) -> None:
    assert build_package(_job(values={"k": 1}), store, 999) == build_package(_job(values={"k": 1}), store, 999)


def test_tokens_are_counted_as_the_model_counts_them(store: ArtifactStore) -> None:
    job = _job(readable={"b": [store.put_text("big.txt", "word " * 2_000)]})
    _, record = build_package(job, store, 5_000, count=len)
    assert record["left_out"]["artifacts"] > 10_000
    assert record["included"]["project"] == len(build_package(job, store, 5_000)[0].sections[0].text)
