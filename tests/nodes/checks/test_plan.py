"""Plan checks: every fault at once, in words that can be sent back."""

from __future__ import annotations

import cProfile
import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.nodes.checks.plan import parse_plan, plan_complaints
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import PlanError


def _plan(*modules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"modules": list(modules), **fields}


GOOD = [
    _plan({"id": "a"}),
    _plan({"id": "b", "dependencies": ["a"]}, {"id": "a"}),
    _plan({"id": "a", "shared_state_writes": ["k"]}, {"id": "b", "dependencies": ["a"], "shared_state_reads": ["k"]}),
    # through another module, and through its files
    _plan(
        {"id": "a", "shared_state_writes": ["k"]},
        {"id": "b", "dependencies": ["a"]},
        {"id": "c", "artifact_reads": ["b"], "shared_state_reads": ["k", "k"]},
    ),
    _plan({"id": "a", "dependencies": None, "name": None, "size": None}),
    _plan(
        {"id": "a", "outputs": ["index.html", "css/style.css", "a README", "GET /api/tasks", "/api/tasks", "TCP/IP"]}
    ),
    _plan({"id": "a", "outputs": ["https://example.org/a.html", "an app. Fast.", "and so on..."]}),
    _plan({"id": "a", "size": "2.5", "contract_first": "false", "mood": "good"}, language="pt-BR"),
]
BAD = [
    ({}, "'modules' is missing"),
    ([], "not a list"),
    ("plan", "not text"),
    ({"modules": []}, "has no modules"),
    ({"modules": None}, "'modules' is missing"),
    ({"modules": {"a": {}}}, "'modules' must be a list, not an object"),
    (_plan({}), "module (number 1 of the plan): 'id' is missing"),
    (_plan("a"), "module (number 1 of the plan) must be a JSON object, not text"),
    (_plan({"id": 7}), "'id' must be text, not a number"),
    (
        _plan({"id": "a", "dependencies": "b"}),
        "module 'a' (number 1 of the plan): 'dependencies' must be a list, not text",
    ),
    (_plan({"id": "a", "rules": [1]}), "'rules', entry 1 must be text, not a number"),
    (_plan({"id": "a", "modality": "smell"}), "'modality' must be one of"),
    (_plan({"id": "a", "size": -1}), "'size' must be greater than 0"),
    (_plan({"id": "a", "size": 1e9}), "'size' must be at most"),
    (_plan({"id": "a", "size": "big"}), "'size' must be a number, not text"),
    (_plan({"id": "a", "contract_first": "perhaps"}), "'contract_first' must be true or false"),
    (_plan({"id": "a", "rules": ["r"] * 101}), "'rules' has more than 100 entries"),
    (_plan({"id": "a", "name": "n" * 300}), "'name' is longer than 200 characters"),
    (_plan({"id": "a"}, language="english"), "language code such as 'en'"),
    (_plan(*[{"id": f"m{n}"} for n in range(5_001)]), "more than 5000 modules"),
    (_plan({"id": "a", "size": float("nan")}), "not plain JSON"),
    (_plan({"id": "A b"}), "the module id 'A b' is malformed"),
    (_plan({"id": "con"}), "cannot name a folder"),
    (_plan({"id": "a"}, {"id": "a"}, {"id": "a"}), "3 modules have the id 'a'"),
    (_plan({"id": "a", "dependencies": ["a"]}), "module 'a' depends on itself"),
    (_plan({"id": "a", "artifact_reads": ["a"]}), "module 'a' reads the files of itself"),
    (
        _plan({"id": "tasks"}, {"id": "b", "dependencies": ["task"]}),
        "'task', which is not in the plan (did you mean 'tasks'?)",
    ),
    (_plan({"id": "a", "artifact_reads": ["zz"]}), "reads the files of 'zz', which is not in the plan"),
    (_plan({"id": "a", "dependencies": ["b"]}, {"id": "b", "dependencies": ["a"]}), "cycle: a -> b -> a"),
    (_plan({"id": "a", "dependencies": ["b"]}, {"id": "b", "artifact_reads": ["a"]}), "cycle: a -> b -> a"),
    (_plan({"id": "a", "shared_state_reads": ["k"]}), "reads the key 'k', which no module writes"),
    (_plan({"id": "a", "shared_state_reads": ["k"], "shared_state_writes": ["k"]}), "'k', which it writes itself"),
    (
        _plan({"id": "a", "shared_state_writes": ["k"]}, {"id": "b", "shared_state_reads": ["k"]}),
        "add 'a' to its dependencies",
    ),
    (
        _plan(
            {"id": "a", "shared_state_writes": ["k"], "dependencies": ["b"]}, {"id": "b", "shared_state_reads": ["k"]}
        ),
        "which comes after it",
    ),
    (
        _plan({"id": "a", "shared_state_writes": ["k"]}, {"id": "b", "shared_state_writes": ["k"]}),
        "the key 'k' is written by 'a', 'b'",
    ),
    (_plan({"id": "a", "shared_state_writes": ["a b"]}), "the shared_state key 'a b' of module 'a' is malformed"),
    (_plan({"id": "a", "outputs": ["../b/index.html"]}), "unsafe path"),
    (_plan({"id": "a", "outputs": ["/etc/x.conf"]}), "unsafe path"),
    (_plan({"id": "a", "outputs": ["C:\\x\\y.txt"]}), "unsafe path"),
    (_plan({"id": "a", "outputs": ["con.txt"]}), "unsafe path"),
]


