"""Data fences: how text that nobody vouches for enters a prompt, and how it is read back.

Whiteboard values, tasks and artifacts may hold instructions. They stand between
``<data name="…">`` and ``</data>``, and any such tag inside them is defused, so that
text cannot end its own fence.
"""

from __future__ import annotations

import re

# A tag that is defused already gets one more mark, so that reading back takes away exactly one.
_TAG = re.compile("<(\u200b*\\s*/?\\s*data\\b)", re.IGNORECASE)
_DEFUSED = re.compile("<\u200b(\u200b*\\s*/?\\s*data\\b)", re.IGNORECASE)
_SECTION = re.compile(r'^<data name="([a-z_]+)">\n(.*?)\n?^</data>$', re.DOTALL | re.MULTILINE)


def fence(text: str, name: str) -> str:
    """Return ``text`` between data tags called ``name`` (lower-case letters and ``_``)."""
    defused = _TAG.sub("<\u200b\\1", text)
    return f'<data name="{name}">\n{defused}\n</data>'


def read_fences(prompt: str) -> dict[str, str]:
    """Return the fenced sections of a prompt by name, as they were before fencing."""
    return {name: _DEFUSED.sub(r"<\1", body) for name, body in _SECTION.findall(prompt)}
