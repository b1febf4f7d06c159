"""The check ``no-filler``: text that only holds a place is not done."""

from __future__ import annotations

import re

from matrioska.nodes.checks.registry import Checked

_FILLER = re.compile(r"\b(lorem ipsum|your text here|to be written)\b", re.IGNORECASE)


def no_filler(checked: Checked) -> list[str]:
    """Return a complaint for each file that holds filler; see `matrioska.nodes.checks.registry.Check`."""
    complaints = []
    for file in checked.files:
        if found := _FILLER.search(file.text):
            line = file.text.count("\n", 0, found.start()) + 1
            complaints.append(f"Line {line} of {file.path} holds '{found[0]}': write the real text instead.")
    return complaints
