"""The plan's shape: defaults, limits, look-up."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from matrioska.state.architecture import MAX_MODULES, Architecture, ModuleSpec


def test_a_module_needs_no_more_than_an_id() -> None:
    spec = ModuleSpec(id=" a ")
    assert (spec.id, spec.title, spec.worker, spec.contract_first, spec.size) == ("a", "a", "chat", True, 1.0)
    assert ModuleSpec(id="a", name="A").title == "A"


def test_a_module_is_found_by_its_id() -> None:
    plan = Architecture(modules=[ModuleSpec(id="a"), ModuleSpec(id="b")])
    assert plan.module("b").id == "b"
    assert not plan.is_direct and Architecture(modules=[ModuleSpec(id="a")]).is_direct
    with pytest.raises(KeyError):
        plan.module("c")


def test_unknown_fields_are_passed_over_and_the_plan_survives_json() -> None:
    plan = Architecture.model_validate({"modules": [{"id": "a", "mood": "good"}], "extra": 1})
    assert Architecture.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("language", ["en", "pt", "pt-BR"])
def test_languages(language: str) -> None:
    assert Architecture(modules=[ModuleSpec(id="a")], language=language).language == language


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"modules": []},
        {"modules": [{}]},
        {"modules": [{"id": "a" * 201}]},
        {"modules": [{"id": "a", "size": 0}]},
        {"modules": [{"id": "a", "size": float("nan")}]},
        {"modules": [{"id": "a", "modality": "A smell!"}]},
        {"modules": [{"id": "a", "dependencies": "b"}]},
        {"modules": [{"id": "a"}], "language": "english"},
        {"modules": [{"id": "a"}] * (MAX_MODULES + 1)},
        {"modules": [{"id": "a", "rules": ["r"] * 101}]},
    ],
    ids=lambda raw: ascii(raw)[:50],
)
def test_what_is_no_plan_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Architecture.model_validate(raw)
