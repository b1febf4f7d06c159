"""From the files that a module is given to what a pipeline is called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from matrioska.models.local.pipeline_tasks import GENERATION, PipelineTask
from matrioska.models.local.pipelines import LoadedPipeline
from matrioska.state.errors import ConfigError, StoreError
from matrioska.store.media import MediaError, read_audio, read_image
from matrioska.workers.base import GivenFile
from matrioska.workers.pipeline.options import PIECE

#: Files that one module reads at the most.
MOST_INPUTS = 500
#: Seconds of a sound that is heard in pieces, and of one that is heard as a whole: what a model
#: needs to hear it grows with the square of its length.
MOST_SECONDS = 3_600.0
WHOLE_SECONDS = 120.0
MAX_TEXT_BYTES = 1_000_000
_DESCRIBE = "Describe this image."
#: transformers' own.
_HYPOTHESIS = "This example is {}."
#: Tokens that a model writes about a picture or after a text when nothing is said.
_WRITTEN = 256

#: Kinds of files whose media type does not begin with their kind, or that have none on some systems.
_SUFFIXES = {
    "audio": {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"},
    "image": {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"},
    "text": {".txt", ".md", ".json", ".yaml", ".yml", ".csv", ".html", ".xml", ".svg", ".py", ".js", ".css", ".sql"},
}


@dataclass(frozen=True)
class Call:
    """What a pipeline is called with for one file."""

    arguments: tuple[Any, ...]
    parameters: dict[str, Any]


def sort_out(task: PipelineTask, given: Sequence[GivenFile], module: str) -> tuple[list[GivenFile], list[str]]:
    """Return the files that a task reads, by name, and the names of those that are of another kind.

    Raises:
        ConfigError: it is given none, or too many.
    """
    ordered = sorted(given, key=lambda file: file.ref.path)
    fitting = [file for file in ordered if _kind(file) in (task.takes, "")]
    others = [file.ref.path for file in ordered if _kind(file) not in (task.takes, "")]
    if not fitting:
        besides = f" ({len(others)} of other kinds)" if others else ""
        raise ConfigError(
            f"Module {module} is given no file with {_CONTENT[task.takes]} for {task.name}{besides}.",
            next_step="Give one with --asset and name it in the module's asset_reads, or name a module that makes "
            "such files in its artifact_reads.",
        )
    if len(fitting) > MOST_INPUTS:
        raise ConfigError(
            f"Module {module} is given {len(fitting)} files, more than {MOST_INPUTS}.",
            next_step="Part them between several modules.",
        )
    return fitting, others


_CONTENT = {"audio": "a sound", "image": "a picture", "text": "a text"}


def _kind(file: GivenFile) -> str:
    """Return what a file says that it holds; '' when it says nothing."""
    suffix, media_type = PurePosixPath(file.ref.path).suffix.lower(), file.ref.media_type
    for kind, suffixes in _SUFFIXES.items():
        if suffix in suffixes:
            return kind
    kind = media_type.partition("/")[0]
    return "" if media_type == "application/octet-stream" else kind


def prepare(loaded: LoadedPipeline, file: GivenFile, parameters: Mapping[str, Any]) -> Call:
    """Read a file into what the pipeline is called with. Blocks.

    Raises:
        MediaError: the file is not what the task reads, or too long for the model.
        ConfigError: the model cannot be told one of the parameters.
        StoreError: its bytes are missing.
    """
    if not file.place.is_file():
        raise StoreError(
            f"The content of {file.ref.path} is missing from the artifact store.",
            path=str(file.place),
            next_step="Give the asset again, or run the module that made it again with `matrioska redo`.",
        )
    task = loaded.key.task
    told = _told(loaded, parameters)
    if task.takes == "audio":
        return _heard(loaded, file.place, told)
    if task.takes == "image":
        return _seen(loaded, file.place, told)
    return _read(loaded, file.place, told)


def _told(loaded: LoadedPipeline, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as transformers wants them: some pipelines take those of writing apart.

    Raises:
        ConfigError: the model does not write, and is told how to.
    """
    task, model = loaded.key.task, loaded.pipe.model
    told = dict(parameters)
    if not task.generates:
        return told
    if not model.can_generate():
        # Such a model would pass over them in silence.
        for name in told.keys() & GENERATION:
            raise ConfigError(
                f"{loaded.key.ref.name} does not write word by word, so it cannot be told its {name}.",
                next_step=f"Take {name} out of the module's parameters, or choose another model.",
            )
        return told
    # Models may say in their own settings that they draw lots; here they do so only when told to.
    usual = {"do_sample": False} if task.takes == "audio" else {"do_sample": False, "max_new_tokens": _WRITTEN}
    writing = usual | {name: told.pop(name) for name in [*told] if name in GENERATION}
    return told | (writing if task.takes == "text" else {"generate_kwargs": writing})


