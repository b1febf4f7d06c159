"""Files in, values and files out, for each kind of task; and what becomes of files that cannot be used."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrioska.models.gateway import client_for
from matrioska.models.local.pipelines import LoadedPipeline
from matrioska.models.local.residency import local_models
from matrioska.models.meter import CallRecord, NoMeter, metered
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.errors import ConfigError, ModelError, ModelLoadError, StoreError
from matrioska.state.members import Member
from matrioska.workers.base import GivenFile, Job, Made, Work
from matrioska.workers.pipeline import inputs
from matrioska.workers.pipeline.worker import PipelineWorker
from tests.models.local.pipelines import Shelf, png, wav

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _given(path: Path, name: str = "") -> GivenFile:
    ref = ArtifactRef(path=name or path.name, sha256="0" * 64, size=path.stat().st_size)
    return GivenFile(ref, path)


def _job(model: Path | str, *files: GivenFile, stage: str = "produce", **options: Any) -> Job:
    named = str(model) if ":" in str(model) else f"huggingface:{model}"
    spec = ModuleSpec(id="ears", worker="pipeline", model=named, worker_options=options)
    client = client_for(Member(model=named))
    return Job(stage, spec, (), client, wanted=("ears.heard",), given=files)


def _answer(job: Job) -> Work:
    return asyncio.run(PipelineWorker().answer(job))


def _made(job: Job) -> Made:
    made = _answer(job).made
    assert made is not None
    return made


def _files(made: Made) -> dict[str, bytes]:
    return {file.path: file.content for file in made.files}


def _value(made: Made) -> dict[str, Any]:
    return dict(made.values["ears.heard"])


def test_speech_becomes_a_transcript(shelf: Shelf, tmp_path: Path) -> None:
    files = (_given(wav(tmp_path / "a.wav"), "songs/a.wav"), _given(wav(tmp_path / "b.wav", rate=44_100, channels=2)))
    work = _answer(_job(shelf("speech"), *files, task="automatic-speech-recognition"))
    assert work.made is not None
    value, written = _value(work.made), _files(work.made)
    assert set(written) == {"results.json", "songs/a.txt", "b.txt"}
    assert value["task"] == "automatic-speech-recognition"
    assert value["results"]["songs/a.wav"]["text"] == written["songs/a.txt"].decode().removesuffix("\n") != ""
    assert value["results"]["b.wav"]["file"] == "b.txt"
    assert "2 of 2 files" in value["summary"]
    assert json.loads(written["results.json"])["results"] == value["results"]
    assert (work.reply.usage.calls, work.reply.usage.input_tokens) == (2, 0)
    assert work.reply.usage.seconds > 0


def test_the_same_files_give_the_same_bytes(shelf: Shelf, tmp_path: Path) -> None:
    job = _job(shelf("speech"), _given(wav(tmp_path / "a.wav")), task="audio-feature-extraction")
    first = _files(_made(job))
    local_models().close()
    assert _files(_made(job)) == first


@pytest.mark.parametrize(
    ("model", "file", "options", "task", "key"),
    [
        ("speech", "a.wav", {}, "automatic-speech-recognition", "text"),
        ("speech", "a.wav", {"parameters": {"return_timestamps": "word"}}, "automatic-speech-recognition", "chunks"),
        ("sounds", "a.wav", {"parameters": {"top_k": 2}}, "audio-classification", "labels"),
        ("pictures", "a.png", {}, "image-classification", "labels"),
        ("captions", "a.png", {"parameters": {"max_new_tokens": 3}}, "image-text-to-text", "text"),
        ("words", "a.txt", {}, "feature-extraction", "features"),
        ("blanks", "a.txt", {"parameters": {"top_k": 1}}, "fill-mask", "words"),
        ("moods", "a.txt", {}, "text-classification", "labels"),
        (
            "moods",
            "a.txt",
            {"task": "zero-shot-classification", "parameters": {"candidate_labels": ["sea", "low"]}},
            "zero-shot-classification",
            "labels",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_does_its_own_task_unless_told_another(
    shelf: Shelf, tmp_path: Path, model: str, file: str, options: dict[str, Any], task: str, key: str
) -> None:
    wav(tmp_path / "a.wav"), png(tmp_path / "a.png"), (tmp_path / "a.txt").write_text("the sea [MASK]")
    value = _value(_made(_job(shelf(model), _given(tmp_path / file), **options)))
    assert value["task"] == task
    assert value["results"][file][key]
    assert "error" not in value["results"][file]


@pytest.mark.parametrize(
    ("model", "task", "file", "width"),
    [
        ("speech", "audio-feature-extraction", "a.wav", 16),
        ("pictures", "image-feature-extraction", "a.png", 16),
        ("words", "feature-extraction", "a.txt", 16),
    ],
)
def test_arrays_go_to_files_and_their_shape_to_others(
    shelf: Shelf, tmp_path: Path, model: str, task: str, file: str, width: int
) -> None:
    wav(tmp_path / "a.wav"), png(tmp_path / "a.png"), (tmp_path / "a.txt").write_text("the sea")
    made = _made(_job(shelf(model), _given(tmp_path / file), task=task))
    told = _value(made)["results"][file]["features"]
    array = np.load(io.BytesIO(_files(made)["a.npy"]), allow_pickle=False)
    assert list(array.shape) == told["shape"]
    assert array.shape[-1] == width
    assert told["mean"] == pytest.approx(float(array.mean()), abs=1e-5)


def _text_as_wav(folder: Path) -> Path:
    (folder / "x.wav").write_text("I am no sound")
    return folder / "x.wav"


def _empty(folder: Path) -> Path:
    (folder / "x.wav").write_bytes(b"")
    return folder / "x.wav"


def _long(folder: Path) -> Path:
    return wav(folder / "x.wav", 4.0)


def _short(folder: Path) -> Path:
    return wav(folder / "x.wav", 0.0002)


BAD_SOUNDS = [
    (_text_as_wav, "is no sound"),
    (_empty, "is no sound"),
    (lambda folder: wav(folder / "x.wav", 0), "holds no sound"),
    (_long, "lasts 4 seconds, and at most 3"),
    (_short, "Error"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD_SOUNDS, ids=["text", "empty", "silent", "long", "short"])
def test_a_file_that_cannot_be_used_is_named_and_the_others_go_on(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Path], words: str
) -> None:
    monkeypatch.setattr(inputs, "MOST_SECONDS", 3.0)
    bad, good = _given(spoil(tmp_path)), _given(wav(tmp_path / "a.wav"))
    value = _value(_made(_job(shelf("speech"), bad, good)))
    assert words in value["results"]["x.wav"]["error"]
    assert value["results"]["a.wav"]["text"]
    assert "1 of 2 files" in value["summary"]
    with pytest.raises(ModelError, match="could use none of its 1 files") as caught:
        _answer(_job(shelf("speech"), bad))
    assert words in caught.value.message


def test_long_speech_is_heard_in_pieces(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PIECE", 1.0)
    value = _value(_made(_job(shelf("speech"), _given(wav(tmp_path / "a.wav", 3.0)))))
    assert value["results"]["a.wav"]["text"]
    monkeypatch.setattr(inputs, "WHOLE_SECONDS", 2.0)
    with pytest.raises(ModelError, match="at most 2 are read"):
        _answer(_job(shelf("sounds"), _given(tmp_path / "a.wav")))


def test_files_of_another_kind_are_left_out_and_named(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Songs")
    files = (_given(tmp_path / "README.md", "maker/README.md"), _given(wav(tmp_path / "a.wav"), "maker/a.wav"))
    value = _value(_made(_job(shelf("speech"), *files)))
    assert value["not_read"] == ["maker/README.md"]
    assert list(value["results"]) == ["maker/a.wav"]
    with pytest.raises(ConfigError, match=r"no file with a sound.*1 of other kinds") as caught:
        _answer(_job(shelf("speech"), files[0]))
    assert "--asset" in caught.value.next_step


def test_a_text_longer_than_the_model_reads_is_not_cut_off_in_silence(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the sea " * 40)
    with pytest.raises(ModelError, match="has 82 tokens, and the model reads 32"):
        _answer(_job(shelf("moods"), _given(tmp_path / "a.txt")))


def test_a_text_is_not_cut_off_for_a_label_either(shelf: Shelf, tmp_path: Path) -> None:
    model = shutil.copytree(shelf("moods"), tmp_path / "model")
    # Most tokenizers know their model's window, and transformers then cuts without a word.
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 32}))
    (tmp_path / "a.txt").write_text("the sea " * 12)
    told = {"task": "zero-shot-classification", "parameters": {"candidate_labels": ["low", "sea " * 9]}}
    # 24 words, 9 and the 4 around them, and 3 marks.
    with pytest.raises(ModelError, match="has 40 tokens, and the model reads 32"):
        _answer(_job(model, _given(tmp_path / "a.txt"), **told))
    told["parameters"] = {"candidate_labels": ["low"], "hypothesis_template": "a {}"}
    assert _value(_made(_job(model, _given(tmp_path / "a.txt"), **told)))["results"]["a.txt"]["labels"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"  ", b"a\0b"])
def test_what_is_no_text_is_refused(shelf: Shelf, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ModelError, match="text"):
        _answer(_job(shelf("moods"), _given(tmp_path / "a.txt")))


def test_a_mend_says_that_it_cannot_and_runs_nothing(shelf: Shelf, tmp_path: Path) -> None:
    work = _answer(_job(shelf("speech"), _given(wav(tmp_path / "a.wav")), stage="mend"))
    assert work.made is None
    assert "cannot mend" in work.reply.fault
    assert work.reply.usage.calls == 0
    assert local_models().status() == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "automatic-speech-recogniton"}, "did you mean 'automatic-speech-recognition'"),
        ({"parameters": {"num_beam": 2}}, "automatic-speech-recognition has no parameter 'num_beam'"),
        ({"tasks": "x"}, "did you mean 'task'"),
    ],
)
def test_wrong_options_are_refused_in_words(shelf: Shelf, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="worker_options") as caught:
        _answer(_job(shelf("speech"), _given(wav(tmp_path / "a.wav")), **options))
    assert words in caught.value.message


def test_a_model_that_does_not_write_is_not_told_how_to(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be told its language"):
        _answer(_job(shelf("speech"), _given(wav(tmp_path / "a.wav")), parameters={"language": "pt"}))


def test_memory_that_runs_out_fails_the_module(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(LoadedPipeline, "run", run)
    with pytest.raises(ModelError, match=r"Memory ran out.*a\.wav"):
        _answer(_job(shelf("speech"), _given(wav(tmp_path / "a.wav"))))


def test_a_file_whose_bytes_are_gone_is_a_fault_of_the_store(shelf: Shelf, tmp_path: Path) -> None:
    file = _given(wav(tmp_path / "a.wav"))
    file.place.unlink()
    with pytest.raises(StoreError, match=r"a\.wav is missing"):
        _answer(_job(shelf("speech"), file))


async def test_a_run_that_is_stopped_leaves_the_pipeline_to_others(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, worker = _given(wav(tmp_path / "a.wav")), PipelineWorker()
    loop, works, run = asyncio.get_running_loop(), asyncio.Event(), LoadedPipeline.run

    def told(*given: Any) -> Any:
        loop.call_soon_threadsafe(works.set)
        return run(*given)

    monkeypatch.setattr(LoadedPipeline, "run", told)
    stopped = asyncio.create_task(worker.answer(_job(shelf("speech"), *[file] * 50)))
    await works.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    work = await worker.answer(_job(shelf("speech"), file))
    assert work.made is not None
    assert local_models().status()[0].users == 0


def test_a_task_that_does_not_fit_the_model(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="was made for automatic-speech-recognition"):
        _answer(_job(shelf("speech"), _given(wav(tmp_path / "a.wav")), task="audio-classification"))


@pytest.mark.parametrize("model", ["openai:gpt-4o", "embedded"])
def test_a_model_that_is_none_of_transformers(tmp_path: Path, model: str) -> None:
    spec = ModuleSpec(id="ears", worker="pipeline", worker_options={"task": "automatic-speech-recognition"})
    job = Job("produce", spec, (), client_for(Member(model=model)), given=(_given(wav(tmp_path / "a.wav")),))
    with pytest.raises(ConfigError, match="is no model that one can load"):
        _answer(job)


class _Meter(NoMeter):
    def __init__(self) -> None:
        self.told: list[CallRecord] = []

    def record(self, call: CallRecord) -> None:
        self.told.append(call)


def test_the_meter_is_told_of_every_file(shelf: Shelf, tmp_path: Path) -> None:
    meter = _Meter()
    files = (_given(wav(tmp_path / "a.wav")), _given(_text_as_wav(tmp_path)))
    with metered(meter):
        _answer(_job(shelf("speech"), *files))
    assert [(call.usage.calls, call.error) for call in meter.told] == [(1, ""), (1, "model")]
    assert meter.told[0].model == f"huggingface:{shelf('speech')}"


async def test_modules_with_one_model_share_it(shelf: Shelf, tmp_path: Path) -> None:
    file, worker = _given(wav(tmp_path / "a.wav")), PipelineWorker()
    works = await asyncio.gather(*(worker.answer(_job(shelf("speech"), file)) for _ in range(4)))
    assert len({json.dumps(_value(work.made)) for work in works if work.made}) == 1
    (resident,) = local_models().status()
    assert (resident.task, resident.users) == ("automatic-speech-recognition", 0)
