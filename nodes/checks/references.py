"""Whether a deliverable's files fit together: paths, ids, classes, imports, links, whiteboard keys.

Only what is written out is judged. Where a name may come about while running, it counts as
there: a false alarm costs a model a round, and a person's trust.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Literal

from matrioska.nodes.checks.imports import python_imports, script_imports
from matrioska.nodes.checks.markdown_links import markdown_links
from matrioska.nodes.checks.page_names import looked_up_names, styled_names
from matrioska.nodes.checks.paths_in_files import fetched_paths, linked_paths
from matrioska.nodes.checks.site import Place, read_site
from matrioska.nodes.checks.whiteboard_uses import whiteboard_uses
from matrioska.state.artifacts import SourceFile
from matrioska.state.results import Finding

#: Findings per file: one broken name is often used in many places.
MAX_PER_FILE = 20
#: Findings per check: each looks for a near match, and a hostile tree may break any number of names.
MAX_PER_CHECK = 400


def reference_findings(
    files: Sequence[SourceFile], owners: Mapping[str, str], shared_keys: Collection[str]
) -> list[Finding]:
    """Return the references of a deliverable that lead nowhere, each under the module that has to mend it.

    Args:
        files: the text files, with paths below the deliverable's root.
        owners: module id by path, for every file of the deliverable, images too.
        shared_keys: the whiteboard keys that were written.
    """
    site = read_site(files, owners)
    checks: list[Iterable[tuple[Place, str]]] = [
        linked_paths(site),
        fetched_paths(site),
        script_imports(site),
        python_imports(site),
        looked_up_names(site),
        markdown_links(site),
        whiteboard_uses(site, shared_keys),
    ]
    broken = _findings(_lines(chain.from_iterable(islice(check, MAX_PER_CHECK) for check in checks)), owners, "error")
    # A style for something that is nowhere is a sign of a misspelt name, but breaks nothing.
    return broken + _findings(_lines(islice(styled_names(site), MAX_PER_CHECK)), owners, "warning")


def _lines(found: Iterable[tuple[Place, str]]) -> dict[tuple[str, str], int]:
    lines: dict[tuple[str, str], int] = {}
    for place, message in found:
        lines.setdefault((place.path, message), place.line)
    return lines


def _findings(
    found: Mapping[tuple[str, str], int], owners: Mapping[str, str], severity: Literal["error", "warning"]
) -> list[Finding]:
    """Return findings by path and line, so that equal trees give equal findings."""
    findings: list[Finding] = []
    counts: dict[str, int] = {}
    for (path, message), line in sorted(found.items(), key=lambda item: (item[0][0], item[1], item[0][1])):
        counts[path] = counts.get(path, 0) + 1
        if counts[path] <= MAX_PER_FILE:
            findings.append(
                Finding(module=owners.get(path, ""), path=path, message=f"line {line}: {message}", severity=severity)
            )
    return findings
