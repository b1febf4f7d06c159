"""Where a model comes from: a folder, or a repository on the Hugging Face hub at a pinned commit."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from matrioska.models.local.folder import SINGLE_FILE, no_safetensors, weight_files
from matrioska.state.errors import ModelLoadError

DEFAULT_MODEL = "mistralai/Mistral-7B-Instruct-v0.3"

#: Commits of the models that we name ourselves, so that what is run is what was looked at.
PINNED = {DEFAULT_MODEL: "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"}

_COMMIT = re.compile(r"[0-9a-f]{40}")
#: All but the weights, and no code.
_SMALL_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "tokenizer.model*", "*.tiktoken"]


@dataclass(frozen=True)
class ModelRef:
    """Which model is meant."""

    place: str
    """Absolute path of the folder, or repository on the hub: equal for the same model, however it is written."""
    revision: str | None = None
    """Commit, tag or branch of the repository; None for its main branch."""
    folder: Path | None = None
    """The folder; None for a model on the hub."""
    name: str = field(default="", compare=False)
    """As it was given, for messages."""

    @property
    def pinned(self) -> bool:
        """Whether it can never mean other weights than today."""
        return self.folder is not None or bool(_COMMIT.fullmatch(self.revision or ""))


def parse_ref(name: str, revision: str | None = None) -> ModelRef:
    """Read a model's name: a folder, ``owner/repository`` or ``owner/repository@revision``.

    Raises:
        ModelLoadError: a path at which there is no folder, or two different revisions.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision:
            raise ModelLoadError(
                f"{name} is a folder and has no revision {revision!r}.", model=name, next_step="Leave revision out."
            )
        return ModelRef(str(folder.resolve()), None, folder.resolve(), name)
    repository, _, at = name.partition("@")
    if repository.startswith(("/", ".", "~")) or "\\" in repository or repository.count("/") > 1 or not repository:
        raise ModelLoadError(
            f"There is no folder {name}.",
            model=name,
            next_step="Give the path of a folder with a model, or a repository on the hub as owner/name.",
        )
    if at and revision and at != revision:
        raise ModelLoadError(
            f"{name} is asked for at two revisions, {at!r} and {revision!r}.",
            model=name,
            next_step="Give one of them.",
        )
    return ModelRef(repository, at or revision or PINNED.get(repository), None, repository)


def fetch_small_files(ref: ModelRef) -> Path:
    """Return the folder with the model's configuration and tokenizer, downloading them when needed.

    Raises:
        ModelLoadError: the hub does not have them, does not give them, or cannot be reached.
    """
    return ref.folder or _snapshot(ref, _SMALL_FILES)


def fetch_weights(ref: ModelRef, folder: Path) -> Path:
    """Return the folder with the model's weights as safetensors, downloading them when needed.

    Args:
        folder: as `fetch_small_files` returned it.

    Raises:
        ModelLoadError: as `fetch_small_files`; or the repository has no safetensors.
    """
    if ref.folder is not None:
        return ref.folder
    files = [path.name for path in weight_files(folder, ref.name)] or [SINGLE_FILE]
    fetched = _snapshot(ref, files)
    if not weight_files(fetched, ref.name):
        raise no_safetensors(ref.name, _files_on_hub(ref))
    return fetched


def cached_folder(ref: ModelRef) -> Path | None:
    """Return the folder in the hub's cache that has the model's configuration; None when there is none."""
    if ref.folder is not None:
        return ref.folder
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(ref.place, "config.json", revision=ref.revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _snapshot(ref: ModelRef, patterns: list[str]) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

    def fetch(local: bool) -> Path:
        return Path(
            snapshot_download(ref.place, revision=ref.revision, allow_patterns=patterns, local_files_only=local)
        )

    try:
        with quiet(unless_terminal=True):
            return _or_cached(fetch, (OfflineModeIsEnabled, httpx.TransportError))
    except (OSError, httpx.HTTPError, HFValidationError) as error:
        raise hub_error(ref, error) from error


@contextmanager
def quiet(*, unless_terminal: bool = False) -> Iterator[None]:
    """Keep the hub's progress bars quiet; with `unless_terminal`, off anything but a terminal."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    wanted = unless_terminal and sys.stderr.isatty()
    # The person's own choice stands, and the hub warns when it is overruled.
    if wanted or "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _or_cached(fetch: Callable[[bool], Path], unreachable: tuple[type[Exception], ...]) -> Path:
    """Fetch from the hub, and without a connection from the cache.

    `snapshot_download` falls back to its cache for a branch, but asks the hub for the list of
    files of a commit whenever it has not stored that list.
    """
    try:
        return fetch(False)
    except unreachable:
        return fetch(True)


def _files_on_hub(ref: ModelRef) -> list[str]:
    import httpx
    from huggingface_hub import list_repo_files

    try:
        return list_repo_files(ref.place, revision=ref.revision)
    except (OSError, httpx.HTTPError):
        # Only the error message is poorer for it.
        return []


def hub_error(ref: ModelRef, error: Exception) -> ModelLoadError:
    """Return what an error of the hub's client means for this model, and what can be done."""
    from huggingface_hub import errors

    at = f" at {ref.revision}" if ref.revision else ""
    if isinstance(error, errors.GatedRepoError):
        what = "is gated: its owner wants its terms accepted"
        advice = f"Accept them on https://huggingface.co/{ref.place}, then set HF_TOKEN or run: hf auth login."
    elif isinstance(error, errors.RevisionNotFoundError):
        what, advice = f"has no revision {ref.revision!r}", "Give a commit, tag or branch that the repository has."
    elif isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        what = "is not on the hub, or is private"
        advice = "Check the name (owner/repository) and, for a private model, HF_TOKEN; or give a local folder."
    elif isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        what = f"is not in the cache{at}, and the hub cannot be reached"
        advice = "Connect (and unset HF_HUB_OFFLINE) for the first use, or give a local folder."
    else:
        what = (
            f"cannot be fetched from the hub{at}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        )
        advice = "Check the connection and the space on the disk, and try again: what was fetched is kept."
    return ModelLoadError(f"The model {ref.name} {what}.", model=ref.name, next_step=advice)
