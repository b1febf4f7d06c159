"""What a plan says of pipelines is checked in words, before anybody sees it, and without torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from matrioska.nodes.checks.plan import parse_plan
from matrioska.state.errors import PlanError

EARS: dict[str, Any] = {
    "id": "ears",
    "worker": "pipeline",
    "model": "huggingface:facebook/wav2vec2-base-960h",
    "worker_options": {"task": "automatic-speech-recognition"},
    "asset_reads": ["*.wav"],
    "shared_state_writes": ["ears.heard"],
    "contract_first": False,
}


def _complaints(**changes: Any) -> list[str]:
    try:
        parse_plan({"modules": [EARS | changes]})
    except PlanError as error:
        return error.complaints
    return []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"worker_options": {}},
        {"model": None},
        {"contract_first": True, "shared_state_writes": []},
        {"worker_options": {"task": "text-generation", "parameters": {"prompt": "Sum it up.", "max_new_tokens": 99}}},
    ],
)
def test_a_pipeline_that_can_be_run_passes(changes: dict[str, Any]) -> None:
    assert _complaints(**changes) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None, "worker_options": {}}, "module 'ears' is a pipeline: it needs a 'model', or a 'task'"),
        ({"contract_first": True}, 'so it needs "contract_first": false'),
        ({"asset_reads": []}, "it needs files, named in its 'asset_reads' or 'artifact_reads'"),
        ({"worker_options": {"task": "speech-recognition"}}, "there is no task 'speech-recognition'"),
        ({"worker_options": {"task": "summarization"}}, "text-generation with a prompt"),
        ({"worker_options": {"parameters": {"top_k": {}}, "task": "image-classification"}}, "the parameter 'top_k'"),
        ({"worker_options": {"x": "y" * 20_000}}, "'worker_options' has more than 20,000 characters"),
        ({"worker": "chat", "worker_options": {"x": "y" * 20_000}}, "'worker_options' has more than 20,000"),
        ({"worker_options": []}, "'worker_options' must be a JSON object, not a list"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_one_that_cannot_is_complained_of(changes: dict[str, Any], words: str) -> None:
    complaints = _complaints(**changes)
    assert len(complaints) == 1
    assert words in complaints[0]


def test_every_fault_of_a_pipeline_is_named_at_once() -> None:
    assert len(_complaints(model=None, worker_options={}, contract_first=True, asset_reads=[])) == 3


def test_a_plan_is_checked_without_torch() -> None:
    code = (
        "import sys; from matrioska.nodes.checks.plan import parse_plan; "
        f"parse_plan({{'modules': [{EARS!r}]}}); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