def _heard(loaded: LoadedPipeline, place: Path, told: dict[str, Any]) -> Call:
    # How transformers' pipeline for speech tells models that can be heard in pieces.
    form = getattr(loaded.pipe, "type", "")
    in_pieces = form in ("ctc", "seq2seq_whisper")
    samples = read_audio(place, loaded.sample_rate, MOST_SECONDS if in_pieces else WHOLE_SECONDS)
    if in_pieces and len(samples) > PIECE * loaded.sample_rate:
        # Whisper goes from piece to piece by its own time stamps.
        told = ({"chunk_length_s": PIECE} if form == "ctc" else {"return_timestamps": True}) | told
    return Call((samples,), told)


def _seen(loaded: LoadedPipeline, place: Path, told: dict[str, Any]) -> Call:
    image, name = read_image(place), loaded.key.task.name
    if name == "image-text-to-text":
        prompt = told.pop("prompt", None)
        if getattr(loaded.pipe.processor, "chat_template", None) is None:
            return Call((), {"images": image, "text": prompt or "", "return_full_text": False, **told})
        content = [{"type": "image", "image": image}, {"type": "text", "text": prompt or _DESCRIBE}]
        return Call((), {"text": [{"role": "user", "content": content}], "return_full_text": False, **told})
    if name == "image-feature-extraction":
        told = {"return_tensors": True, **told}
    return Call((image,), told)


def _read(loaded: LoadedPipeline, place: Path, told: dict[str, Any]) -> Call:
    text, name = _text(place), loaded.key.task.name
    if prompt := told.pop("prompt", None):
        text = f"{prompt}\n\n{text}"
    besides: list[str] = []
    if name == "zero-shot-classification":
        # transformers would cut the text off for a label, without a word.
        told = {"hypothesis_template": _HYPOTHESIS, **told}
        besides = [told["hypothesis_template"].format(label) for label in told["candidate_labels"]]
    _check_length(loaded, text, besides)
    if name == "feature-extraction":
        return Call((text,), {"return_tensors": True, **told})
    if name != "text-generation":
        return Call((text,), told)
    told = {"return_full_text": False, **told}
    if getattr(loaded.pipe.tokenizer, "chat_template", None) is None:
        return Call((text,), told)
    return Call(([{"role": "user", "content": text}],), told)


def _text(place: Path) -> str:
    if place.stat().st_size > MAX_TEXT_BYTES:
        raise MediaError(f"is a text of more than {MAX_TEXT_BYTES:,} bytes", next_step="Part it.")
    try:
        text = place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MediaError("is no text in UTF-8", next_step="Save it as UTF-8.") from error
    if not text.strip() or "\0" in text:
        raise MediaError("holds no text", next_step="Give one that does.")
    return text


def _check_length(loaded: LoadedPipeline, text: str, besides: Sequence[str]) -> None:
    """Refuse a text that the model cannot read at once, also together with each of what stands besides."""
    tokenizer, window = loaded.pipe.tokenizer, loaded.window
    if tokenizer is None or window is None:
        return
    tokens = len(tokenizer(text)["input_ids"])
    if tokens <= window:
        tokens = max((len(tokenizer(text, other)["input_ids"]) for other in besides), default=tokens)
    if tokens > window:
        raise MediaError(
            f"has {tokens:,} tokens, and the model reads {window:,} at once",
            next_step="Part it into several files, or choose a model with a larger window.",
        )
