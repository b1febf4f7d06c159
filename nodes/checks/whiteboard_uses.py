"""Files that name whiteboard keys which nobody wrote."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from matrioska.nodes.checks.site import Place, Site
from matrioska.nodes.checks.wording import Lines, word_set
from matrioska.state.wording import did_you_mean

_USE = re.compile(
    r"""(?<![\w.$-])(shared_state|whiteboard)
        (?:\[\s*(?P<quote>["'])(?P<key>[A-Za-z_][\w.-]{0,63})(?P=quote)\s*\]
          |\.(?P<dotted>[A-Za-z_]\w*(?:\.\w+){0,5})(?![\w(-]|\s*\())""",
    re.VERBOSE,
)
#: A tree that has a variable of that name means its own, not ours.
_BOUND = re.compile(
    r"\b(?:const|let|var|import|from|def|class|function|for|as|window\.|self\.|this\.|globalThis\.)\s*[({\w,\s]{0,80}?"
    r"\b(shared_state|whiteboard)\b|\b(shared_state|whiteboard)\s*(?::[^=\n]{1,60})?=(?!=)"
    r"|[(,]\s*(shared_state|whiteboard)\s*[,):]"
)
_FILE_ENDINGS = word_set("md json py js mjs ts html css txt yaml yml toml png svg db sql")


def whiteboard_uses(site: Site, shared_keys: Collection[str]) -> Iterator[tuple[Place, str]]:
    """Yield uses of ``shared_state["key"]`` and the like whose key nobody wrote."""
    using = {path: text for path, text in site.texts.items() if "shared_state" in text or "whiteboard" in text}
    own = {name for text in using.values() for match in _BOUND.finditer(text) for name in match.groups() if name}
    for path, text in using.items():
        lines = Lines(text)
        for match in _USE.finditer(text):
            key = match["key"] or match["dotted"]
            if match[1] in own or _is_written(key, shared_keys):
                continue
            if match["dotted"] and key.split(".")[-1] in _FILE_ENDINGS:
                continue
            hint = did_you_mean(key, shared_keys)
            place = Place(path, lines.line(match.start()), match[1], key)
            yield place, f"it uses the whiteboard key '{key}', which no module wrote{hint}"


def _is_written(key: str, shared_keys: Collection[str]) -> bool:
    """Return whether the key, or a key that it reaches into, was written."""
    parts = key.split(".")
    return any(".".join(parts[:end]) in shared_keys for end in range(1, len(parts) + 1))
