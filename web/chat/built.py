"""What a run of Matrioska built, told in the text of one chat answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from matrioska.reports import RunReport
from matrioska.state.answers import fenced_file
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.results import Deliverable
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.layout import Layout
from matrioska.web.errors import RequestError
from matrioska.web.shown import shown_reason

#: Bytes of a file, and of all files together, whose text stands in the answer.
MAX_SHOWN_FILE, MAX_SHOWN = 20_000, 80_000
#: Files that are listed, and faults that are told.
MAX_LISTED, MAX_FAULTS = 200, 20
#: Characters of a goal or a reason.
_LONGEST = 600
_STATUSES = {
    "complete": "Everything is there.",
    "partial": "Parts of it are missing, or have faults.",
    "waiting": "It waits for a person.",
    "unfinished": "It was cut off before its end.",
    "interrupted": "It was stopped before its end.",
}


def told_of(report: RunReport, layout: Layout) -> str:
    """Return the answer that tells of a run: what it is, its files, where they lie, and what is wrong with it.

    Reads the files' content from disk. No absolute path of this machine is named.

    Raises:
        RequestError: the run built nothing; says why.
        StoreError: a file's content is missing or was changed.
    """
    deliverable = report.deliverable or Deliverable(files=[])
    files = deliverable.files
    if not files and report.status not in ("waiting", "unfinished", "interrupted"):
        raise _built_nothing(report)
    folder = layout.delivery(report.thread_id).relative_to(layout.base).as_posix()
    parts = [_summary(report, len(files))]
    if files:
        entry = f" Open `{deliverable.entry_point}` first." if deliverable.entry_point else ""
        parts.append(f"The files lie in `{folder}/`, where the service keeps its runs.{entry}\n\n{_listed(files)}")
    if faults := list(_faults(report)):
        parts.append("What is wrong with it:\n\n" + "\n".join(f"- {fault}" for fault in faults[:MAX_FAULTS]))
    if report.status != "complete":
        parts.append(f"Go on with `matrioska resume {report.thread_id}` where the service runs.")
    entry_first = sorted(files, key=lambda ref: ref.path != deliverable.entry_point)
    parts += _texts(entry_first, ArtifactStore(layout.objects))
    return "\n\n".join(parts)


def _summary(report: RunReport, files: int) -> str:
    plan = report.architecture
    what = f"**{plan.name}**: {_short(plan.goal)}" if plan else "There is no plan yet."
    done = sum(result["status"] == "done" for result in (report.values.get("results") or {}).values())
    modules = f" {done} of {len(plan.modules)} modules are done, {files} files written." if plan else ""
    return f"{what}\n\n{_STATUSES.get(report.status, '')}{modules}".strip()


def _listed(files: list[ArtifactRef]) -> str:
    lines = [f"- `{ref.path}` ({ref.size:,} bytes)" for ref in files[:MAX_LISTED]]
    if len(files) > MAX_LISTED:
        lines.append(f"- and {len(files) - MAX_LISTED} more")
    return "\n".join(lines)


def _texts(files: list[ArtifactRef], store: ArtifactStore) -> Iterator[str]:
    """Yield the text files as blocks with their paths, the small ones in order, as far as there is room."""
    room = MAX_SHOWN
    for ref in files:
        if ref.size > min(MAX_SHOWN_FILE, room):
            continue
        for source in store.sources([ref]):
            room -= ref.size
            yield fenced_file(source.path, source.text, PurePosixPath(source.path).suffix.lstrip("."))


def _faults(report: RunReport) -> Iterator[str]:
    """Yield what went wrong, the worst first."""
    values = report.values
    if error := values.get("error"):
        yield _line(error.get("message"))
    for module, result in sorted((values.get("results") or {}).items()):
        if result["status"] != "done":
            error = result.get("error") or {}
            why = error.get("message") or f"it needs {', '.join(result.get('blocked_by') or []) or 'what failed'}"
            yield f"{module}: {_line(why)}"
    findings = values.get("findings") or []
    for found in sorted(findings, key=lambda found: found.get("severity") == "warning"):
        yield f"{found.get('path') or found.get('module') or 'the whole'}: {_line(found.get('message'))}"
    for request in report.waiting:
        yield f"it waits for an answer about its {request.get('kind') or 'plan'}"


def _line(reason: object) -> str:
    return _short(shown_reason(str(reason or "no reason was given")))


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1].rstrip() + "…"


def _built_nothing(report: RunReport) -> RequestError:
    error = report.values.get("error") or {}
    faults = list(_faults(report))
    return RequestError(
        503 if error.get("retryable") else 500,
        str(error.get("code") or "failed"),
        f"Nothing was built: {faults[0] if faults else report.status + '.'}",
        next_step=f"{shown_reason(str(error.get('next_step') or ''))} Go on with "
        f"`matrioska resume {report.thread_id}` where the service runs.".strip(),
    )
