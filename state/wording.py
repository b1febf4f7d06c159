"""The nearest of the names that there are, for complaints about one that is not."""

from __future__ import annotations

import difflib
from collections.abc import Collection

#: A hostile tree may hold any number of names; a near match is not worth more time than this.
_MAX_CANDIDATES = 500


def near_match(name: str, candidates: Collection[str], cutoff: float = 0.75) -> str:
    """Return the candidate most like ``name``; '' when none is alike."""
    if len(candidates) > _MAX_CANDIDATES or len(name) > 200:
        return ""
    folded = {candidate.casefold(): candidate for candidate in sorted(candidates)}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[found[0]] if found else ""


def did_you_mean(name: str, candidates: Collection[str], cutoff: float = 0.75) -> str:
    """Return `` (did you mean '…'?)`` for the nearest candidate; '' when none is alike."""
    match = near_match(name, candidates, cutoff)
    return f" (did you mean '{match}'?)" if match and match != name else ""
