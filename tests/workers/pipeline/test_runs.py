"""Pipelines in whole runs: a sound goes in, and modules that converse read what was heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from matrioska.nodes.context.memory import local_repository
from matrioska.state.context import RunOptions
from matrioska.state.fences import read_fences
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.assets import take_in_all
from matrioska.store.layout import Layout
from tests.models.local.pipelines import Shelf, png, wav
from tests.support import MODES, Author, Driven, file_block, opened, plan, spec

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Studio:
    """A project with files, and graphs on it."""

    def __init__(self, base: Path, mode: str, stack: ExitStack) -> None:
        self.base, self._mode, self._stack = base, mode, stack

    def bring(self, *paths: Path) -> None:
        """Make files the project's assets."""
        assets = take_in_all(list(paths), ArtifactStore(Layout.at(self.base).objects))
        options = RunOptions(base_path=str(self.base), project="album")
        asyncio.run(local_repository(options, "").put_assets(assets))

    def run(self, author: Author, **options: Any) -> Driven:
        """Run a task to its end."""
        graph = self._stack.enter_context(opened("sqlite", self.base))
        driven = Driven(graph, self._mode, self.base, author.model, options={"project": "album", **options})
        driven.run("Write down what is sung.")
        return driven


@pytest.fixture(params=MODES)
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Studio]:
    with ExitStack() as stack:
        yield Studio(tmp_path, request.param, stack)


def ears(folder: Path, /, **fields: Any) -> dict[str, Any]:
    given = {
        "worker": "pipeline",
        "model": f"huggingface:{folder}",
        "modality": "audio",
        "asset_reads": ["*.wav"],
        "shared_state_writes": ["ears.heard"],
        "contract_first": False,
    }
    return spec("ears", **{**given, **fields})


def scribe(*before: str) -> dict[str, Any]:
    return spec("scribe", *before, shared_state_reads=["ears.heard"], modality="prose")


@pytest.mark.parametrize(
    ("kind", "task"), [("speech", "automatic-speech-recognition"), ("sounds", "audio-classification")]
)
def test_a_module_reads_what_a_pipeline_heard(
    studio: Studio, shelf: Shelf, tmp_path: Path, kind: str, task: str
) -> None:
    studio.bring(wav(tmp_path / "in" / "song.wav"), png(tmp_path / "in" / "cover.png"))
    author = Author(plan(ears(shelf(kind), worker_options={"task": task}), scribe("ears")))
    driven = studio.run(author)
    assert driven.statuses() == {"ears": "done", "scribe": "done"}, driven.results()["ears"]["error"]
    heard = driven.state().values["shared_state"]["ears.heard"]
    assert list(heard["results"]) == ["song.wav"]
    (prompt,) = author.prompts("produce", "scribe")
    assert json.loads(read_fences(prompt)["values"])["ears.heard"] == heard
    # No prompt was made for the pipeline, and no model asked.
    assert not any(call.module == "ears" for call in author.model.calls)
    result = driven.results()["ears"]
    assert (result["usage"]["calls"], result["usage"]["output_tokens"]) == (1, 0)
    deliverable = driven.state().values["deliverable"]
    assert "ears/results.json" in {ref["path"] for ref in deliverable["files"]}
    assert driven.state().values["status"] == "complete"


def test_a_pipeline_reads_the_files_of_another_module(studio: Studio, shelf: Shelf) -> None:
    writer = spec("writer")
    reader = ears(shelf("moods"), asset_reads=[], artifact_reads=["writer"], modality="data")
    author = Author(plan(writer, reader), told={"produce writer": file_block("verse.txt", "the sea sings low")})
    driven = studio.run(author)
    assert driven.statuses() == {"ears": "done", "writer": "done"}
    heard = driven.state().values["shared_state"]["ears.heard"]
    assert heard["results"]["writer/verse.txt"]["labels"][0]["label"] in ("contradiction", "entailment")


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"model": "huggingface:/no/such/folder"}, "model_load", "no folder"),
        ({"worker_options": {"task": "image-classification"}}, "bad_config", "no file with a picture"),
        ({"model": None}, "bad_config", "is no model that one can load"),
    ],
    ids=["no folder", "no picture", "no model"],
)
def test_a_pipeline_that_cannot_run_fails_alone(
    studio: Studio, shelf: Shelf, tmp_path: Path, fields: dict[str, Any], code: str, words: str
) -> None:
    studio.bring(wav(tmp_path / "in" / "song.wav"))
    options = {"worker_options": {"task": "automatic-speech-recognition"}}
    author = Author(plan(ears(shelf("speech"), **{**options, **fields}), spec("other"), scribe("ears")))
    driven = studio.run(author)
    assert driven.statuses() == {"ears": "failed", "other": "done", "scribe": "blocked"}
    error = driven.results()["ears"]["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert error["next_step"]


def test_the_same_sound_is_not_heard_twice(studio: Studio, shelf: Shelf, tmp_path: Path) -> None:
    studio.bring(wav(tmp_path / "in" / "song.wav"))
    changed = spec("other")
    author = Author(plan(ears(shelf("speech")), changed))
    driven = studio.run(author)
    first = driven.results()["ears"]
    edited = plan(ears(shelf("speech")), {**changed, "description": "Build it anew."})
    driven.update({"architecture": edited}, as_node="approval")
    driven.run()
    assert driven.results()["ears"] == first
    assert len(author.prompts("produce", "other")) == 2


def test_feedback_costs_a_pipeline_nothing_and_takes_nothing_away(studio: Studio, shelf: Shelf, tmp_path: Path) -> None:
    studio.bring(wav(tmp_path / "in" / "song.wav"))
    author = Author(plan(ears(shelf("speech")), scribe("ears")))
    driven = studio.run(author)
    before = driven.results()["ears"]
    driven.update({"feedback": {"ears": ["Hear it better."]}}, as_node="approval")
    driven.run()
    after = driven.results()["ears"]
    assert after["artifacts"] == before["artifacts"]
    assert after["values"] == before["values"]
    assert after["usage"]["calls"] == before["usage"]["calls"]
    assert "cannot mend" in after["findings"][0]
