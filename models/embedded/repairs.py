"""What a complaint about files can change: links that lead nowhere are taken out."""

from __future__ import annotations

import re

from matrioska.models.embedded.request import Request

_QUOTED = re.compile(
    r"""['"`“]([^'"`”\s]+\.(?:js|css|html|svg|png|json|md))['"`”]|(?<![\w/.])((?:\.\./)*[\w-]+(?:/[\w.-]+)+\.\w+)"""
)
_TARGET = r"""\s*<(?:script|link|a)\b[^>]*(?:src|href)="{path}"[^>]*>(?:[^<]*</(?:script|a)>)?"""


def heed_complaints(files: list[tuple[str, str]], request: Request) -> list[tuple[str, str]]:
    """Return the files, corrected as far as the complaints say what is wrong in a way rules can follow."""
    complaints = request.section("complaints")
    if request.stage != "mend" or not complaints:
        return files
    missing = {one or other for one, other in _QUOTED.findall(complaints)}
    own = {path for path, _ in files}
    return [(path, _without_links(text, missing - own) if path.endswith(".html") else text) for path, text in files]


def _without_links(text: str, missing: set[str]) -> str:
    for path in sorted(missing):
        for written in (path, f"../{path}"):
            text = re.sub(_TARGET.format(path=re.escape(written)), "", text)
    return text
