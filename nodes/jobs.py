"""Reading of what the artifact store keeps for a stage."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore


def load_job(store: ArtifactStore, digest: str) -> Job:
    """Return the job of that digest.

    Raises:
        StoreError: it is missing or was changed on disk.
    """
    return _load(store.root, digest)


@lru_cache(maxsize=256)
def _load(root: Path, digest: str) -> Job:
    # Each node of a stage asks for the same job, and what a digest names never changes.
    return Job.model_validate_json(ArtifactStore(root).read(digest))


def save_job(store: ArtifactStore, job: Job) -> str:
    """Keep a job and return its digest."""
    return store.keep(job.to_bytes())
