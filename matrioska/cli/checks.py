"""One line of what the doctor finds, and how it looks for packages."""

from __future__ import annotations

import importlib.util
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
    """Heading under which it stands, in English."""


def is_installed(module: str) -> bool:
    """Whether a module is there. It is looked for, not imported; what it lies in is."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
