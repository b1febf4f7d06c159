"""Whether some process works on a thread: by its lease, which is only looked at, never taken.

Who tried to take it, if only for a moment, could make a run that begins at that moment fail.
"""

from __future__ import annotations

import time
from pathlib import Path

from matrioska.state.journal import Conversation

_LOCKS = Path("/proc/locks")
_KINDS = frozenset({"FLOCK", "OFDLCK", "POSIX"})
#: Seconds of silence after which a run is taken for ended, where the system does not say who holds a lock.
SILENCE = 60.0


def held_inodes() -> frozenset[int] | None:
    """Return the inodes of the files that are locked; None where the system does not tell, as only Linux does."""
    try:
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    # "1: FLOCK  ADVISORY  WRITE 708 00:1f:12345 0 EOF"; a second word "->" is of one who waits.
    fields = (line.split() for line in lines)
    places = (words[5].rpartition(":")[2] for words in fields if len(words) > 5 and words[1] in _KINDS)
    return frozenset(int(place) for place in places if place.isdigit())


def at_work(lock: Path, conversation: Conversation | None, inodes: frozenset[int] | None) -> bool:
    """Whether some process works on a thread.

    Args:
        lock: the file of its lease.
        conversation: its conversation in the journal; None for none.
        inodes: see `held_inodes`. Without them, who spoke a moment ago is taken to be at work.
    """
    if inodes is None:
        if conversation is None or conversation.status != "open":
            return False
        return time.time() - conversation.updated < SILENCE
    try:
        return lock.stat().st_ino in inodes
    except OSError:
        return False
