"""The tree from the settings: every fault told at once, with its place, before anybody is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.cascade import MAX_LEVELS, MAX_MINDS, MindTree
from matrioska.state.errors import ConfigError, TreeError
from matrioska.store.settings import CONFIG_FILE
from matrioska.workers.cascade.tree import default_tree, load_tree

MODEL = "ollama:qwen3:8b"
MEMBERS = '[members.big]\nmodel = "ollama:qwen3:14b"\n'


def _settings(*minds: dict[str, Any], top: str = "") -> None:
    tables = [f"{MEMBERS}[cascade]\n{top}"]
    for mind in minds:
        tables.append("[[cascade.minds]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in mind.items()))
    Path(CONFIG_FILE).write_text("\n".join(tables), encoding="utf-8")


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def _faults(*minds: dict[str, Any], top: str = "") -> list[str]:
    _settings(*minds, top=top)
    with pytest.raises(TreeError) as refused:
        load_tree(MODEL)
    assert "[cascade] of matrioska.toml" in str(refused.value)
    assert all(fault in str(refused.value) for fault in refused.value.faults)
    return refused.value.faults


def _chain(length: int) -> list[dict[str, Any]]:
    return [{"id": f"m{number}", **({"parent": f"m{number - 1}"} if number else {})} for number in range(length)]


def test_without_minds_there_are_the_six() -> None:
    tree = load_tree(MODEL)
    assert tree == default_tree()
    assert {spec.id: spec.parent for spec in tree.minds} == {
        "atlas": None,
        "nova": "atlas",
        "echo": "nova",
        "pixel": "nova",
        "sage": "atlas",
        "quantum": "sage",
    }
    assert tree.mind("quantum").reflections == 3
    assert all(spec.role and spec.speciality for spec in tree.minds)
    assert {spec.model for spec in default_tree("big").minds} == {"big"}


def test_the_settings_describe_a_tree_in_any_order() -> None:
    _settings(
        {"id": "leaf", "parent": "inner", "speciality": "details", "reflections": 0, "critique": False},
        {"id": "other", "parent": "top", "model": "big"},
        {"id": "top", "name": "The Top", "role": "You decide.", "model": "ollama:llama3"},
        {"id": "inner", "parent": "top"},
        top="mind_timeout = 20\n",
    )
    tree = load_tree(MODEL)
    assert [spec.id for spec in tree.minds] == ["top", "other", "inner", "leaf"]
    assert tree.mind_timeout == 20
    assert tree.minds[0].called == "The Top"
    assert tree.mind("other").model == "big"
    assert [spec.id for spec in tree.children("top")] == ["other", "inner"]
    assert load_tree("object:Scripted") == tree
    assert MindTree.model_validate(tree.model_dump(mode="json")) == tree


@pytest.mark.parametrize(
    ("minds", "faults"),
    [
        (
            [{"id": "a"}, {"id": "b", "parent": "d"}, {"id": "c", "parent": "b"}, {"id": "d", "parent": "c"}],
            ["the parents go in a circle: b → d → c → b"],
        ),
        ([{"id": "a"}, {"id": "b", "parent": "b"}], ["the parents go in a circle: b → b"]),
        (
            [{"id": "atlas"}, {"id": "b", "parent": "atlsa"}],
            ["b: there is no mind 'atlsa', its parent (did you mean 'atlas'?)"],
        ),
        ([{"id": "a"}, {"id": "b"}], ["2 minds have no parent, and one is the root: a, b"]),
        ([{"id": "a", "parent": "b"}], ["a: there is no mind 'b', its parent"]),
        ([{"id": "a"}, {"id": "b", "parent": "a"}, {"id": "b", "parent": "a"}], ["mind 3 (b): it has the id of mind 2 (b)"]),
        ([{"id": "a", "model": "bgi"}], ["mind 1 (a): There is no model 'bgi' (did you mean 'big'?)"]),
        ([{"id": "a", "model": "zzzzzz:x"}], ["mind 1 (a): There is no model 'zzzzzz:x'"]),
        ([{"id": "a", "model": "embedded"}], ["mind 1 (a): the embedded model answers no questions; name a real one"]),
        ([{"id": "a", "model": "ensemble"}], ["mind 1 (a): No ensemble is configured"]),
        (
            [{"id": "a", "model": "embedded"}, {"id": "b"}, {"id": "c", "parent": "x"}],
            [
                "mind 1 (a): the embedded model answers no questions; name a real one",
                "c: there is no mind 'x', its parent",
                "2 minds have no parent, and one is the root: a, b",
            ],
        ),
        ([{"id": "a", "rolle": "x"}], ["mind 1 (a): there is no field 'rolle' (did you mean 'role'?)"]),
        ([{"id": "a", "reflections": 11}], ["mind 1 (a): reflections: Input should be less than or equal to 10"]),
        ([{"id": "a", "reflections": "2"}], ["mind 1 (a): reflections: Input should be a valid integer"]),
        ([{"id": "A b"}], ["mind 1 (A b): id: String should match pattern '^[a-z][a-z0-9_-]{0,63}$'"]),
        ([{"role": "x"}], ["mind 1: id: Field required"]),
        ([{"id": "a", "role": "x" * 4_001}], ["mind 1 (a): role: String should have at most 4000 characters"]),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(minds: list[dict[str, Any]], faults: list[str]) -> None:
    assert _faults(*minds) == faults


def test_all_faults_are_told_at_once() -> None:
    minds = [{"id": "a", "colour": "red", "model": "embedded"}, {"id": "B"}, {"id": "c", "critique": "yes"}]
    faults = _faults(*minds, top="mind_timeout = 0\nlevels = 3\n")
    assert len(faults) == 6
    more = _faults(*({"id": "a", "colour": number} for number in range(30)))
    assert len(more) == 21
    assert more[-1] == "and 39 more"


@pytest.mark.parametrize("depth", [MAX_LEVELS + 1, 50])
def test_a_tree_that_is_too_deep_is_refused_with_the_limit_and_why(depth: int) -> None:
    (fault,) = _faults(*_chain(depth))
    assert f"{depth} levels deep, and {MAX_LEVELS} are the most" in fault
    assert "waits for all below" in fault


def test_a_tree_as_deep_as_may_be_is_taken() -> None:
    _settings(*_chain(MAX_LEVELS))
    assert len(load_tree(MODEL).minds) == MAX_LEVELS


def test_too_many_minds_are_refused() -> None:
    (fault,) = _faults(*({"id": f"m{number}"} for number in range(MAX_MINDS + 1)))
    assert fault == "minds: there are 1,001, and 1,000 are the most"


@pytest.mark.parametrize("minds", ['"six"', "[]", '{ atlas = "x" }', "[1, 2]"])
def test_minds_of_another_kind_are_refused(minds: str) -> None:
    faults = _faults(top=f"minds = {minds}\n")
    assert any("[[cascade.minds]]" in fault or "it is no table" in fault for fault in faults)


def test_minds_left_to_the_embedded_model_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="answers no questions, and Atlas, Nova") as refused:
        load_tree("embedded")
    assert "LM Studio" in refused.value.next_step
    with pytest.raises(ConfigError, match="answers no questions"):
        load_tree()


def test_the_settings_worker_thinks_by_default() -> None:
    Path(CONFIG_FILE).write_text('[roles]\nworker = "ollama:qwen3:8b"\n', encoding="utf-8")
    assert len(load_tree().minds) == 6


@given(
    parents=st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_parents_of_any_kind_make_a_tree_or_a_fault(parents: list[int | None], order: Any) -> None:
    minds = [
        {"id": f"m{number}", **({} if parent is None else {"parent": f"m{parent}"})}
        for number, parent in enumerate(parents)
    ]
    order.shuffle(minds)
    _settings(*minds)
    try:
        tree = load_tree(MODEL)
    except TreeError as error:
        assert error.faults
        return
    seen: set[str | None] = {None}
    for spec in tree.minds:
        assert spec.parent in seen
        seen.add(spec.id)
    assert {spec.id for spec in tree.minds} == {mind["id"] for mind in minds}
    assert [spec.id for spec in tree.minds if spec.parent is None] == [tree.minds[0].id]
