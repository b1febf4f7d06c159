"""Pipelines of transformers: a model with what reads its inputs and what reads its outputs, for one task.

Checked and read as engines are (`loading`): weights as safetensors only, no code from a model's
repository, memory before weights. The parts are put together here and not by ``transformers.pipeline``,
which fills a head that the weights lack with random numbers, follows adapters to other repositories
and lets a configuration bring a pipeline of its own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrioska.models.local.folder import check_config, check_weights, read_config
from matrioska.models.local.hub import ModelRef, fetch_small_files, fetch_weights
from matrioska.models.local.loading import (
    ModelKey,
    Plan,
    first_line,
    import_torch,
    plan_load,
    quiet_unless_terminal,
    read_model,
)
from matrioska.models.local.memory import GIB, Requirements
from matrioska.models.local.pipeline_tasks import TASKS, PipelineTask
from matrioska.models.slots import Slots
from matrioska.state.errors import ConfigError, ModelLoadError, ModelUnavailableError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig
    from transformers.pipelines.base import Pipeline

#: Weights that only training or a pooled output needs; checkpoints often lack them.
_SPARE = ("masked_spec_embed", "pooler.")
#: Where transformers says by which parts a pipeline is served, and what reads each.
_PARTS = {
    "tokenizer": "AutoTokenizer",
    "feature_extractor": "AutoFeatureExtractor",
    "image_processor": "AutoImageProcessor",
    "processor": "AutoProcessor",
}
#: What a bare model reads, by the name of its first argument.
_FEATURES = {
    "input_values": "audio-feature-extraction",
    "input_features": "audio-feature-extraction",
    "pixel_values": "image-feature-extraction",
    "input_ids": "feature-extraction",
}
_SEED = 0


@dataclass(frozen=True)
class PipelineKey:
    """Which pipeline is meant; equal keys share one."""

    model: ModelKey
    """Its ``context`` is 0: no conversation needs memory."""
    task: PipelineTask

    @property
    def ref(self) -> ModelRef:
        """Which model it is."""
        return self.model.ref


@dataclass(frozen=True)
class PipelinePlan:
    """What loading a pipeline takes, before anything large is fetched."""

    key: PipelineKey
    base: Plan
    auto: str
    """transformers' auto class that reads the model."""
    context: int = 0

    @property
    def device(self) -> str:
        """Where it will be."""
        return self.base.device

    @property
    def need(self) -> Requirements:
        """What it needs in memory."""
        return self.base.need


class LoadedPipeline:
    """A pipeline on its device. Calls go through it one at a time: transformers' are not made for more.

    Args:
        pipe: the pipeline.
        key: what it was asked for by.
        device: where it is.
        weight_bytes: bytes of its weights.
        commit: commit of the repository that was loaded; None for a folder.
    """

    kv_bytes = 0

    def __init__(self, pipe: Pipeline, key: PipelineKey, device: str, weight_bytes: int, commit: str | None) -> None:
        self._pipe: Pipeline | None = pipe
        self.key = key
        self.device = device
        self.weight_bytes = weight_bytes
        self.commit = commit
        self._lock = threading.Lock()
        self._turns = Slots(1)
        self._tickets = itertools.count()

    @property
    def pipe(self) -> Pipeline:
        """transformers' pipeline.

        Raises:
            ModelUnavailableError: it was unloaded.
        """
        if self._pipe is None:
            raise ModelUnavailableError(
                f"{self.key.ref.name} was unloaded.", model=self.key.ref.name, next_step="Resume the run."
            )
        return self._pipe

    @property
    def sample_rate(self) -> int:
        """Samples a second that its model was trained with."""
        return int(self.pipe.feature_extractor.sampling_rate)  # type: ignore[union-attr]

    @property
    def window(self) -> int | None:
        """Tokens that its model reads at once; None when nothing says."""
        pipe = self.pipe
        told = [getattr(pipe.model.config, "max_position_embeddings", None)]
        told.append(getattr(pipe.tokenizer, "model_max_length", None))
        # Tokenizers that know of no limit say 10^30.
        return min((int(limit) for limit in told if limit and limit < 10**9), default=None)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return a context to hold around `run`: others wait for it in their order, without a thread each."""
        return self._turns.ahold(0, f"{next(self._tickets):012}")

    def run(self, arguments: tuple[Any, ...], parameters: Mapping[str, Any]) -> Any:
        """Run one input through the pipeline. Blocks; equal inputs give equal outputs.

        Raises:
            ModelUnavailableError: it was unloaded.
            Exception: of any class, from transformers.
        """
        with self._lock, _seeded(self.device):
            return self.pipe(*arguments, **parameters)

    def close(self) -> None:
        """Let go of the model; a call under way goes on to its end."""
        self._pipe = None


@contextmanager
def _seeded(device: str) -> Iterator[None]:
    """Let random numbers be the same each time: some models (VITS) draw them always."""
    import torch

    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(_SEED)
        yield


def pipeline_key(model: ModelKey, task: PipelineTask | None) -> PipelineKey:
    """Return the key of a pipeline; without a task, that of the model's own. Blocks: it may ask the hub.

    Raises:
        ModelLoadError: the model is not there, is unsafe or is of an unknown kind.
        ConfigError: no task was given, and the model's configuration does not tell it.
    """
    if task is not None:
        return PipelineKey(model, task)
    import_torch(model.ref.name)
    folder = fetch_small_files(model.ref)
    config = read_config(folder, model.ref.name)
    check_config(folder, config, model.ref.name)
    found = _own_task(config)
    if found is None:
        raise ConfigError(
            f"What {model.ref.name} is for cannot be told from its configuration.",
            next_step=f"Give the module a task in its worker_options: {', '.join(TASKS)}.",
        )
    return PipelineKey(model, found)


def _own_task(config: dict[str, Any]) -> PipelineTask | None:
    """Return the task that a model's configuration says it was made for; None when it says none."""
    for task in TASKS.values():
        for auto, cls in _classes_for(task, _config_class(config)):
            if cls.__name__ in _made_as(config):
                bare = auto == "AutoModel" and not task.only
                return TASKS[_FEATURES.get(cls.main_input_name, task.name)] if bare else task
    return None


