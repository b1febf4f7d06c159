"""The worker ``ensemble``: checks before votes, votes before chance, and a whole run with one module done by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import Reply, client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.architecture import ModuleSpec
from matrioska.state.ensemble import NodeSpec, Topology
from matrioska.state.errors import ConfigError, ModelError
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.workers.base import Job, Work
from matrioska.workers.ensemble import worker
from matrioska.workers.ensemble.worker import EnsembleWorker
from matrioska.workers.plugins import workers
from tests.support import MODES, Author, Driven, file_block, good_answer, opened, plan, reader
from tests.voters import Voters

DOWN = ModelError("Nothing listens there.")
Use = Callable[..., EnsembleWorker]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Return a worker of these voters."""

    def prepared(voters: Voters, topology: Topology | None = None) -> EnsembleWorker:
        monkeypatch.setattr(worker, "load_topology", lambda: topology or voters.topology())
        return EnsembleWorker(voters.find)

    return prepared


def _job(tmp_path: Path, **fields: Any) -> Job:
    def judge(reply: Reply) -> list[str]:
        return ["It is wrong."] * reply.text.count("wrong")

    return Job(
        stage="produce",
        spec=ModuleSpec(id="a", name="A", description="Write a story.", worker_options=fields),
        messages=[HumanMessage("Do it.")],
        client=client_of(ScriptedChatModel(script=lambda *_: "unused")),
        judge=judge,
        base_path=tmp_path,
    )


async def _answer(doer: EnsembleWorker, job: Job) -> Work:
    Layout.at(job.base_path or ".").prepare()
    return await doer.answer(job)


async def test_an_answer_that_passes_beats_a_majority_that_does_not(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=3, says={"n1": "wrong", "n2": "wrong", "n3a": "wrong wrong", "n3b": "a right one"})
    work = await _answer(use(voters), _job(tmp_path))
    assert work.reply.text == "a right one"
    assert work.reply.usage.calls == 6


async def test_among_those_that_pass_the_majority_wins(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=3, says={"n1": "red", "n2": "blue", "n3": "blue"})
    assert (await _answer(use(voters), _job(tmp_path))).reply.text == "blue"


async def test_a_fit_node_outweighs_two_that_are_not(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=3, says={"n1": "red", "n2": "blue", "n3": "blue"})
    specs = [
        NodeSpec(id=f"n{n}", model_a=f"n{n}a", model_b=f"n{n}b", fitness=fitness)
        for n, fitness in ((1, 0.95), (2, 0.3), (3, 0.3))
    ]
    assert (await _answer(use(voters, Topology(nodes=tuple(specs))), _job(tmp_path))).reply.text == "red"


async def test_where_none_passes_the_least_bad_goes_on_to_be_mended(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=2, says={"n1": "wrong wrong wrong", "n2a": "wrong", "n2b": DOWN.message + " wrong wrong"})
    assert (await _answer(use(voters), _job(tmp_path))).reply.text == "wrong"


async def test_passed_checks_are_learnt_as_fitness(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=3, says={"n1": "good", "n2": "wrong", "n3": lambda prompt: DOWN})
    doer, job = use(voters), _job(tmp_path)
    for _ in range(3):
        await _answer(doer, job)
    book = FitnessBook(Layout.at(tmp_path).fitness)
    means = {row.node: row.mean for row in await book.table() if not row.kind}
    assert means["n1"] > 0.5 > means["n2"]
    assert means["n3"] < 0.5


@pytest.mark.parametrize(
    ("options", "asked"),
    [({}, 6), ({"nodes": ["n2"]}, 2), ({"count": 2}, 4), ({"nodes": ["n1", "n3"], "count": 1}, 2)],
)
async def test_options_say_who_is_asked(use: Use, tmp_path: Path, options: dict[str, Any], asked: int) -> None:
    voters = Voters(nodes=3)
    await _answer(use(voters), _job(tmp_path, **options))
    assert voters.calls() == asked


@pytest.mark.parametrize(
    ("options", "says"),
    [({"nodes": ["n9"]}, "'n9', which the topology does not have"), ({"count": 0}, "count"), ({"node": "n1"}, "node")],
)
async def test_wrong_options_are_named(use: Use, tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        await _answer(use(Voters()), _job(tmp_path, **options))


async def test_all_down_is_one_error(use: Use, tmp_path: Path) -> None:
    voters = Voters(nodes=2, says={"n1": lambda prompt: DOWN, "n2": lambda prompt: DOWN})
    with pytest.raises(ModelError, match="No model of the ensemble could answer"):
        await _answer(use(voters), _job(tmp_path))


def test_it_is_built_in() -> None:
    assert isinstance(workers()["ensemble"], EnsembleWorker)


# -- a whole run -----------------------------------------------------------------------------


def _module_answer(prompt: str) -> str:
    stage, module = (prompt.split("\n")[line].partition(": ")[2].split(" ")[0] for line in (0, 1))
    return good_answer(stage, module, prompt)


@pytest.mark.parametrize("mode", MODES)
def test_a_run_in_which_one_module_is_done_by_vote(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes break the contract, one model is down: what is handed over passes the checks."""
    broken = file_block("shop.py", "def nothing_that_was_promised(: ...")
    voters = Voters(
        nodes=3, says={"n1": broken, "n2a": lambda prompt: DOWN, "n2b": _module_answer, "n3": _module_answer}
    )
    monkeypatch.setattr(worker, "load_topology", voters.topology)
    monkeypatch.setattr("matrioska.nodes.work.workers", lambda: {**workers(), "ensemble": EnsembleWorker(voters.find)})
    author = Author(plan(reader("core"), reader("shop", "core", worker="ensemble"), reader("page", "shop")))
    Layout.at(tmp_path).prepare()
    with opened("sqlite", tmp_path) as graph:
        driven = Driven(graph, mode, tmp_path, author.model)
        out = driven.run("Build a shop.")
        results = driven.results()
    assert out["status"] == "complete", out["findings"]
    assert {module: result["status"] for module, result in results.items()} == dict.fromkeys(
        ("core", "shop", "page"), "done"
    )
    assert results["shop"]["mends"] == 0, "the checks chose an answer that needed no mending"
    assert not [call for call in author.model.calls if call.module == "shop"]
    # Two stages, six models each, one of which is down.
    assert results["shop"]["usage"]["calls"] == 10
    book = FitnessBook(Layout.at(tmp_path).fitness)
    means = {row.node: row.mean for row in asyncio.run(book.table()) if not row.kind}
    assert means["n3"] > means["n1"]
