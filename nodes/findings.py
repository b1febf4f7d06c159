"""What a critic answers, read as findings: bounded, of modules and files that there are. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from matrioska.nodes.checks.wording import listed, shorten
from matrioska.state.errors import AnswerError
from matrioska.state.results import Finding

#: Findings taken from one review.
MOST_FINDINGS = 30
_LONGEST_MESSAGE = 600
_NOTED = 3


def read_findings(
    answer: dict[str, Any], *, ids: Sequence[str], paths: Collection[str], known: Sequence[Finding]
) -> tuple[list[Finding], str]:
    """Return the findings in a critic's answer, and a note on what of it was left out ('' for nothing).

    Args:
        answer: ``{"findings": [{"module", "path", "message", "severity"}]}``.
        ids: the plan's modules.
        paths: the files under review, below the root of the deliverable.
        known: what the checks found: it is not said twice.

    Raises:
        AnswerError: it has no list of findings, or holds some and none of them can be used.
    """
    raw = answer.get("findings")
    if not isinstance(raw, list):
        raise AnswerError('The answer has no list "findings". Without findings answer {"findings": []}.')
    said = {_plain(found.message) for found in known}
    findings, strange = list[Finding](), list[str]()
    for item in raw[:MOST_FINDINGS]:
        found = _finding(item, ids, paths)
        if found is None:
            strange.append(_label(item))
        elif _plain(found.message) not in said:
            said.add(_plain(found.message))
            findings.append(found)
    if strange and not findings and len(strange) == len(raw[:MOST_FINDINGS]):
        raise AnswerError(
            f"No finding can be used: {listed(strange, _NOTED)}. Each has a message and the id of a module: "
            f"{listed(ids, MOST_FINDINGS)}."
        )
    return findings, _note(strange, len(raw) - MOST_FINDINGS)


def _finding(item: Any, ids: Sequence[str], paths: Collection[str]) -> Finding | None:
    """Return one finding; None when it has no message, or nothing that says whose it is."""
    if not isinstance(item, dict) or not isinstance(item.get("message"), str) or not item["message"].strip():
        return None
    module, path = item.get("module"), item.get("path") or ""
    if not isinstance(path, str) or not isinstance(module, str | None):
        return None
    path = path.strip().removeprefix("./")
    if path not in paths and f"{module}/{path}" in paths:
        path = f"{module}/{path}"
    if not module and path in paths:
        module = path.split("/")[0]
    if module not in ids or (path and path not in paths):
        return None
    severity = item.get("severity") if item.get("severity") in ("error", "warning") else "error"
    message = shorten(item["message"], _LONGEST_MESSAGE)
    return Finding(module=cast(str, module), path=path, message=message, severity=cast(Any, severity))


def _plain(message: str) -> str:
    return " ".join(message.casefold().split()).rstrip(".")


def _label(item: Any) -> str:
    """Return the module and path that a finding names, for a note on why it was left out."""
    if not isinstance(item, dict):
        return shorten(str(item), 40)
    return shorten(f"{item.get('module') or ''} {item.get('path') or ''}".strip() or "no module", 60)


def _note(strange: list[str], beyond: int) -> str:
    left_out = []
    if strange:
        left_out.append(f"{len(strange)} on modules or files that there are not ({listed(strange, _NOTED)})")
    if beyond > 0:
        left_out.append(f"{beyond:,} beyond the first {MOST_FINDINGS}")
    return f"Findings of the review that were left out: {' and '.join(left_out)}." if left_out else ""
