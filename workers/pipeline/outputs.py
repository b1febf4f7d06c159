"""From what a pipeline returns to JSON for the whiteboard and files for the module's folder.

What others read is small: arrays, pictures and sounds become files, and their shape is told.
Equal outputs give equal bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from matrioska.models.local.pipeline_tasks import PipelineTask
from matrioska.state.artifacts import MAX_MODULE_BYTES
from matrioska.state.paths import MAX_PATH_LENGTH
from matrioska.state.text import clean_text
from matrioska.workers.base import MadeFile

RESULTS = "results.json"
#: Bytes of JSON that a whiteboard value has at the most; what checks take is somewhat more.
MAX_VALUE = 80_000
#: Numbers of an array that are told one by one.
_FEW = 16
_DIGITS = 6
_DEEPEST = 12
#: Characters of texts and entries of lists that a value keeps, from the most to the least.
_CUTS = ((20_000, 400), (4_000, 100), (1_000, 30), (300, 10), (80, 3))
#: Files of other kinds that a value names. Names may be long, and of characters of four bytes.
_MOST_NAMED = 60
_SUMMARY = 400


@dataclass
class Folder:
    """The files that a module makes."""

    module: str
    files: list[MadeFile] = field(default_factory=list)
    _taken: set[str] = field(default_factory=lambda: {RESULTS})
    _bytes: int = 0

    def put(self, stem: str, suffix: str, content: bytes) -> str | None:
        """Add a file under a free name near ``<stem><suffix>``.

        Returns:
            Its path; None when the module's files would have more than `MAX_MODULE_BYTES` together.
        """
        if self._bytes + len(content) > MAX_MODULE_BYTES:
            return None
        self._bytes += len(content)
        path = self._free(stem, suffix)
        self._taken.add(path.casefold())
        self.files.append(MadeFile(path, content))
        return path

    def _free(self, stem: str, suffix: str) -> str:
        # Room for the module's own folder, and for a number.
        room = MAX_PATH_LENGTH - len(self.module) - len(suffix) - 8
        stem = stem if len(stem) <= room else PurePosixPath(stem).name[-min(room, 60) :]
        names = (f"{stem}{number}{suffix}" for number in ("", *(f"-{count}" for count in range(2, 10_000))))
        return next(name for name in names if name.casefold() not in self._taken)


def outcome(task: PipelineTask, raw: Any, stem: str, folder: Folder) -> dict[str, Any]:
    """Return what a pipeline made of one file as JSON; its arrays, pictures and sounds go into the folder.

    Args:
        task: what the pipeline did.
        raw: what it returned.
        stem: path of the input without its suffix, after which files are named.
        folder: takes the files.
    """
    found: dict[str, Any] = _plain(_shaped(task, raw), stem, folder)
    text = found.get("text")
    if isinstance(text, str):
        # A text in a file is one that modules can be given whole.
        found["file"] = folder.put(stem, ".txt", f"{text}\n".encode())
    if set(found) - {"text", "file"}:
        folder.put(stem, ".json", as_file(found))
    return found


def _shaped(task: PipelineTask, raw: Any) -> dict[str, Any]:
    """Return an output under names: pipelines give lists, arrays or objects as they like."""
    if task.name == "zero-shot-classification":
        pairs = zip(raw["labels"], raw["scores"], strict=True)
        return {"labels": [{"label": label, "score": score} for label, score in pairs]}
    if task.name == "text-to-audio":
        return {"audio": _Sound(raw["audio"], int(raw["sampling_rate"]))}
    if task.gives == "text" and isinstance(raw, list):
        return {"text": "\n".join(_generated(item) for item in raw)}
    if task.name == "document-question-answering":
        answers = raw if isinstance(raw, list) else [raw]
        return {"answers": answers, "text": str(answers[0].get("answer") or "") if answers else ""}
    return dict(raw) if isinstance(raw, Mapping) else {task.gives: raw}


def _generated(item: Mapping[str, Any]) -> str:
    return str(item["generated_text"]).strip()


@dataclass(frozen=True)
class _Sound:
    samples: Any
    rate: int


def _plain(value: Any, stem: str, folder: Folder, depth: int = 0) -> Any:
    """Return a value as plain JSON. What is not a number (NaN) or is infinite becomes null."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return _number(value)
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _plain(item, stem, folder, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, stem, folder, depth + 1) for item in value]
    if isinstance(value, _Sound):
        return _sound(value, stem, folder)
    if hasattr(value, "save") and hasattr(value, "mode"):
        return _picture(value, stem, folder)
    return _array(value, stem, folder, depth)


