"""The schedule is pure: its properties on random plans."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from matrioska.graph.schedule import Links, Stage, plan_stages
from matrioska.nodes.checks.plan import plan_complaints
from matrioska.state.architecture import Architecture
from tests.support import chain, plan, reader, spec


@st.composite
def plans(draw: st.DrawFn, largest: int = 9) -> Architecture:
    """Return a plan that passes the plan checks, with every way of depending on another module."""
    modules = []
    for n in range(draw(st.integers(1, largest))):
        earlier = [f"m{k}" for k in range(n)]
        some = st.lists(st.sampled_from(earlier), unique=True, max_size=3) if earlier else st.just([])
        dependencies = draw(some)
        reads = [f"{other}.api" for other in draw(some) if other in dependencies]
        modules.append(
            spec(
                f"m{n}",
                *dependencies,
                shared_state_reads=reads,
                shared_state_writes=[f"m{n}.api"],
                artifact_reads=draw(some),
                contract_first=draw(st.booleans()),
                size=draw(st.sampled_from([0.1, 1.0, 5.0])),
            )
        )
    architecture = Architecture.model_validate(plan(*draw(st.permutations(modules))))
    assert plan_complaints(architecture) == []
    return architecture


def _stages(architecture: Architecture) -> dict[str, Stage]:
    links = Links(architecture)
    return {stage.id: stage for stage in plan_stages(links, links.specs)}


@given(plans())
def test_stages_are_called_after_what_they_need(architecture: Architecture) -> None:
    called: set[str] = set()
    for stage in _stages(architecture).values():
        assert set(stage.needs) <= called
        called.add(stage.id)


@given(plans(), st.randoms())
def test_the_order_depends_on_the_plan_alone(architecture: Architecture, chance: Any) -> None:
    modules = list(architecture.modules)
    chance.shuffle(modules)
    shuffled = architecture.model_copy(update={"modules": modules})
    assert list(_stages(shuffled).values()) == list(_stages(architecture).values())


@given(plans())
def test_a_rank_is_the_longest_way_to_the_end(architecture: Architecture) -> None:
    stages = _stages(architecture)
    followers: dict[str, list[Stage]] = {stage_id: [] for stage_id in stages}
    for stage in stages.values():
        for need in stage.needs:
            followers[need].append(stage)
    for stage in stages.values():
        size = architecture.module(stage.module).size * (0.15 if stage.kind == "agree" else 1.0)
        assert abs(stage.rank - size - max((f.rank for f in followers[stage.id]), default=0.0)) < 1e-9
    ranks = [stage.rank for stage in stages.values()]
    free = [stage for stage in stages.values() if not stage.needs]
    assert max(ranks) == max(stage.rank for stage in free)


@given(plans())
def test_every_module_is_made_once_and_agrees_only_for_readers(architecture: Architecture) -> None:
    read = {key for module in architecture.modules for key in module.shared_state_reads}
    stages = _stages(architecture)
    for module in architecture.modules:
        kinds = [stage.kind for stage in stages.values() if stage.module == module.id]
        agrees = module.contract_first and bool(read & set(module.shared_state_writes))
        assert kinds == (["agree", "produce"] if agrees else ["produce"])


def _upstream(stages: dict[str, Stage], stage_id: str) -> set[str]:
    found, stack = set[str](), [stage_id]
    while stack:
        for need in stages[stack.pop()].needs:
            if need not in found:
                found.add(need)
                stack.append(need)
    return found


@given(plans())
def test_what_a_stage_uses_is_there_when_it_begins(architecture: Architecture) -> None:
    stages = _stages(architecture)
    for stage in stages.values():
        module, ready = architecture.module(stage.module), _upstream(stages, stage.id)
        for key in module.shared_state_reads:
            writer = key.removesuffix(".api")
            assert {f"{writer}.agree", f"{writer}.produce"} & ready
        if stage.kind == "produce":
            assert {f"{other}.produce" for other in module.artifact_reads} <= ready
        for other in module.dependencies:
            assert {f"{other}.agree", f"{other}.produce"} & ready


@given(plans())
def test_nobody_waits_for_files_that_a_contract_stands_in_for(architecture: Architecture) -> None:
    stages = _stages(architecture)
    for stage in stages.values():
        module = architecture.module(stage.module)
        for need in stage.needs:
            other, _, kind = need.rpartition(".")
            if kind == "produce" and f"{other}.agree" in stages:
                assert stage.kind == "produce"
                assert other in module.artifact_reads


@given(plans())
def test_what_changes_reaches_exactly_its_descendants(architecture: Architecture) -> None:
    links = Links(architecture)
    order = links.topological()
    assert sorted(order) == sorted(links.specs)
    for module in links.specs:
        reached = links.affected([module])
        expected = {module}
        for later in order:
            if expected & set(links.upstream[later]):
                expected.add(later)
        assert reached == expected


def _needs(architecture: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {stage.id: stage.needs for stage in _stages(Architecture.model_validate(architecture)).values()}


def test_a_chain_of_contracts_lets_the_long_work_run_side_by_side() -> None:
    assert _needs(chain(3)) == {
        "m0.agree": (),
        "m0.produce": ("m0.agree",),
        "m1.agree": ("m0.agree",),
        "m1.produce": ("m0.agree", "m1.agree"),
        "m2.produce": ("m1.agree",),
    }


def test_files_that_are_read_are_waited_for_but_only_by_the_work() -> None:
    found = _needs(
        plan(reader("a"), reader("b", artifact_reads=["a"]), spec("c", "b", shared_state_reads=["b.api", "a.api"]))
    )
    assert found["b.agree"] == ()
    assert found["b.produce"] == ("a.agree", "a.produce", "b.agree")
    assert found["c.produce"] == ("a.agree", "b.agree")


def test_values_known_afterwards_are_waited_for_to_the_end() -> None:
    found = _needs(
        plan(reader("a", contract_first=False), reader("b", "a"), spec("c", "b", shared_state_reads=["b.api"]))
    )
    assert found == {
        "a.produce": (),
        "b.agree": ("a.produce",),
        "b.produce": ("a.produce", "b.agree"),
        "c.produce": ("b.agree",),
    }


def test_a_mend_is_one_stage_and_is_waited_for() -> None:
    links = Links(Architecture.model_validate(chain(2)))
    stages = plan_stages(links, ["m0", "m1"], to_mend=["m0"])
    assert {stage.id: stage.needs for stage in stages} == {"m0.mend": (), "m1.produce": ("m0.mend",)}


def test_deep_plans_need_no_recursion() -> None:
    assert len(_stages(Architecture.model_validate(chain(3000)))) == 5999
