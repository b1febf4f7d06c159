"""What a model needs in memory, and what a device has: known before a byte of weights is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from matrioska.i18n import N_
from matrioska.models.local.folder import Tensor, read_config, read_headers, weight_files
from matrioska.models.local.hub import ModelRef, cached_folder, hub_error, parse_ref, quiet
from matrioska.state.errors import ModelLoadError, ModelMemoryError

Source = Literal["folder", "hub cache", "hub", "unknown"]

GIB = 1024**3

#: nf4 with double quantisation (Dettmers et al., 2023, arXiv:2305.14314): 4 bits a weight, one
#: byte for each block of 64 weights, one float32 for each 256 of those.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)

#: Parts of the names of two-dimensional weights that bitsandbytes leaves alone: it quantises linear
#: layers except the last. transformers fuses experts into blocks that are no linear layers.
_NOT_QUANTISED = ("embed", "wte", "wpe", "lm_head", "norm", ".experts.")

_ITEM_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}

#: Quantising a tensor takes this many times its size for a moment, measured on the CPU with one of 56 MiB.
_QUANTISING = 4

#: Seconds until the hub counts as out of reach.
_HUB_TIMEOUT = 5.0

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Requirements:
    """What a model needs. A figure that is not known is None."""

    name: str
    source: Source = "unknown"
    """Where the figures come from."""
    weight_bytes: int | None = None
    """Bytes of the weights as they would be loaded."""
    kv_bytes_per_token: int | None = None
    """Bytes that one token of one conversation takes while it runs."""
    context: int | None = None
    """Tokens of prompt and answer that the model takes."""
    quantised: str = ""
    """How the weights are held once loaded: ``nf4``, the checkpoint's own method, or '' for none."""
    note: str = ""
    """What is worth knowing besides, in one sentence; '' for nothing."""
    parameters: int | None = None
    nf4_bytes: int | None = None
    """Bytes of the weights in 4 bits, by nf4 with double quantisation."""
    half_bytes: int | None = None
    """Bytes of the weights in 16 bits."""
    full_bytes: int | None = None
    """Bytes of the weights in 32 bits."""
    passing_bytes: int = 0
    """Bytes needed for a moment while loading, to quantise the largest tensor."""

    def total(self, context: int) -> int | None:
        """Return the bytes needed to load the model and run `context` tokens; None when not known."""
        if self.weight_bytes is None:
            return None
        return self.weight_bytes + self.passing_bytes + context * (self.kv_bytes_per_token or 0)


def requirements(
    name: str, *, revision: str | None = None, load_in_4bit: bool = True, gpu: bool = False, online: bool = True
) -> Requirements:
    """Return what a model needs, from its configuration and the headers of its weights alone.

    Never loads weights, and downloads nothing but headers; never raises for a model that is not
    known or cannot be reached: `Requirements.source` is then ``unknown`` and the note says why.

    Args:
        name: folder, or repository on the hub, with or without ``@revision``.
        gpu: what is not quantised takes 2 bytes a weight on a GPU and 4 on the CPU.
        online: ask the hub for a model that is not in its cache.
    """
    try:
        ref = parse_ref(name, revision)
        found = _look(ref, online)
    except ModelLoadError as error:
        return Requirements(name, note=error.message)
    except ImportError as error:
        missing = N_("{package} is not installed: pip install 'matrioska[local]'.")
        return Requirements(name, note=missing.format(package=error.name))
    if found is None:
        return Requirements(name, note=N_("It is not in the hub's cache."))
    source, config, tensors = found
    return describe(name, source, config, tensors, load_in_4bit=load_in_4bit, gpu=gpu)


def describe(
    name: str, source: Source, config: dict[str, Any], tensors: Sequence[Tensor], *, load_in_4bit: bool, gpu: bool
) -> Requirements:
    """Return what a model of this configuration and these tensors needs."""
    item = 2 if gpu else 4
    values, own = _kv_values(_shape(config)), own_quantisation(config)
    counts = [(tensor, prod(tensor.shape)) for tensor in tensors]
    stored = sum(count * _ITEM_BYTES.get(tensor.dtype, 1) for tensor, count in counts)
    lines = [count for tensor, count in counts if _is_linear(tensor)]
    linear, largest = sum(lines), max(lines, default=0)
    rest = sum(count for _, count in counts) - linear
    nf4 = int(linear * NF4_BYTES) + rest * item
    note = ""
    if load_in_4bit and not own and any(".experts." in tensor.name for tensor in tensors):
        note = N_("Its experts are not held in 4 bits: bitsandbytes quantises linear layers only.")
    full = not own and not load_in_4bit
    return Requirements(
        name=name,
        source=source,
        weight_bytes=stored if own else (linear + rest) * item if full else nf4,
        kv_bytes_per_token=values * item if values else None,
        context=context_window(config),
        quantised=own or ("" if full else "nf4"),
        note=note,
        parameters=None if own else linear + rest,
        nf4_bytes=stored if own else nf4,
        half_bytes=None if own else (linear + rest) * 2,
        full_bytes=None if own else (linear + rest) * 4,
        passing_bytes=0 if own or full else _QUANTISING * largest * item,
    )


