"""Reading of what the artifact store keeps for a stage."""

from __future__ import annotations

from matrioska.state.jobs import Job
from matrioska.store.artifacts import ArtifactStore


def load_job(store: ArtifactStore, digest: str) -> Job:
    """Return the job of that digest.

    Raises:
        StoreError: it is missing or was changed on disk.
    """
    return Job.model_validate_json(store.read(digest))


def save_job(store: ArtifactStore, job: Job) -> str:
    """Keep a job and return its digest."""
    return store.put("job.json", job.to_bytes()).sha256
