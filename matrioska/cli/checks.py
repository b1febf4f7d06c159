"""One line of what the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, MISSING, OPTIONAL, WARNING = "ok", "missing", "optional", "warning"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's table."""

    name: str
    state: str
    """``ok``, ``missing`` (something will not work), ``warning`` or ``optional`` (not there, not needed)."""
    detail: str
    next_step: str = ""
    group: str = ""
    """Heading under which it stands."""
