"""Pipelines are loaded as safely as engines are, once, and share the device with them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.language_models import BaseChatModel

from matrioska import LocalLLM
from matrioska.models.local import loading, memory, pipelines
from matrioska.models.local.hub import parse_ref
from matrioska.models.local.loading import ModelKey
from matrioska.models.local.pipeline_tasks import TASKS
from matrioska.models.local.pipelines import LoadedPipeline, PipelineKey, load_pipeline, pipeline_key, plan_pipeline
from matrioska.models.local.residency import ResidencyManager, local_models
from matrioska.state.errors import ConfigError, ModelLoadError, ModelMemoryError, ModelUnavailableError
from tests.models.local.pipelines import Shelf, captioner

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    local_models().close()


def _key(folder: Path, task: str = "") -> PipelineKey:
    model = ModelKey(parse_ref(str(folder)), load_in_4bit=False, device="cpu", context=0)
    return pipeline_key(model, TASKS[task] if task else None)


def _load(key: PipelineKey) -> None:
    async def hold() -> None:
        async with local_models().use_async(key):
            pass

    asyncio.run(hold())


def _copy(folder: Path, to: Path, **config: Any) -> Path:
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return to


def test_importing_the_worker_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "numpy", "PIL", "soundfile", "scipy")
    code = f"import sys; from matrioska.workers.plugins import workers; workers(); sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_widths_that_some_processors_cannot_pack_do_in_4_bits(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes.nn import Linear4bit, modules

    monkeypatch.setattr(modules, "has_avx512bf16", lambda: True)
    model = ModelKey(parse_ref(str(shelf("words"))), load_in_4bit=True, device="cpu", context=0)
    loaded = load_pipeline(plan_pipeline(PipelineKey(model, TASKS["feature-extraction"])))
    layers = [part for part in loaded.pipe.model.modules() if isinstance(part, Linear4bit)]
    assert layers and all(layer.in_features % 64 for layer in layers)
    (found,) = loaded.run(("the sea",), {})
    assert len(found[0]) == 16


@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("speech", "automatic-speech-recognition"),
        ("sounds", "audio-classification"),
        ("pictures", "image-classification"),
        ("captions", "image-text-to-text"),
        ("words", "feature-extraction"),
        ("blanks", "fill-mask"),
        ("moods", "text-classification"),
    ],
)
def test_a_models_own_task_is_told_by_its_configuration(shelf: Shelf, model: str, task: str) -> None:
    assert _key(shelf(model)).task.name == task


@pytest.mark.parametrize(
    ("made", "task"),
    [("Wav2Vec2Model", "audio-feature-extraction"), ("Wav2Vec2ForPreTraining", ""), (7, ""), (None, "")],
)
def test_a_model_that_was_made_for_nothing_in_particular(
    shelf: Shelf, tmp_path: Path, made: str | int | None, task: str
) -> None:
    folder = _copy(shelf("speech"), tmp_path / "m", architectures=[made] if made else None)
    if task:
        assert _key(folder).task.name == task
        return
    with pytest.raises(ConfigError, match="cannot be told") as caught:
        _key(folder)
    assert "automatic-speech-recognition" in caught.value.next_step


def _only_bin(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "model_type": "gama", "auto_map": {"AutoConfig": "m.Config"}})
    )
    (folder / "m.py").write_text("raise SystemExit('this must never run')")


def _own_pipeline(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({"auto_map": {"AutoFeatureExtractor": "m.Ears"}, "feature_extractor_type": "Ears"}))
    (folder / "m.py").write_text("raise SystemExit('this must never run')")


def _no_extractor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _cut_off(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("spoil", "message", "advice"),
    [
        (_only_bin, "pytorch_model.bin", "save_pretrained"),
        (_own_code, "code from its own repository", "serve this one apart"),
        (_own_pipeline, "feature extractor cannot be read", "preprocessor_config.json"),
        (_no_extractor, "feature extractor cannot be read", "preprocessor_config.json"),
        (_cut_off, "model.safetensors is broken", "download it again"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_a_spoilt_folder_is_a_clear_error(
    shelf: Shelf, tmp_path: Path, spoil: Callable[[Path], None], message: str, advice: str
) -> None:
    folder = _copy(shelf("speech"), tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelLoadError) as caught:
        _load(_key(folder, "automatic-speech-recognition"))
    assert message in caught.value.message
    assert advice in caught.value.next_step
    assert local_models().status() == []


def test_a_configuration_cannot_bring_a_pipeline_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    own = {"automatic-speech-recognition": {"impl": "m.Pipeline", "pt": ["Wav2Vec2ForCTC"]}}
    folder = _copy(shelf("speech"), tmp_path / "m", custom_pipelines=own)
    (folder / "m.py").write_text("raise SystemExit('this must never run')")
    _load(_key(folder, "automatic-speech-recognition"))
    assert local_models().status()[0].name == str(folder)


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        ("speech", "audio-classification", "was made for automatic-speech-recognition"),
        ("words", "text-classification", "was made for feature-extraction"),
        ("pictures", "automatic-speech-recognition", "was made for image-classification"),
        ("speech", "zero-shot-audio-classification", "was made for automatic-speech-recognition"),
    ],
)
def test_a_head_that_was_never_trained_is_not_made_up(shelf: Shelf, model: str, task: str, message: str) -> None:
    with pytest.raises(ModelLoadError, match=message):
        plan_pipeline(_key(shelf(model), task))


def test_weights_that_lack_the_head_are_refused_whatever_the_configuration_says(shelf: Shelf, tmp_path: Path) -> None:
    folder = _copy(shelf("speech"), tmp_path / "m", architectures=["Wav2Vec2ForSequenceClassification"])
    with pytest.raises(ModelLoadError, match="weights lack 4 of the tensors"):
        _load(_key(folder))


def test_a_part_that_needs_a_package_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoProcessor

    def read(*_: Any, **__: Any) -> None:
        raise ImportError("Qwen2VLVideoProcessor requires the Torchvision library but it was not found")

    monkeypatch.setattr(AutoProcessor, "from_pretrained", read)
    with pytest.raises(ModelLoadError, match="needs torchvision") as caught:
        _load(_key(captioner(tmp_path / "m")))
    assert "pip install torchvision" in caught.value.next_step


def test_too_little_memory_is_refused_before_weights_are_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1_000)
    monkeypatch.setattr(pipelines, "read_model", lambda *_, **__: pytest.fail("weights were read"))
    with pytest.raises(ModelMemoryError) as caught:
        _load(_key(shelf("speech")))
    # The folder's weights are in 32 bits, as the CPU holds them.
    size = (shelf("speech") / "model.safetensors").stat().st_size
    assert size * 0.8 < caught.value.needed < size


def test_equal_keys_share_a_pipeline_and_tasks_have_their_own(shelf: Shelf) -> None:
    for task in ("", "automatic-speech-recognition", "audio-feature-extraction"):
        _load(_key(shelf("speech"), task))
    tasks = [resident.task for resident in local_models().status()]
    assert tasks == ["audio-feature-extraction", "automatic-speech-recognition"]


async def test_pipelines_and_engines_make_room_for_each_other(
    shelf: Shelf, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = LocalLLM(model_name=str(tiny_folder), load_in_4bit=False, max_tokens=2, context_window=8, device="cpu")
    key = _key(shelf("speech"))
    need = max(loading.plan_load(llm.key()).need.total(8) or 0, plan_pipeline(key).need.total(0) or 0)

    def free(device: str) -> int:
        return need - sum(model.weight_bytes for model in local_models().status())

    monkeypatch.setattr(memory, "free_bytes", free)
    resident = []
    for use in (llm, key, llm):
        if isinstance(use, BaseChatModel):
            await use.ainvoke("x")
        else:
            async with local_models().use_async(use) as loaded:
                assert loaded.pipe.task == key.task.name
        resident.append([(model.name == key.ref.name, model.task) for model in local_models().status()])
    assert resident == [[(False, "")], [(True, "automatic-speech-recognition")], [(False, "")]]


async def test_an_unloaded_pipeline_says_so(shelf: Shelf) -> None:
    key = _key(shelf("speech"))
    async with local_models().use_async(key) as loaded:
        assert local_models().unload(key)
        with pytest.raises(ModelUnavailableError, match="was unloaded"):
            loaded.run((), {})


async def test_turns_are_taken_in_order(shelf: Shelf) -> None:
    key, order = _key(shelf("speech")), list[int]()

    async def take(loaded: LoadedPipeline, number: int) -> None:
        async with loaded.turn():
            await asyncio.sleep(0)
            order.append(number)

    async with ResidencyManager().use_async(key) as loaded:
        await asyncio.gather(*(take(loaded, number) for number in range(12)))
    assert order == list(range(12))
