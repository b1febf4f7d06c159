"""A topology from settings or a file: every fault is told at once, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matrioska.state.errors import ConfigError, TopologyError
from matrioska.store.settings import CONFIG_FILE
from matrioska.workers.ensemble.topology import EXAMPLE, MAX_FILE, load_topology

MODELS = {"model_a": "ollama:a", "model_b": "ollama:b"}


def _gguf(*names: str) -> None:
    for name in names:
        place = Path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"GGUF\x03\0\0\0")


def _write(data: Any, name: str = "topology.json") -> Path:
    place = Path(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return place


def _faults(data: Any) -> list[str]:
    with pytest.raises(TopologyError) as refused:
        load_topology(_write(data))
    assert all(fault in str(refused.value) for fault in refused.value.faults)
    assert refused.value.next_step
    return refused.value.faults


def test_the_third_systems_file_with_lists() -> None:
    _gguf("house/models/a.gguf", "house/models/b.gguf", "house/big.gguf")
    node = {"model_a_path": "models/a.gguf", "model_b_path": "models/b.gguf"}
    data = {
        "superllm": {"model_path": "big.gguf"},
        "superclusters": [
            {"id": "science", "clusters": [{"id": "maths", "nodes": [{"id": "n1", **node, "fitness": 0.9}]}]},
        ],
        "clusters": [{"id": "words", "nodes": [{"id": "n2", **node, "fitness": 0}]}],
        "direct_nodes": [{"id": "n3", **node, "model_b_path": "ollama:qwen3:4b"}],
    }
    topology = load_topology(_write(data, "house/topology.json"))
    folder = Path.cwd() / "house"
    assert topology.synthesizer == f"gguf:{folder / 'big.gguf'}"
    assert [(n.id, n.supercluster, n.cluster, n.fitness) for n in topology.nodes] == [
        ("n1", "science", "maths", 0.9),
        ("n2", "", "words", 0.0),
        ("n3", "", "", 0.5),
    ]
    assert topology.nodes[0].model_a == f"gguf:{folder / 'models/a.gguf'}"
    assert topology.nodes[2].model_b == "ollama:qwen3:4b"


def test_the_third_systems_file_with_tables_by_id() -> None:
    data = {
        "superclusters": {"s": {"clusters": {"c": {"nodes": {"n1": MODELS}}}, "nodes": {"n2": MODELS}}},
        "nodes": {"n3": {**MODELS, "cluster": "c2", "tie_break": "ollama:c"}},
        "node_timeout": 5,
        "max_chunks": 3,
    }
    topology = load_topology(_write(data))
    assert [(n.id, n.supercluster, n.cluster) for n in topology.nodes] == [
        ("n1", "s", "c"),
        ("n2", "s", ""),
        ("n3", "", "c2"),
    ]
    assert (topology.node_timeout, topology.max_chunks, topology.synthesizer) == (5.0, 3, None)
    assert topology.nodes[2].tie_break == "ollama:c"


def test_a_path_wins_its_place_from_the_file_and_an_absolute_one_stays() -> None:
    _gguf("models/a.gguf")
    absolute = Path("models/a.gguf").absolute()
    data = {"nodes": [{"id": "n", "model_a_path": str(absolute), "model_b": "gguf:../models/a.gguf"}]}
    node = load_topology(_write(data, "below/topology.json")).nodes[0]
    assert node.model_a == node.model_b == f"gguf:{absolute}"


def test_the_settings_hold_one() -> None:
    Path(CONFIG_FILE).write_text(
        '[members.small]\nmodel = "ollama:qwen3:4b"\n[ensemble]\nsynthesizer = "small"\nnode_timeout = 7\n'
        '[[ensemble.nodes]]\nid = "n"\nmodel_a = "small"\nmodel_b = "ollama:tiny"\n',
        encoding="utf-8",
    )
    topology = load_topology()
    assert (topology.synthesizer, topology.node_timeout) == ("small", 7.0)
    assert (topology.nodes[0].model_a, topology.nodes[0].model_b) == ("small", "ollama:tiny")


def test_the_settings_may_name_a_file() -> None:
    _write({"nodes": [{"id": "n", **MODELS}]}, "house/topology.json")
    Path(CONFIG_FILE).write_text('[ensemble]\ntopology = "house/topology.json"\n', encoding="utf-8")
    assert [node.id for node in load_topology().nodes] == ["n"]
    Path(CONFIG_FILE).write_text('[ensemble]\ntopology = "house/topology.json"\nmax_chunks = 3\n', encoding="utf-8")
    with pytest.raises(TopologyError, match="nothing else stands beside it"):
        load_topology()


def test_without_one_the_error_shows_the_least_that_works() -> None:
    with pytest.raises(ConfigError) as refused:
        load_topology()
    assert EXAMPLE in refused.value.next_step
    _gguf("models/gemma-3-4b.gguf")
    Path(CONFIG_FILE).write_text(EXAMPLE, encoding="utf-8")
    assert [node.id for node in load_topology().nodes] == ["first"]


def test_every_fault_is_told_at_once_with_its_place() -> None:
    _gguf("a.gguf")
    Path("text.gguf").write_text("hello")
    data = {
        "superlm": {},
        "nodes": [
            {"id": "n", "model_a_path": "gone.gguf", "model_b_path": "a.gguf", "fitness": -0.1},
            {"id": "n", "model_a_path": "a.gguf", "model_b_path": "text.gguf", "fitnes": 1},
            {"model_a": "nobody:x", "model_b": "a.gguf", "fitness": 1.5},
            "n4",
            {"id": "bad id", **MODELS},
        ],
    }
    faults = _faults(data)
    for expected in (
        "there is no field 'superlm' (did you mean 'superllm'?)",
        "nodes[0]: fitness is -0.1, and must be a number from 0 to 1",
        f"nodes[0].model_a: gguf:{Path.cwd()}/gone.gguf cannot be loaded: there is no such file",
        "nodes[1]: there is no field 'fitnes' (did you mean 'fitness'?)",
        "nodes[1]: the id 'n' is that of nodes[0] too",
        f"nodes[1].model_b: gguf:{Path.cwd()}/text.gguf cannot be loaded: it is no GGUF file",
        "nodes[2]: it has no id",
        "nodes[2]: fitness is 1.5, and must be a number from 0 to 1",
        "nodes[3]: it is no table",
    ):
        assert expected in faults
    assert any(fault.startswith("nodes[2].model_a: There is no model 'nobody:x'") for fault in faults)
    assert any(fault.startswith("nodes[4].id: String should match pattern") for fault in faults)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"nodes": {"n": {}, "n": {}}}', "the key 'n' stands twice in one table"),
        ('{"node_timeout": NaN}', "NaN is no number"),
        ("[]", "it is no table"),
        (
            '{"nodes": [{"id": "n", "model_a": "embedded", "model_b": "ollama:m"}]}',
            "nodes[0].model_a: the embedded model answers no questions",
        ),
        ({}, "it has no nodes"),
        ({"nodes": []}, "it has no nodes"),
        ({"clusters": [{"id": "c", "nodes": {}}]}, "it has no nodes"),
        ({"nodes": "n"}, "nodes: it is no table"),
        ({"nodes": {"n": {**MODELS, "id": "m"}}}, "its id is 'm', and it stands under another"),
        ({"nodes": [{"id": "n", "model_a": "ollama:a"}]}, "nodes[0].model_b: it names no model"),
        ({"nodes": [{"id": "n", **MODELS, "fitness": True}]}, "fitness is True"),
        ({"nodes": [{"id": "n", **MODELS, "fitness": "1"}]}, "fitness is '1'"),
        ({"nodes": [{"id": "n", **MODELS, "model_a_path": "a"}]}, "model_a_path stands beside it"),
        ({"nodes": [{"id": "n", **MODELS}], "node_timeout": 0}, "node_timeout: Input should be greater than 0"),
        (
            {"nodes": [{"id": "n", **MODELS}], "superllm": {"model_path": "gone"}},
            "gone cannot be loaded: there is no such file",
        ),
        ({"nodes": [{"id": "n", **MODELS}], "superllm": "x"}, "superllm: it is a table with one field"),
        ({"clusters": [{"id": "c"}, {"id": "c", "nodes": {"n": MODELS}}]}, "the id 'c' is that of clusters[0] too"),
        ({"clusters": [{"nodes": {"n": MODELS}}]}, "clusters[0]: it has no id"),
        (
            {"nodes": [{"id": "n", **MODELS, "tie_break_path": "~nobody-of-that-name/a"}]},
            "nodes[0].tie_break: gguf:~nobody",
        ),
        ({"nodes": [{"id": "n", **MODELS, "tie_break_path": "a\0b"}]}, "nodes[0].tie_break: gguf:"),
        ({"nodes": [{"id": f"n{n}", **MODELS} for n in range(1_001)]}, "1000 are the most"),
        ("x" * (MAX_FILE + 1), "it is larger than 1 MB"),
    ],
)
def test_one_fault(data: Any, says: str) -> None:
    assert says in " ".join(_faults(data))


def test_a_hostile_file_makes_no_endless_complaint() -> None:
    faults = _faults({"nodes": [{"id": "x" * 3_000, "y" * 3_000: 1} for _ in range(100)]})
    assert len(faults) == 21
    assert max(map(len, faults)) < 500


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_topology(Path("gone.json"))


def test_a_member_that_is_not_there_is_told_with_the_nearest() -> None:
    Path(CONFIG_FILE).write_text('[members.small]\nmodel = "ollama:a"\n', encoding="utf-8")
    assert "did you mean 'small'" in " ".join(_faults({"nodes": [{"id": "n", "model_a": "smal", "model_b": "small"}]}))
