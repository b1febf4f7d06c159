"""The whole as a critic is shown it: word for word while it fits, else the most telling lines of each part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matrioska.nodes.checks.wording import shorten
from matrioska.nodes.context.extract import extract
from matrioska.prompts.render import to_json
from matrioska.state.answers import fenced_file
from matrioska.state.architecture import Architecture
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.jobs import Project
from matrioska.store.artifacts import ArtifactStore

Count = Callable[[str], int]

_DESCRIPTION_SHOWN = 600
_MOST_KNOWN = 30
#: Shares of the budget: for the list of modules and for the whiteboard, each; the files have the rest.
_LIST_SHARE = 0.15
#: Fewer tokens of a file tell nothing.
_LEAST_USEFUL = 32


def shown_whole(
    plan: Architecture,
    state: MatrioskaState,
    refs: Sequence[ArtifactRef],
    store: ArtifactStore,
    budget: int,
    count: Count,
) -> dict[str, Any]:
    """Return what the template ``review`` shows, within about ``budget`` tokens as ``count`` counts them.

    Raises:
        StoreError: a file is missing or was changed on disk.
    """
    project = Project.of(plan).brief()
    part = int(budget * _LIST_SHARE)
    modules = _cut("\n".join(_module_lines(plan, refs)), part, count)
    whiteboard = _cut(to_json(state.get("shared_state") or {}), part, count)
    found = (state.get("findings") or [])[:_MOST_KNOWN]
    known = [shorten(f"{fault['path'] or fault['module']}: {fault['message']}", 300) for fault in found]
    room = budget - sum(count(text) for text in (to_json(project), modules, whiteboard, *known))
    files = [(ref.path, text.text) for ref in refs for text in store.sources([ref])]
    return {
        "project": project,
        "modules": modules,
        "whiteboard": whiteboard,
        "files": "\n\n".join(fitted(files, max(room, 0), count)),
        "known": known,
    }


def _module_lines(plan: Architecture, refs: Sequence[ArtifactRef]) -> list[str]:
    paths: dict[str, list[str]] = {}
    for ref in refs:
        paths.setdefault(ref.path.split("/")[0], []).append(ref.path)
    return [
        f"{spec.id}: {shorten(spec.title)}. {shorten(spec.description, _DESCRIPTION_SHOWN)} "
        f"Files: {', '.join(paths.get(spec.id, ['none']))}."
        for spec in plan.modules
    ]


def _cut(text: str, budget: int, count: Count) -> str:
    return text if count(text) <= budget else extract(text, (), lambda shown: count(shown) <= budget)


def fitted(files: Sequence[tuple[str, str]], budget: int, count: Count) -> list[str]:
    """Return files as fenced blocks within a budget: small ones whole, large ones as extracts of equal size.

    What is left of a share goes to those that are larger. Files for which nothing useful is left are
    named in a last line.
    """
    shown, left_out = dict[str, str](), list[str]()
    sizes = {path: count(fenced_file(path, text)) for path, text in files}
    waiting = sorted(files, key=lambda file: (sizes[file[0]], file[0]))
    for position, (path, text) in enumerate(waiting):
        share = budget // (len(waiting) - position)
        if sizes[path] <= share:
            shown[path] = fenced_file(path, text)
        elif share >= _LEAST_USEFUL:
            frame = count(fenced_file(path, ""))
            shown[path] = fenced_file(path, _cut(text, share - frame, count))
        else:
            left_out.append(path)
            continue
        budget -= min(sizes[path], share)
    lines = [shown[path] for path, _ in files if path in shown]
    if left_out:
        lines.append(f"Left out for want of room: {shorten(', '.join(sorted(left_out)), 400)}")
    return lines
