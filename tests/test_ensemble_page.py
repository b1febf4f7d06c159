"""What docs/ensemble.md says is true: its topologies load, and its tables name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from matrioska.state.architecture import ModuleSpec
from matrioska.state.ensemble import EnsembleAnswer, NodeSpec, Topology
from matrioska.web.openapi import openapi
from matrioska.workers.ensemble.topology import load_topology
from matrioska.workers.ensemble.worker import WorkerOptions

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "ensemble.md").read_text(encoding="utf-8")
_TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
_TOPOLOGY, _MODULE = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("settings", _TOML, ids=range(len(_TOML)))
def test_the_settings_load(settings: str) -> None:
    Path("matrioska.toml").write_text(settings)
    topology = load_topology()
    assert [spec.id for spec in topology.nodes] == ["quick", "careful"]
    assert topology.synthesizer
    assert topology.nodes[1].tie_break


def test_the_topology_file_loads() -> None:
    Path("models").mkdir()
    for name in re.findall(r"models/(\w+\.gguf)", _TOPOLOGY):
        (Path("models") / name).write_bytes(b"GGUF" + bytes(64))
    Path("topology.json").write_text(_TOPOLOGY)
    topology = load_topology(Path("topology.json"))
    assert {spec.id: spec.supercluster for spec in topology.nodes} == {"quick": "house", "careful": ""}


def test_the_module_is_one() -> None:
    spec = ModuleSpec.model_validate(json.loads(_MODULE))
    assert WorkerOptions.model_validate(spec.worker_options).count == 2


def test_every_path_status_and_field_is_named() -> None:
    described = openapi(guarded=True)
    statuses = {
        status for methods in described["paths"].values() for one in methods.values() for status in one["responses"]
    }
    pages = PAGE + (DOCS / "serve.md").read_text(encoding="utf-8")
    assert all(status in pages for status in statuses - {"200"})
    assert all(f"{path}`" in pages for path in described["paths"])
    assert all(f"`{name}`" in PAGE for name in EnsembleAnswer.model_fields)
    assert all(name in PAGE for name in set(Topology.model_fields) | set(NodeSpec.model_fields) - {"supercluster"})
