"""Pages that watch a run show every module's end, and the bench says how late."""

from __future__ import annotations

from bench.monitor import Choice, measure


def test_every_page_shows_every_module_as_it_ended() -> None:
    watched, large = measure(Choice(60, 0.05, pages=(3,), browsers=0, large=(12,), rounds=2), lambda _: None)
    (one,) = watched.data
    # Fifty rows are on the first page of the table, which two of the three show, and ten on the second.
    assert len(one["delays"]) == 50 + 10 + 50
    assert one["wrong"] == 0
    assert one["cpu"] > 0
    (saved,) = large.data
    assert saved["page_bytes"] > 10_000 and len(saved["memory"]) == 5
