"""The words that the generated application shows; they stand in texts.md."""

from __future__ import annotations

from matrioska.models.embedded.tables import read_table

_ROWS = read_table("webapp", "texts.md", "Texts")

#: Texts by language and key.
TEXTS: dict[str, dict[str, str]] = {
    "en": {key: english for key, english, _ in _ROWS},
    "pt": {key: portuguese for key, _, portuguese in _ROWS},
}
