"""From a model's name to a running engine: checked, fetched, quantised, put on its device.

Weights are read as safetensors only and code from a model's repository is never run. What a model
needs is compared with what the device has before weights are fetched or read.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from matrioska.models.local import memory
from matrioska.models.local.folder import check_config, check_weights, read_config, read_headers, weight_files
from matrioska.models.local.hub import ModelRef, fetch_small_files, fetch_weights
from matrioska.models.local.memory import GIB, Requirements
from matrioska.models.local.request import Engine
from matrioska.state.errors import ModelLoadError, ModelMemoryError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = logging.getLogger("matrioska.local")

#: Core-seconds that one token takes for a billion parameters, in 4 bits and in 32, measured on two
#: cores with a model of 100 million. Only for the notice that there is no GPU.
_CORE_SECONDS = {"nf4": 3.8, "": 0.9}


@dataclass(frozen=True)
class LoadEvent:
    """Something worth telling the person while a model is loaded."""

    kind: Literal["unpinned", "cpu", "loading", "loaded"]
    model: str
    text: str


@dataclass(frozen=True)
class ModelKey:
    """Which engine is meant; equal keys share one."""

    ref: ModelRef
    load_in_4bit: bool = True
    device: str | None = None
    """A torch device such as ``cuda:1``; None takes the GPU when there is one."""
    context: int = field(default=8000, compare=False)
    """Tokens of prompt and answer for which there must be memory."""
    on_event: Callable[[LoadEvent], None] | None = field(default=None, compare=False, repr=False)

    def tell(self, kind: Literal["unpinned", "cpu", "loading", "loaded"], text: str) -> None:
        """Log an event and pass it on."""
        _log.log(logging.WARNING if kind in ("unpinned", "cpu") else logging.INFO, "%s", text)
        if self.on_event is not None:
            self.on_event(LoadEvent(kind, self.ref.name, text))


@dataclass(frozen=True)
class Plan:
    """What loading a model takes, before anything large is fetched."""

    key: ModelKey
    folder: Path
    """Holds its configuration and tokenizer."""
    device: str
    need: Requirements
    context: int
    """Tokens for which there must be memory; never more than the model takes."""
    in_4bit: bool
    """Whether the weights are quantised while they are read."""


@dataclass(frozen=True)
class LoadedModel:
    """A model on its device."""

    engine: Engine
    tokenizer: PreTrainedTokenizerBase
    device: str
    weight_bytes: int
    kv_bytes: int
    """Bytes that its conversations may take besides; 0 when the engine decides."""
    commit: str | None
    """Commit of the repository that was loaded; None for a folder."""

    def close(self) -> None:
        """End the engine; calls under way on it end with an error."""
        self.engine.close()


def plan_load(key: ModelKey) -> Plan:
    """Look at a model and its device. Blocks: it may fetch small files from the hub.

    Raises:
        ModelLoadError: the model is not there, is unsafe or is of an unknown kind.
    """
    torch = import_torch(key.ref.name)
    if not key.ref.pinned:
        at = f"revision {key.ref.revision!r}" if key.ref.revision else "the newest revision"
        key.tell(
            "unpinned",
            f"{key.ref.name} is loaded at {at}, which may mean other weights tomorrow; "
            "write name@commit to pin what you looked at.",
        )
    folder = fetch_small_files(key.ref)
    config = read_config(folder, key.ref.name)
    check_config(folder, config, key.ref.name)
    device = _device_of(key, torch)
    # A checkpoint that is quantised already carries its own settings, and must not be quantised again.
    in_4bit = key.load_in_4bit and not memory.own_quantisation(config) and _quantises(device, key.ref.name)
    need = _need_of(key, folder, config, in_4bit=in_4bit, gpu=device != "cpu")
    context = min(key.context, memory.context_window(config) or key.context)
    return Plan(key, folder, device, need, context, in_4bit)


def _need_of(key: ModelKey, folder: Path, config: dict[str, Any], *, in_4bit: bool, gpu: bool) -> Requirements:
    """Return what the model needs; where the hub does not tell, its weights are fetched and looked at first."""
    name = key.ref.name
    if key.ref.folder is not None:
        check_weights(folder, name)
    files = weight_files(folder, name)
    if not files or not all(path.is_file() for path in files):
        told = memory.requirements(key.ref.place, revision=key.ref.revision, load_in_4bit=in_4bit, gpu=gpu)
        if told.weight_bytes is not None:
            return told
        files = weight_files(fetch_weights(key.ref, folder), name)
    source: memory.Source = "folder" if key.ref.folder else "hub cache"
    return memory.describe(name, source, config, read_headers(files, name), load_in_4bit=in_4bit, gpu=gpu)


def load(plan: Plan) -> LoadedModel:
    """Fetch, read and quantise a model. Blocks for as long as that takes.

    Raises:
        ModelLoadError: it cannot be loaded.
        ModelMemoryError: memory ran out on the way.
    """
    from matrioska.models.local.engine import BatchEngine

    key, name = plan.key, plan.key.ref.name
    if plan.device == "cpu":
        key.tell("cpu", _cpu_notice(plan.need))
    key.tell("loading", f"{name} is being loaded.")
    folder = fetch_weights(key.ref, plan.folder)
    check_weights(folder, name)
    tokenizer = tokenizer_of(key.ref)
    model = read_model(plan, folder)
    weights = int(model.get_memory_footprint())  # type: ignore[no-untyped-call]
    kv_bytes = _kv_budget(plan)
    engine = BatchEngine(model, tokenizer, kv_bytes=kv_bytes, name=name)
    key.tell("loaded", f"{name} is loaded on {plan.device}: {weights / GIB:.1f} GiB of weights.")
    commit = None if key.ref.folder else folder.name
    return LoadedModel(engine, tokenizer, plan.device, weights, kv_bytes or 0, commit)


@lru_cache(maxsize=32)
def tokenizer_of(ref: ModelRef) -> PreTrainedTokenizerBase:
    """Return a model's tokenizer, without its weights. Blocks on first use.

    Raises:
        ModelLoadError: there is none, or it needs code of its own.
    """
    import_torch(ref.name)
    from transformers import AutoTokenizer

    folder = fetch_small_files(ref)
    check_config(folder, read_config(folder, ref.name), ref.name)
    try:
        # transformers' errors here are of any class, its own dataclass checks included.
        return cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(folder, trust_remote_code=False))
    except Exception as error:
        raise ModelLoadError(
            f"The model {ref.name} cannot be loaded: its tokenizer cannot be read ({first_line(error)}).",
            model=ref.name,
            next_step="The folder needs tokenizer.json (or tokenizer.model) and tokenizer_config.json.",
        ) from error


def import_torch(name: str) -> Any:
    """Return the torch module.

    Raises:
        ModelLoadError: it, transformers or accelerate is not installed.
    """
    try:
        import accelerate  # type: ignore[import-untyped]  # noqa: F401
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise _not_installed(name, error.name or "torch") from error
    return torch


def _not_installed(name: str, package: str) -> ModelLoadError:
    return ModelLoadError(
        f"LocalLLM needs {package}, which is not installed.",
        model=name,
        next_step="Install it with: pip install 'matrioska[local]'.",
    )


def release_memory() -> None:
    """Give back to the devices what a closed engine has left."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _device_of(key: ModelKey, torch: Any) -> str:
    """Return the device, with its number, so that two names of one device are equal."""
    if key.device is None:
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        device = torch.device(best)
    else:
        try:
            device = torch.device(key.device)
            torch.empty(0, device=device)
        # torch raises AssertionError for a kind of device that it was built without.
        except (RuntimeError, AssertionError) as error:
            raise ModelLoadError(
                f"The device {key.device!r} cannot be used: {first_line(error)}.",
                model=key.ref.name,
                next_step="Leave device out to take the GPU when there is one, or give 'cpu'.",
            ) from error
    return (
        f"cuda:{torch.cuda.current_device() if device.index is None else device.index}"
        if device.type == "cuda"
        else str(device.type)
    )


