"""Where things stand below a base path. The three names at the top are the first system's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from matrioska.state.errors import StoreError


@dataclass(frozen=True)
class Layout:
    """The folders of one base path."""

    base: Path

    @classmethod
    def at(cls, base_path: str | os.PathLike[str]) -> Layout:
        """Return the layout below ``base_path``, made absolute."""
        return cls(Path(base_path).expanduser().absolute())

    @property
    def artifacts(self) -> Path:
        """Delivered files, one folder a thread."""
        return self.base / "matrioska_artifacts"

    @property
    def checkpoints(self) -> Path:
        """Everything a run needs to go on."""
        return self.base / "matrioska_checkpoints"

    @property
    def database(self) -> Path:
        """SQLite file with the checkpoints of every thread."""
        return self.checkpoints / "matrioska.sqlite"

    @property
    def repository(self) -> Path:
        """SQLite file with what runs have learnt of their projects."""
        return self.checkpoints / "repository.sqlite"

    @property
    def objects(self) -> Path:
        """Content-addressed files."""
        return self.checkpoints / "objects"

    @property
    def archive(self) -> Path:
        """Zip of the run that ended last."""
        return self.base / "matrioska_results.zip"

    @property
    def fitness(self) -> Path:
        """SQLite file with what was learnt of the ensemble's nodes."""
        return self.checkpoints / "fitness.sqlite"

    @property
    def journal(self) -> Path:
        """SQLite file with everything that was said."""
        return self.checkpoints / "journal.sqlite"

    def delivery(self, thread_id: str) -> Path:
        """Folder into which a thread's deliverable is written."""
        return self.artifacts / thread_id

    def records(self, thread_id: str) -> Path:
        """Folder with a thread's ``architecture.json`` and ``shared_state.json``."""
        return self.checkpoints / thread_id

    def ledger(self, thread_id: str) -> Path:
        """File with a thread's calls and their cost."""
        return self.checkpoints / "ledgers" / f"{thread_id}.jsonl"

    def prepare(self) -> Layout:
        """Create the folders; what is not delivered is private to the user.

        Raises:
            StoreError: a folder cannot be created or written.
        """
        for folder in (self.checkpoints, self.objects, self.artifacts):
            try:
                folder.mkdir(mode=0o755 if folder == self.artifacts else 0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(folder, error) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise unwritable(folder, PermissionError("no permission to write"))
        return self


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return the error for a place that cannot be written, with what to do about it."""
    return StoreError(
        f"Cannot write to {path}: {error.strerror or error}.",
        path=str(path),
        next_step="Free some space or choose another folder with --base-path; what is saved stays saved.",
    )