def context_window(config: dict[str, Any]) -> int | None:
    """Return the tokens of prompt and answer that a model of this ``config.json`` takes; None when it is silent."""
    shape = _shape(config)
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"):
        if isinstance(shape.get(key), int) and shape[key] > 0:
            return int(shape[key])
    return None


def free_bytes(device: str) -> int:
    """Return the bytes that are free on a device: ``cuda`` or ``cuda:1``, or the main memory for any other."""
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info(torch.device(device))
        # What torch has taken from the device and does not use is free for the next model.
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    # Without a figure nothing can be promised.
    return free_main_memory() or 0


def free_main_memory() -> int | None:
    """Return the bytes of main memory that are free, within the container's limit; None when nothing says."""
    try:
        import psutil  # type: ignore[import-untyped]

        free = int(psutil.virtual_memory().available)
    except ImportError:
        free = _available_bytes()
    return min([free, *_container_bytes()]) if free else None


def not_enough(need: Requirements, context: int, available: int, device: str) -> ModelMemoryError:
    """Return the error for a model that does not fit, with the numbers and what can be done."""
    needed = need.total(context) or 0
    advice = ["choose a smaller model", "a smaller context_window or max_tokens"]
    if not need.quantised:
        advice.append("load_in_4bit=True")
    advice.append("close other programs")
    return ModelMemoryError(
        f"The model {need.name} needs {needed / GIB:.1f} GiB for its weights and {context} tokens, and "
        f"{available / GIB:.1f} GiB are free on {'the CPU' if device == 'cpu' else device}.",
        needed=needed,
        available=available,
        model=need.name,
        next_step=f"To make it fit: {', '.join(advice[:-1])}, or {advice[-1]}.",
    )


def _look(ref: ModelRef, online: bool) -> tuple[Source, dict[str, Any], list[Tensor]] | None:
    """Return where the model was looked at, its configuration and its tensors."""
    folder = cached_folder(ref)
    if folder is not None:
        files = weight_files(folder, ref.name)
        if files and all(path.is_file() for path in files):
            source: Source = "folder" if ref.folder else "hub cache"
            return source, read_config(folder, ref.name), read_headers(files, ref.name)
        if ref.folder is not None:
            raise ModelLoadError("The folder lacks weights as .safetensors.", model=ref.name)
    return _look_online(ref) if online else None


def _look_online(ref: ModelRef) -> tuple[Source, dict[str, Any], list[Tensor]]:
    import httpx
    from huggingface_hub import get_safetensors_metadata, hf_hub_download, model_info
    from huggingface_hub.errors import HFValidationError, NotASafetensorsRepoError, SafetensorsParsingError

    try:
        # Fails within its timeout, while downloads try again for half a minute.
        model_info(ref.place, revision=ref.revision, timeout=_HUB_TIMEOUT)
        with quiet():
            config = read_config(
                Path(hf_hub_download(ref.place, "config.json", revision=ref.revision)).parent, ref.name
            )
            metadata = get_safetensors_metadata(ref.place, revision=ref.revision)
    except (NotASafetensorsRepoError, SafetensorsParsingError) as error:
        raise ModelLoadError("The repository has no usable weights as .safetensors.", model=ref.name) from error
    # A hub that answers nonsense is as good as none.
    except (OSError, httpx.HTTPError, HFValidationError, ValueError, KeyError) as error:
        raise hub_error(ref, error) from error
    tensors = [
        Tensor(name, info.dtype, tuple(info.shape))
        for file in metadata.files_metadata.values()
        for name, info in file.tensors.items()
    ]
    return "hub", config, tensors


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that describes the language model."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def own_quantisation(config: dict[str, Any]) -> str:
    """Return the method by which the checkpoint is quantised already; '' for none."""
    own = config.get("quantization_config") or _shape(config).get("quantization_config")
    return str(own.get("quant_method", "unknown")) if isinstance(own, dict) else ""


def _kv_values(shape: dict[str, Any]) -> int | None:
    """Return the numbers that a token takes in the cache of keys and values; None when not known."""

    def first(*keys: str) -> int:
        return next((shape[key] for key in keys if isinstance(shape.get(key), int)), 0)

    layers, heads = first("num_hidden_layers", "n_layer", "num_layers"), first("num_attention_heads", "n_head")
    # Latent attention (DeepSeek) keeps keys and values of different widths.
    if not layers or not heads or "kv_lora_rank" in shape:
        return None
    width = first("head_dim") or first("hidden_size", "n_embd", "d_model") // heads
    groups = first("num_key_value_heads", "num_kv_heads", "n_head_kv") or (1 if shape.get("multi_query") else heads)
    return 2 * layers * groups * width or None


def _is_linear(tensor: Tensor) -> bool:
    return len(tensor.shape) == 2 and not any(part in tensor.name for part in _NOT_QUANTISED)


def _available_bytes() -> int:
    """Return what Linux itself says of free memory, for an installation without psutil; 0 elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def _container_bytes() -> list[int]:
    """Return what a container's limit leaves: psutil sees the whole machine. Empty without a limit."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        # Files kept in memory count as used, yet give way.
        return [] if limit == "max" else [max(0, int(limit) - used + int(stat.get("inactive_file", 0)))]
    except (OSError, ValueError):
        return []
