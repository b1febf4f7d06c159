"""What lies in a model's folder: its configuration and its weight files, looked at before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrioska.state.errors import ModelLoadError

#: transformers looks for these two, in this order.
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".gguf", ".onnx")


@dataclass(frozen=True)
class Tensor:
    """A tensor as a safetensors header describes it."""

    name: str
    dtype: str
    """As safetensors writes it, such as ``BF16``."""
    shape: tuple[int, ...]


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Return the contents of ``config.json``.

    Raises:
        ModelLoadError: it is missing or is not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelLoadError(
                f"{name} holds an adapter (LoRA) and not a whole model.",
                model=name,
                next_step="Merge it into its base model with peft's merge_and_unload() and save_pretrained().",
            )
        raise ModelLoadError(
            f"The model {name} cannot be loaded: it has no config.json.",
            model=name,
            next_step="A model needs config.json, a tokenizer and weights as .safetensors in one folder.",
        )
    return read_object(path, name)


def read_object(path: Path, name: str) -> dict[str, Any]:
    """Return a JSON file's object.

    Raises:
        ModelLoadError: it cannot be read or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"The model {name} cannot be loaded: {path.name} cannot be read ({error}).",
            model=name,
            next_step="Download the model again, or correct the file.",
        ) from error
    if not isinstance(found, dict):
        raise ModelLoadError(
            f"The model {name} cannot be loaded: {path.name} is not a JSON object.",
            model=name,
            next_step="Download the model again.",
        )
    return found


def weight_files(folder: Path, name: str) -> list[Path]:
    """Return the safetensors files that hold the weights, whether or not they are there yet.

    Returns:
        Empty when the folder names none.

    Raises:
        ModelLoadError: the index cannot be read or leads out of the folder.
    """
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    index = folder / INDEX_FILE
    if not index.is_file():
        return []
    places = read_object(index, name).get("weight_map")
    shards = sorted(set(places.values())) if isinstance(places, dict) else []
    if not shards or any(not isinstance(shard, str) or Path(shard).name != shard for shard in shards):
        raise ModelLoadError(
            f"The model {name} cannot be loaded: {INDEX_FILE} names no files of this folder.",
            model=name,
            next_step="Download the model again.",
        )
    return [folder / shard for shard in shards]


def check_weights(folder: Path, name: str) -> None:
    """Check that the weights are there, whole, and of a kind that cannot run code.

    Raises:
        ModelLoadError: they are not.
    """
    files = weight_files(folder, name)
    if not files:
        raise no_safetensors(name, (path.name for path in folder.iterdir()))
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ModelLoadError(
            f"The model {name} cannot be loaded: {len(missing)} of {len(files)} weight files are missing, "
            f"such as {missing[0]}.",
            model=name,
            next_step="Download the model again; the files that are there are kept.",
        )
    read_headers(files, name)


def read_headers(files: Iterable[Path], name: str) -> list[Tensor]:
    """Return every tensor's name, type and shape from the files' headers. No weights are read.

    Raises:
        ModelLoadError: a file is broken.
    """
    from safetensors import SafetensorError, safe_open

    found: list[Tensor] = []
    for path in files:
        try:
            with safe_open(path, framework="np") as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    part = file.get_slice(key)
                    found.append(Tensor(key, part.get_dtype(), tuple(part.get_shape())))
        except (SafetensorError, OSError) as error:
            raise ModelLoadError(
                f"The model {name} cannot be loaded: {path.name} is broken ({error}).",
                model=name,
                next_step="Delete the file and download it again; a download may have been cut off.",
            ) from error
    return found


def no_safetensors(name: str, files: Iterable[str]) -> ModelLoadError:
    """Return the error for a model without safetensors, which names the weights that it has instead."""
    others = sorted(file for file in files if file.endswith(_OTHER_WEIGHTS))
    if any(file.endswith(".gguf") for file in others):
        advice = "Serve GGUF files with llama.cpp, LM Studio or Ollama and name the model by that provider."
    elif others:
        advice = (
            "Such files can run code when they are read. Take a repository with .safetensors, or convert them where "
            "you trust them: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder)."
        )
    else:
        advice = "A model needs config.json, a tokenizer and weights as .safetensors in one folder."
    listed = f"; it has {', '.join(others[:5])}" if others else ""
    return ModelLoadError(
        f"The model {name} cannot be loaded: it has no weights as .safetensors{listed}.", model=name, next_step=advice
    )


def check_config(folder: Path, config: dict[str, Any], name: str) -> None:
    """Check that transformers has this kind of model itself, and takes its configuration.

    A repository may ship code for a kind of model that transformers has by now. That code
    stays unused, and such a model is fine.

    Raises:
        ModelLoadError: the model needs code of its own, which is never run; its kind is unknown;
            or a value in its configuration is wrong.
    """
    from transformers import CONFIG_MAPPING

    kind = str(config.get("model_type", ""))
    if kind not in CONFIG_MAPPING:
        raise _unknown_kind(folder, config, name, kind)
    try:
        CONFIG_MAPPING[kind].from_dict(config)
    # transformers checks values with errors of many classes.
    except Exception as error:
        raise ModelLoadError(
            f"The model {name} cannot be loaded: config.json has a wrong value ({' '.join(str(error).split())[:200]}).",
            model=name,
            next_step="Correct config.json, or download it again.",
        ) from error


def _unknown_kind(folder: Path, config: dict[str, Any], name: str, kind: str) -> ModelLoadError:
    if "auto_map" in config or any(folder.glob("*.py")):
        return ModelLoadError(
            f"The model {name} (type {kind or 'unknown'!r}) runs only with code from its own repository, "
            "and such code is never run here.",
            model=name,
            next_step="Choose a model that transformers knows itself, or serve this one apart with vLLM or llama.cpp.",
        )
    return ModelLoadError(
        f"The model {name} cannot be loaded: transformers does not know the model type {kind!r}.",
        model=name,
        next_step="Check model_type in config.json, or update with: pip install -U transformers.",
    )
