"""A full disk stops the run at the next step, not after all work is done; a resume finishes it."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.state.errors import StoreError
from matrioska.store.artifacts import ArtifactStore
from tests.graph.conftest import Start
from tests.support import Author, plan, spec


def test_a_full_disk_stops_the_run_early_and_a_resume_finishes_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = Author(plan(*(spec(f"m{n:02}") for n in range(40))), latency=0.002)
    driven = start(author, slots=2)
    put = ArtifactStore.put
    written = 0

    def full(self: ArtifactStore, path: str, content: bytes) -> Any:
        nonlocal written
        written += path.endswith(".py")
        if written > 10:
            raise StoreError("Cannot write: No space left on device.", next_step="Free some space.")
        return put(self, path, content)

    monkeypatch.setattr(ArtifactStore, "put", full)
    with pytest.raises(StoreError, match="No space left"):
        driven.run("Do it.")
    # Whoever had a slot when the disk filled up may have asked; nobody after that.
    assert len(author.calls()) <= 1 + 10 + 3
    monkeypatch.setattr(ArtifactStore, "put", put)
    assert driven.run(None)["status"] == "complete"
    assert max(author.asked[f"produce m{n:02}"] for n in range(40)) <= 2