@pytest.mark.parametrize("raw", GOOD)
def test_a_plan_that_can_be_carried_out_passes(raw: dict[str, Any]) -> None:
    assert plan_complaints(parse_plan(raw)) == []


@pytest.mark.parametrize(("raw", "words"), BAD, ids=lambda value: ascii(value)[:50])
def test_a_faulty_plan_is_refused_in_words(raw: Any, words: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse_plan(raw)
    assert any(words in complaint for complaint in refused.value.complaints), refused.value.complaints
    for jargon in ("pydantic", "validation error", "type=", "loc"):
        assert jargon not in str(refused.value)


def test_every_fault_is_named_at_once() -> None:
    raw = _plan(
        {"id": "A"},
        {"id": "b", "dependencies": ["b", "zz"], "shared_state_reads": ["nobody"]},
        {"id": "c", "dependencies": ["d"]},
        {"id": "d", "dependencies": ["c"], "outputs": ["../x.md"]},
    )
    with pytest.raises(PlanError) as refused:
        parse_plan(raw)
    assert len(refused.value.complaints) == 6


def test_each_cycle_is_named_once_and_in_order() -> None:
    specs = [ModuleSpec(id=x, dependencies=[y]) for x, y in ["ab", "bc", "ca", "xy", "yx"]]
    complaints = plan_complaints(Architecture(modules=specs))
    assert complaints == [
        "the dependencies form a cycle: a -> b -> c -> a",
        "the dependencies form a cycle: x -> y -> x",
    ]


def test_complaints_are_bounded() -> None:
    complaints = plan_complaints(Architecture(modules=[ModuleSpec(id=f"M{n}") for n in range(100)]))
    assert len(complaints) == 31 and complaints[-1] == "and 70 more"


def _shaped(shape: str, count: int) -> Architecture:
    # Ids of its own: what is remembered of names checked before would make one plan cheaper than another.
    name = f"{shape}-{count}-".__add__
    before = {
        "chain": lambda n: [name(str(n - 1))] if n else [],
        "ring": lambda n: [name(str((n + 1) % count))],
        "broken": lambda n: [name(f"gone{n}")],
        "dense": lambda n: [name(str(k)) for k in range(max(0, n - 20), n)],
    }[shape]
    specs = [
        ModuleSpec(
            id=name(str(n)),
            dependencies=before(n),
            shared_state_writes=[f"k{n}"],
            shared_state_reads=["k0"] if n else [],
        )
        for n in range(count)
    ]
    return Architecture(modules=specs)


def _work(plan: Architecture) -> int:
    """Return how many functions are called to check a plan: the same number on every machine."""
    profile = cProfile.Profile()
    # What others have hung on garbage collection would be counted as ours.
    gc.disable()
    try:
        profile.runcall(plan_complaints, plan)
    finally:
        gc.enable()
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("shape", ["chain", "ring", "broken", "dense"])
def test_the_work_grows_with_the_modules_and_not_with_their_square(shape: str) -> None:
    # Four times the modules are four times the work, sixteen times if every pair is looked at.
    assert _work(_shaped(shape, 4_000)) < 6 * _work(_shaped(shape, 1_000))
    assert bool(plan_complaints(_shaped(shape, 5_000))) == (shape in {"ring", "broken"})


_ids = st.sampled_from(["a", "b", "c", "d", "e"])
_specs = st.builds(
    ModuleSpec,
    id=_ids,
    dependencies=st.lists(_ids, max_size=3),
    artifact_reads=st.lists(_ids, max_size=1),
    shared_state_reads=st.lists(st.sampled_from("kl"), max_size=2),
    shared_state_writes=st.lists(st.sampled_from("kl"), max_size=1),
)


@settings(deadline=None)
@given(st.lists(_specs, min_size=1, max_size=5))
def test_a_plan_without_complaints_can_be_ordered(specs: list[ModuleSpec]) -> None:
    if plan_complaints(Architecture(modules=specs)):
        return
    done: set[str] = set()
    written: set[str] = set()
    while len(done) < len(specs):
        ready = [s for s in specs if s.id not in done and {*s.dependencies, *s.artifact_reads} <= done]
        assert ready
        for spec in ready:
            assert set(spec.shared_state_reads) <= written
        done.update(spec.id for spec in ready)
        written.update(key for spec in ready for key in spec.shared_state_writes)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.booleans(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["modules", "id", "dependencies", "name", "size", "x"]), x)
        ),
        max_leaves=15,
    )
)
def test_nothing_but_a_plan_error_is_ever_raised(raw: Any) -> None:
    try:
        parse_plan(raw)
    except PlanError as error:
        assert error.complaints
