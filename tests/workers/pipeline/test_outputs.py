"""From outputs to JSON: bounded, clean, and the same each time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from matrioska.models.local.pipeline_tasks import TASKS
from matrioska.nodes.checks.contract import value_complaints
from matrioska.state.artifacts import MAX_MODULE_BYTES
from matrioska.state.paths import safe_relative_path
from matrioska.workers.pipeline.outputs import Folder, outcome, whiteboard_value

LABELS = TASKS["audio-classification"]


def _plain(raw: Any) -> Any:
    return outcome(LABELS, {"it": raw}, "x", Folder("m"))["it"]


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (-0.0, 0.0),
        (np.float64(0.1234567), 0.123457),
        (np.int64(7), 7),
        (np.array([1.0, float("nan")]), [1.0, None]),
        ("a\x1b[31mb\ud800", "a[31mb"),
        ((1, True, None), [1, True, None]),
        (np.array(["a", "b"]), "['a' 'b']"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_values_are_plain_and_clean(raw: Any, plain: Any) -> None:
    found = _plain(raw)
    assert json.dumps(found) == json.dumps(plain)


def test_a_nest_without_end_has_one() -> None:
    nest: list[Any] = []
    for _ in range(500):
        nest = [nest]
    assert not value_complaints({"k": {"it": _plain(nest)}}, ["k"])


def test_pictures_and_sounds_become_files() -> None:
    folder = Folder("m")
    found = outcome(TASKS["depth-estimation"], {"depth": Image.new("L", (4, 3))}, "a", folder)
    assert found["depth"] == {"width": 4, "height": 3, "file": "a.png"}
    sound = {"audio": np.zeros(8_000, dtype=np.float32), "sampling_rate": 8_000}
    found = outcome(TASKS["text-to-audio"], sound, "a", folder)
    assert found["audio"] == {"seconds": 1.0, "sample_rate": 8_000, "file": "a.wav"}
    content = {file.path: file.content for file in folder.files}
    assert content["a.wav"].startswith(b"RIFF") and content["a.png"].startswith(b"\x89PNG")


def test_infinite_numbers_do_not_spoil_what_is_told_of_an_array() -> None:
    array = np.ones(100, dtype=np.float32)
    array[0] = np.inf
    assert _plain(array)["mean"] == 1.0
    assert _plain(np.full(100, np.nan))["mean"] is None


def test_names_do_not_clash_and_can_be_stored() -> None:
    folder = Folder("m" * 64)
    stems = ["a", "A", "results", "deep/" * 30 + "song", "x" * 190]
    paths = [folder.put(stem, ".json", b"{}") for stem in stems]
    assert len({path.casefold() for path in paths if path}) == len(stems)
    assert paths[2] != "results.json"
    for path in paths:
        assert path is not None
        safe_relative_path(f"{folder.module}/{path}")


def test_files_stop_where_a_modules_room_ends() -> None:
    folder = Folder("m")
    half = bytes(MAX_MODULE_BYTES // 2 + 1)
    assert folder.put("a", ".npy", half) == "a.npy"
    assert folder.put("b", ".npy", half) is None
    assert [file.path for file in folder.files] == ["a.npy"]


@pytest.mark.parametrize(
    "results",
    [
        {"a.wav": {"text": "la " * 200_000}},
        {f"{n}.wav": {"text": "la " * 500} for n in range(500)},
        {"a.png": {"objects": [{"label": "sea", "score": 0.5, "box": {"xmin": n}} for n in range(20_000)]}},
        {f"{'n' * 150}{n}.wav": {"error": "It holds no sound. " * 10} for n in range(500)},
    ],
    ids=["long", "many", "list", "errors"],
)
def test_a_value_fits_the_whiteboard_and_says_that_it_was_shortened(results: dict[str, Any]) -> None:
    value = whiteboard_value("audio-classification", "huggingface:x", results, [f"{n}.md" for n in range(1_000)])
    assert value_complaints({"k": value}, ["k"]) == []
    assert "results.json" in value["shortened"]
    assert value["summary"]


def test_files_that_were_not_read_do_not_fill_the_whiteboard() -> None:
    others = [f"{'音' * 190}/{n:03}.md" for n in range(500)]
    value = whiteboard_value("audio-classification", "huggingface:x", {"a.wav": {"text": "la"}}, others)
    assert value_complaints({"k": value}, ["k"]) == []
    assert value["not_read"][0] == others[0]
    assert value["not_read"][-1] == f"… and {500 - len(value['not_read']) + 1} more"
    assert value["results"] == {"a.wav": {"text": "la"}}


def test_a_small_value_is_told_whole() -> None:
    results = {"a.wav": {"text": "la"}, "b.wav": {"error": "It holds no sound."}}
    value = whiteboard_value("automatic-speech-recognition", "huggingface:x", results, [])
    assert value["results"] == results
    assert value["summary"] == "automatic-speech-recognition of 1 of 2 files. a.wav: “la”"
    assert "shortened" not in value and "not_read" not in value