def _quantises(device: str, name: str) -> bool:
    """Return whether bitsandbytes can hold weights in 4 bits on that kind of device."""
    try:
        import bitsandbytes
    except ImportError as error:
        raise _not_installed(name, "bitsandbytes") from error
    return device.partition(":")[0] in bitsandbytes.supported_torch_devices


def _dtype(device: str) -> torch.dtype:
    import torch

    if device == "cpu":
        # 16-bit floats are computed in software on many CPUs.
        return torch.float32
    if device.startswith("cuda") and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def read_model(plan: Plan, folder: Path, auto: Any = None, spare: tuple[str, ...] = ()) -> PreTrainedModel:
    """Read a model's weights onto its device, in the precision planned.

    Args:
        plan: what was planned.
        folder: holds the weights.
        auto: transformers' auto class that reads it; None for a causal language model.
        spare: parts of the names of weights that it can do without.

    Raises:
        ModelLoadError: its files do not belong together.
        ModelMemoryError: memory ran out.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    name, dtype = plan.key.ref.name, _dtype(plan.device)
    arguments: dict[str, Any] = {}
    if plan.in_4bit:
        arguments["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    try:
        with quiet_unless_terminal():
            read: Any = (auto or AutoModelForCausalLM).from_pretrained(
                folder,
                dtype=dtype,
                device_map={"": plan.device},
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **arguments,
            )
    except (torch.OutOfMemoryError, MemoryError) as error:
        release_memory()
        raise _ran_out(plan) from error
    # transformers and the libraries of quantised formats raise errors of any class.
    except Exception as error:
        raise _unreadable(name, first_line(error)) from error
    model, info = cast("tuple[PreTrainedModel, dict[str, Any]]", read)
    absent = sorted(key for key in info["missing_keys"] if not any(part in key for part in spare))
    if absent:
        # transformers fills them with random numbers and only warns.
        raise _unreadable(
            name, f"its weights lack {len(absent)} of the tensors in its configuration, such as {absent[0]}"
        )
    if info["unexpected_keys"]:
        _log.warning("%s: %d tensors of its files are not used", name, len(info["unexpected_keys"]))
    model.eval()  # type: ignore[no-untyped-call]
    if getattr(model, "is_loaded_in_4bit", False):
        _leave_odd_widths_unpacked(model)
    return model


def _leave_odd_widths_unpacked(model: PreTrainedModel) -> None:
    """Let layers whose widths bitsandbytes cannot pack for AVX-512 BF16 compute as on other processors.

    It would find out in the middle of an answer. Such layers are in vision models, Qwen2.5-VL's among them.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            weight: Any = layer.weight
            if layer.out_features % 32 or layer.in_features % weight.blocksize:
                layer.support_avx512bf16_for_cpu = False


