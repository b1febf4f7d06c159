"""Documents, drawings and scores as pictures: bounded, in a process of their own; see `rendering_child`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matrioska.state.errors import ConfigError
from matrioska.state.text import clean_text
from matrioska.store.artifacts import ArtifactStore

#: Bytes of the largest file that is rendered.
MOST_BYTES = 20_000_000
#: Seconds that one file may take.
_SECONDS = 30
_CHILD = Path(__file__).with_name("rendering_child.py")
#: All that the process is told of this one: no key stands there.
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "HOME")

_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "application/pdf": "pdf",
        "image/svg+xml": "svg",
        "application/vnd.recordare.musicxml+xml": "score",
        "application/vnd.recordare.musicxml": "score",
        "application/mei+xml": "score",
        "text/vnd.abc": "score",
    }
)


class Unshown(Exception):  # noqa: N818 - no fault of the run: the reader is told the reason
    """A file that cannot be shown as what it is; its text says why."""


@dataclass(frozen=True)
class Pages:
    """A file as pictures."""

    digests: tuple[str, ...]
    """SHA-256 of each page's PNG in the artifact store."""
    more: int
    """Pages beyond the most that are shown."""


def is_rendered(media_type: str) -> bool:
    """Return whether files of a media type are shown by rendering them."""
    return media_type in _FORMS


@lru_cache(maxsize=256)
def rendered(root: Path, digest: str, media_type: str) -> Pages:
    """Return a stored file's pages as PNG, kept in the same store.

    Args:
        root: folder of the artifact store.
        digest: of the file.
        media_type: one that `is_rendered`.

    Raises:
        Unshown: the file is too large, damaged, or takes too long.
        ConfigError: a package is missing.
        StoreError: the file is gone.
    """
    store = ArtifactStore(root)
    answer = _asked(_FORMS[media_type], store.read(digest))
    pages = tuple(store.keep(base64.b64decode(page)) for page in answer["pages"])
    return Pages(pages, int(answer["more"]))


@lru_cache(maxsize=64)
def document_text(root: Path, digest: str) -> str:
    """Return the text of a stored PDF document; see `rendered` for the errors."""
    text = clean_text(str(_asked("pdf-text", ArtifactStore(root).read(digest))["text"])).strip()
    if not text:
        raise Unshown("it holds no text, only pictures")
    return text


def _asked(form: str, content: bytes) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise Unshown(f"it has {len(content):,} bytes, and at most {MOST_BYTES:,} are rendered")
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        ended = subprocess.run(  # noqa: S603 - our own script, and the file goes in by stdin
            # -P: modules beside the script have names of the standard library's.
            [sys.executable, "-P", str(_CHILD), form],
            input=content,
            capture_output=True,
            timeout=_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise Unshown(f"it took longer than {_SECONDS} seconds") from error
    try:
        answer: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        raise Unshown("what reads it broke down over it") from error
    if package := answer.get("missing"):
        raise ConfigError(
            f"Pages and scores are shown with {package}, which is not installed.",
            next_step="Install it with: pip install 'matrioska[media]'.",
        )
    if reason := answer.get("error"):
        raise Unshown(f"it cannot be read ({clean_text(str(reason))})")
    return answer