def _number(value: float) -> float | None:
    # numpy's are floats too, but not for every writer of JSON; and there is no need of a minus zero.
    return round(float(value), _DIGITS) + 0.0 if abs(value) < float("inf") else None


def _array(value: Any, stem: str, folder: Folder, depth: int) -> Any:
    """Return a short array's numbers, and of a long one what it is and in which file."""
    import numpy as np

    # Tensors in 16-bit floats have no counterpart in numpy.
    array = np.asarray(value.detach().cpu().float() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "biuf":
        return clean_text(str(value))
    if array.size <= _FEW:
        return _plain(array.tolist(), stem, folder, depth + 1)
    array = np.ascontiguousarray(array, dtype=np.float32 if array.dtype.kind == "f" else array.dtype)
    sane = array[np.isfinite(array)]
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "mean": _number(float(sane.mean())) if sane.size else None,
        "std": _number(float(sane.std())) if sane.size else None,
        "file": folder.put(stem, ".npy", stream.getvalue()),
    }


def _picture(value: Any, stem: str, folder: Folder) -> dict[str, Any]:
    stream = io.BytesIO()
    value.save(stream, format="PNG")
    path = folder.put(stem, ".png", stream.getvalue())
    return {"width": value.width, "height": value.height, "file": path}


def _sound(value: _Sound, stem: str, folder: Folder) -> dict[str, Any]:
    import numpy as np
    import soundfile  # type: ignore[import-untyped]

    samples = np.atleast_2d(np.nan_to_num(np.asarray(value.samples, dtype=np.float32))).T
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(samples, -1, 1), value.rate, format="WAV", subtype="PCM_16")
    path = folder.put(stem, ".wav", stream.getvalue())
    return {"seconds": round(len(samples) / value.rate, 3), "sample_rate": value.rate, "file": path}


def as_file(value: Any) -> bytes:
    """Return JSON as a file's bytes."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def whiteboard_value(task: str, model: str, results: Mapping[str, Any], left_out: Sequence[str]) -> dict[str, Any]:
    """Return what other modules read, shortened until it fits; the whole stands in `RESULTS`."""
    head: dict[str, Any] = {"summary": _summary(task, results), "task": task, "model": model}
    if left_out:
        head["not_read"] = _cut(list(left_out), MAX_PATH_LENGTH, _MOST_NAMED)
    whole = head | {"results": dict(results)}
    if _size(whole) <= MAX_VALUE:
        return whole
    head["shortened"] = f"The whole is in {RESULTS}."
    for text, entries in _CUTS:
        value = head | {"results": {name: _cut(found, text, entries) for name, found in results.items()}}
        if _size(value) <= MAX_VALUE:
            return value
    kept = {name: _cut(found, *_CUTS[-1]) for name, found in [*results.items()][: _CUTS[-1][1]]}
    return head | {"results": kept, "more": len(results) - len(kept)}


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8"))


def _cut(value: Any, text: int, entries: int) -> Any:
    if isinstance(value, str):
        return _short(value, text)
    if isinstance(value, list):
        cut = [_cut(item, text, entries) for item in value[:entries]]
        return cut if len(value) <= entries else [*cut, f"… and {len(value) - entries} more"]
    if isinstance(value, dict):
        return {key: _cut(item, text, entries) for key, item in value.items()}
    return value


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _summary(task: str, results: Mapping[str, Any]) -> str:
    done = {name: found for name, found in results.items() if "error" not in found}
    first = "; ".join(f"{name}: {_gist(found)}" for name, found in [*done.items()][:5])
    return _short(f"{task} of {len(done)} of {len(results)} files. {first}", _SUMMARY)


def _gist(found: Mapping[str, Any]) -> str:
    """Return the most telling part of a result, in a few words."""
    if isinstance(found.get("text"), str):
        return f"“{_short(found['text'], 80)}”"
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and "label" in value[0]:
            return ", ".join(str(item["label"]) for item in value[:3])
        if isinstance(value, list):
            return f"{len(value)} {name}"
        if isinstance(value, dict) and "shape" in value:
            return f"{name} of shape {' × '.join(map(str, value['shape']))}"
    return ", ".join(found)