def _ran_out(plan: Plan) -> ModelMemoryError:
    return memory.not_enough(plan.need, plan.context, memory.free_bytes(plan.device), plan.device)


def _unreadable(name: str, what: str) -> ModelLoadError:
    return ModelLoadError(
        f"The model {name} cannot be loaded: {what.rstrip('.')}.",
        model=name,
        next_step="Check that config.json and the .safetensors files belong together, or download the model again.",
    )


def _kv_budget(plan: Plan) -> int | None:
    """Return the bytes that conversations may take: half of what is free, so that another model finds room too."""
    if plan.need.kv_bytes_per_token is None:
        return None
    return max(memory.free_bytes(plan.device) // 2, plan.context * plan.need.kv_bytes_per_token)


def _cpu_notice(need: Requirements) -> str:
    speed = ""
    if need.parameters:
        seconds = need.parameters / 1e9 * _CORE_SECONDS.get(need.quantised, 0.9) / (os.cpu_count() or 1)
        about = f"about {seconds:.2g}" if seconds > 0.01 else "less than 0.01"
        speed = f" Expect {about} seconds a token on these {os.cpu_count()} cores; answers at once share them."
    return f"There is no GPU that torch can use: {need.name} runs on the CPU, which is slow.{speed}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet_unless_terminal() -> Iterator[None]:
    """Keep transformers' progress bars off anything but a terminal; it has a switch of its own."""
    from transformers.utils import logging as bars

    if sys.stderr.isatty() or "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ or not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        bars.enable_progress_bar()  # type: ignore[no-untyped-call]
