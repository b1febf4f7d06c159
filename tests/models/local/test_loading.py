"""What is loaded, how, and what is refused with a word on what to do."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from huggingface_hub import errors as hub_errors

from matrioska import LocalLLM
from matrioska.models.local import loading, memory
from matrioska.models.local.hub import DEFAULT_MODEL, PINNED, fetch_small_files, fetch_weights, parse_ref
from matrioska.models.local.loading import LoadEvent, ModelKey, load, plan_load, tokenizer_of
from matrioska.state.errors import ModelLoadError, ModelMemoryError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def _rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _only_bin(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    _rewrite(folder / "config.json", model_type="ours", auto_map={"AutoConfig": "modeling.OurConfig"})
    (folder / "modeling.py").write_text("raise SystemExit('this must never run')")


def _cut_off(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _sharded(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _adapter(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")


def _more_layers(folder: Path) -> None:
    _rewrite(folder / "config.json", num_hidden_layers=3)


def _other_widths(folder: Path) -> None:
    _rewrite(folder / "config.json", intermediate_size=96)


def _wrong_type(folder: Path) -> None:
    _rewrite(folder / "config.json", num_hidden_layers="many")


def _unknown_type(folder: Path) -> None:
    _rewrite(folder / "config.json", model_type="mistrall")


def _cut_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")


@pytest.mark.parametrize(
    ("spoil", "message", "advice"),
    [
        (_only_bin, "pytorch_model.bin", "save_pretrained"),
        (_own_code, "code from its own repository", "transformers knows itself"),
        (_cut_off, "model.safetensors is broken", "download it again"),
        (_sharded, "2 of 2 weight files are missing", "Download the model again"),
        (_adapter, "adapter", "merge_and_unload"),
        (_more_layers, "lack 9 of the tensors", "belong together"),
        (_other_widths, "cannot be loaded", "belong together"),
        (_wrong_type, "config.json has a wrong value (Validation error for field 'num_hidden_layers'", "again"),
        (_unknown_type, "'mistrall'", "model_type"),
        (_cut_config, "config.json cannot be read", "again"),
        (_no_tokenizer, "tokenizer", "tokenizer.json"),
        (_gguf, "model.gguf", "llama.cpp"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_a_spoilt_folder_is_a_clear_error(
    tiny_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str, advice: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    spoil(folder)
    with pytest.raises(ModelLoadError) as caught:
        LocalLLM(model_name=str(folder), load_in_4bit=False, max_tokens=2).invoke("x")
    assert message in caught.value.message
    assert advice in caught.value.next_step
    assert caught.value.model == str(folder)


def test_code_in_the_folder_of_a_known_model_is_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    _own_code(folder)
    _rewrite(folder / "config.json", model_type="mistral")
    LocalLLM(model_name=str(folder), load_in_4bit=False, max_tokens=2).invoke("x")


def test_a_quantised_checkpoint_is_not_quantised_again(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    _rewrite(folder / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    asked: dict[str, Any] = {}

    def read(*_: Any, **arguments: Any) -> None:
        asked.update(arguments)
        raise ImportError("Loading a GPTQ quantized model requires gptqmodel")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)
    with pytest.raises(ModelLoadError, match="gptqmodel"):
        load(plan_load(ModelKey(parse_ref(str(folder)))))
    assert "quantization_config" not in asked
    assert asked["trust_remote_code"] is False
    assert asked["use_safetensors"] is True


def test_a_model_saved_in_4_bits_is_loaded_as_it_is(tiny_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    AutoModelForCausalLM.from_pretrained(tiny_folder, quantization_config=settings).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(tmp_path)
    plan = plan_load(ModelKey(parse_ref(str(tmp_path))))
    assert plan.need.quantised == "bitsandbytes"
    llm = LocalLLM(model_name=str(tmp_path), max_tokens=3)
    assert llm.invoke("x").response_metadata["finish_reason"] in ("stop", "length")
    llm.unload()


def test_the_cpu_is_announced_with_a_figure(tiny_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    events: list[LoadEvent] = []
    llm = LocalLLM(model_name=str(tiny_folder), device="cpu", max_tokens=2, on_event=events.append)
    with caplog.at_level(logging.INFO, "matrioska.local"):
        llm.invoke("x")
        llm.invoke("x")
    llm.unload()
    assert [event.kind for event in events] == ["cpu", "loading", "loaded"]
    assert "seconds a token" in events[0].text
    assert next(record.levelname for record in caplog.records if record.name == "matrioska.local") == "WARNING"


def test_too_little_memory_is_refused_before_weights_are_read(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    monkeypatch.setattr(loading, "read_model", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(ModelMemoryError) as caught:
        LocalLLM(model_name=str(tiny_folder), device="cpu", context_window=100).invoke("x")
    assert caught.value.available == 1000
    assert caught.value.needed > 1000
    assert "GiB" in caught.value.message


def test_memory_that_runs_out_on_the_way_is_typed(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def read(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)
    with pytest.raises(ModelMemoryError):
        load(plan_load(ModelKey(parse_ref(str(tiny_folder)))))


def test_names_of_models(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789012345678901234567890123456789"
    assert parse_ref(DEFAULT_MODEL).revision == PINNED[DEFAULT_MODEL]
    assert parse_ref(DEFAULT_MODEL).pinned
    assert parse_ref(f"a/b@{commit}") == parse_ref("a/b", commit)
    assert parse_ref("a/b@main").revision == "main"
    assert not parse_ref("a/b@main").pinned
    assert parse_ref(DEFAULT_MODEL, "main").revision == "main"
    monkeypatch.chdir(tiny_folder.parent)
    assert parse_ref(tiny_folder.name) == parse_ref(str(tiny_folder))
    for name, revision, message in [
        (str(tmp_path / "none"), None, "no folder"),
        ("a/b/c", None, "no folder"),
        ("a/b@x", "y", "two revisions"),
        (str(tiny_folder), "main", "folder"),
    ]:
        with pytest.raises(ModelLoadError, match=message):
            parse_ref(name, revision)


def _response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co/a/b"))


@pytest.mark.parametrize(
    ("error", "message", "advice"),
    [
        (hub_errors.GatedRepoError("403", response=_response(403)), "gated", "HF_TOKEN"),
        (hub_errors.RepositoryNotFoundError("404", response=_response(404)), "not on the hub", "Check the name"),
        (hub_errors.RevisionNotFoundError("404", response=_response(404)), "no revision 'v9'", "commit, tag or branch"),
        (hub_errors.HfHubHTTPError("503 Server Error", response=_response(503)), "503", "try again"),
        (hub_errors.LocalEntryNotFoundError("not cached"), "cannot be reached", "HF_HUB_OFFLINE"),
        (OSError(28, "No space left on device"), "No space left", "space on the disk"),
    ],
    ids=["gated", "missing", "revision", "server", "offline", "disk"],
)
def test_the_hubs_errors_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str, advice: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelLoadError) as caught:
        fetch_small_files(parse_ref("a/b@v9"))
    assert message in caught.value.message
    assert advice in caught.value.next_step


def _hub_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the hub hand out this folder for every repository; returns what was asked for."""
    asked: list[list[str]] = []

    def snapshot(repo: str, *, revision: str, allow_patterns: list[str], local_files_only: bool) -> str:
        if not local_files_only:
            raise httpx.ConnectError("no route")
        asked.append(allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    return asked


def test_without_a_connection_the_cache_serves(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = _hub_of(tiny_folder, monkeypatch)
    plan = plan_load(ModelKey(parse_ref("a/b")))
    assert fetch_weights(plan.key.ref, plan.folder) == tiny_folder
    assert asked[-1] == ["model.safetensors"]
    assert not any(pattern.endswith((".py", ".bin")) for patterns in asked for pattern in patterns)
    assert "may mean other weights tomorrow" in caplog.text


def test_weights_of_which_the_hub_tells_no_size_are_fetched_and_measured(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    shutil.copytree(tiny_folder, small, ignore=shutil.ignore_patterns("*.safetensors"))
    folders = iter([small, tiny_folder])
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(next(folders)))
    plan = plan_load(ModelKey(parse_ref("a/b")))
    assert plan.need.weight_bytes == memory.requirements(str(tiny_folder)).weight_bytes
    assert plan.in_4bit


def test_a_pinned_model_gives_no_warning(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _hub_of(tiny_folder, monkeypatch)
    plan_load(ModelKey(parse_ref(DEFAULT_MODEL)))
    assert "tomorrow" not in caplog.text


def test_a_repository_with_pickles_only_names_them(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    shutil.copytree(tiny_folder, folder)
    (folder / "model.safetensors").unlink()
    _hub_of(folder, monkeypatch)
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda *_, **__: ["config.json", "pytorch_model.bin"])
    with pytest.raises(ModelLoadError, match=r"pytorch_model\.bin"):
        fetch_weights(parse_ref("a/b"), folder)


def test_the_tokenizer_comes_without_the_weights(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    (folder / "model.safetensors").unlink()
    assert len(tokenizer_of(parse_ref(str(folder)))("héllo")["input_ids"]) == len("héllo".encode())


@pytest.mark.parametrize("package", ["torch", "bitsandbytes"])
def test_a_missing_package_is_named(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelLoadError, match=f"needs {package}, which is not installed") as caught:
        plan_load(ModelKey(parse_ref(str(tiny_folder))))
    assert "matrioska[local]" in caught.value.next_step


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_refused(tiny_folder: Path, device: str) -> None:
    with pytest.raises(ModelLoadError, match=device) as caught:
        plan_load(ModelKey(parse_ref(str(tiny_folder)), device=device))
    assert "'cpu'" in caught.value.next_step


def test_the_profile_is_known_once_the_configuration_has_come(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = LocalLLM(model_name="a/b", load_in_4bit=False, max_tokens=2)
    assert llm.profile is None
    _hub_of(tiny_folder, monkeypatch)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: str(tiny_folder / "config.json"))
    answer = llm.invoke("x")
    llm.unload()
    assert answer.response_metadata["revision"] == tiny_folder.name
    assert llm.profile is not None
    assert llm.profile["max_input_tokens"] == 131072