def _made_as(config: dict[str, Any]) -> list[str]:
    """Return the names of the classes that a model was saved as."""
    made = config.get("architectures")
    return [name for name in made if isinstance(name, str)] if isinstance(made, list) else []


def _config_class(config: dict[str, Any]) -> type[PreTrainedConfig]:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[str(config["model_type"])]


def _classes_for(task: PipelineTask, kind: type[PreTrainedConfig]) -> list[tuple[str, Any]]:
    """Return transformers' classes that do a task with models of a kind, each with its auto class."""
    import transformers

    found: list[tuple[str, Any]] = []
    for name in task.models:
        auto = getattr(transformers, name, None)
        # Some auto classes are younger than the oldest transformers that we take.
        if auto is None or kind not in auto._model_mapping or (task.only and kind.model_type not in task.only):
            continue
        classes = auto._model_mapping[kind]
        found.extend((name, cls) for cls in (classes if isinstance(classes, tuple) else (classes,)))
    return found


def plan_pipeline(key: PipelineKey) -> PipelinePlan:
    """Look at a model, its device and its task. Blocks: it may fetch small files from the hub.

    Raises:
        ModelLoadError: the model is not there, is unsafe, or is not for that task.
    """
    base = plan_load(key.model)
    config = read_config(base.folder, key.ref.name)
    classes = _classes_for(key.task, _config_class(config))
    auto = next((name for name, cls in classes if cls.__name__ in _made_as(config)), "")
    own = None if auto else _own_task(config)
    # A bare model can be taken out of any other; a head that was never trained cannot be made up.
    if not classes or (own is not None and own != key.task and classes[0][0] != "AutoModel"):
        made = f"was made for {own.name}" if own else f"(type {config['model_type']!r})"
        raise _unfit(key.ref.name, key.task, f"it {made}")
    return PipelinePlan(key, base, auto or classes[0][0])


def load_pipeline(plan: PipelinePlan) -> LoadedPipeline:
    """Fetch and read a model and the parts around it. Blocks for as long as that takes.

    Raises:
        ModelLoadError: it cannot be loaded, or lacks the weights for its task.
        ModelMemoryError: memory ran out on the way.
    """
    import transformers

    key, name = plan.key, plan.key.ref.name
    key.model.tell("loading", f"{name} is being loaded for {key.task.name}.")
    folder = fetch_weights(key.ref, plan.base.folder)
    check_weights(folder, name)
    kind = _pipeline_class(key.task)
    # Before the weights: a part that is missing is found out in a moment.
    parts = {part: read for part in _PARTS if (read := _part(kind, part, folder, name)) is not None}
    model = read_model(plan.base, folder, getattr(transformers, plan.auto), spare=_SPARE)
    try:
        pipe = kind(model=model, task=key.task.name, **parts)
    # Pipelines refuse models that do not suit them with errors of any class.
    except Exception as error:
        raise _unfit(name, key.task, first_line(error)) from error
    weights = int(model.get_memory_footprint())  # type: ignore[no-untyped-call]
    key.model.tell("loaded", f"{name} is loaded on {plan.device}: {weights / GIB:.1f} GiB of weights.")
    return LoadedPipeline(pipe, key, plan.device, weights, None if key.ref.folder else folder.name)


def _pipeline_class(task: PipelineTask) -> Callable[..., Pipeline]:
    if task.own:
        from matrioska.models.local import pipeline_features as home
    else:
        import transformers as home  # type: ignore[no-redef]
    found: Callable[..., Pipeline] = getattr(home, task.pipeline)
    return found


def _part(kind: Any, part: str, folder: Path, name: str) -> Any:
    """Return the tokenizer or another part that a pipeline takes; None when it takes none, or can do without."""
    import transformers

    wanted = getattr(kind, f"_load_{part}", False)
    if wanted is False:
        return None
    try:
        with quiet_unless_terminal():
            return getattr(transformers, _PARTS[part]).from_pretrained(folder, trust_remote_code=False)
    # transformers' errors here are of any class.
    except Exception as error:
        if wanted is None:
            return None
        what = part.replace("_", " ")
        missing = getattr(error, "name", None) or ("torchvision" if "torchvision" in str(error).lower() else "")
        if isinstance(error, ImportError) and missing:
            raise ModelLoadError(
                f"The {what} of {name} needs {missing}, which is not installed.",
                model=name,
                next_step=f"Install it with: pip install {missing}.",
            ) from error
        raise ModelLoadError(
            f"The model {name} cannot be loaded: its {what} cannot be read ({first_line(error)}).",
            model=name,
            next_step="The folder needs the files beside the weights, such as preprocessor_config.json and "
            "tokenizer.json; or give the module another task.",
        ) from error


def _unfit(name: str, task: PipelineTask, why: str) -> ModelLoadError:
    return ModelLoadError(
        f"The model {name} cannot be used for {task.name}: {why.rstrip('.')}.",
        model=name,
        next_step="Choose a model that was made for that task.",
    )
