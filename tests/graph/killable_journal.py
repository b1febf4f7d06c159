"""A slowed run with its journal in some database, to be killed and gone on with: see `test_journal_kills.py`."""

from __future__ import annotations

import os
from pathlib import Path

from matrioska.store.journal import open_journal
from tests.graph import killable


def run(base: Path, log: Path, mode: str, journal: str) -> None:
    """Begin the run or go on with it, to its end.

    Args:
        base: where it is kept.
        log: file for its calls and steps.
        mode: ``sync`` or ``async``.
        journal: the journal's database, as the setting takes it; '' for the file below ``base``.
    """
    os.environ["MATRIOSKA_JOURNAL"] = journal
    killable.run(base, log, mode)
    open_journal(base).close()
