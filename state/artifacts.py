"""References to files. State never holds bytes, only what finds and proves them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: Largest single file and largest sum of one module's files, in bytes.
MAX_FILE_BYTES = 2_000_000
MAX_MODULE_BYTES = 20_000_000


class ArtifactRef(BaseModel):
    """A file of a module: where it stands in the deliverable and which bytes it holds."""

    model_config = ConfigDict(frozen=True)

    path: str
    """POSIX path below the module's folder (in a module) or below the root (in a deliverable)."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the content, the key in the artifact store."""
    size: int
    """Bytes."""
    media_type: str = "application/octet-stream"


class SourceFile(BaseModel):
    """A file with its content in hand, as the checks and prompts want it."""

    model_config = ConfigDict(frozen=True)

    path: str
    text: str
