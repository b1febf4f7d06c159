"""assemble: the modules' files become one tree with an entry point and a README."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.recorder import voiced
from matrioska.nodes.checks.entry import entry_point
from matrioska.nodes.checks.references import reference_findings
from matrioska.nodes.common import artifact_store, pick_client, run_options
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import PERSON
from matrioska.nodes.replies import keep_reasoning, usable_text
from matrioska.nodes.schemas import files_form
from matrioska.prompts.render import render
from matrioska.state.answers import parse_files
from matrioska.state.architecture import Architecture
from matrioska.state.artifacts import ArtifactRef, SourceFile
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import AnswerError, MatrioskaError, StoreError
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.jobs import Project
from matrioska.state.results import Deliverable, Usage

README = "README.md"


async def assemble(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Join the files of all modules; a plan of one module needs no assembler's call."""
    emit_step("assemble")
    options = await off_loop(run_options, state, runtime)
    plan = Architecture.model_validate(state["architecture"])
    results = state.get("results") or {}
    files = joined_files(plan, results)
    entry = entry_point([ref.path for ref in files]) if files else ""
    update: dict[str, Any] = {}
    if files and not plan.is_direct:
        written = await _readme(plan, results, files, entry, options, runtime)
        files.append(await off_loop(artifact_store(options).put_text, README, written.text))
        update = {
            "usage": written.usage.model_dump(),
            "notes": {"readme": written.note or None},
            "reasoning": {"assemble": written.reasoning or None},
        }
        entry = entry or README
    return update | {"deliverable": Deliverable(files=files, entry_point=entry).model_dump(mode="json")}


def joined_files(plan: Architecture, results: dict[str, Any]) -> list[ArtifactRef]:
    """Return every done module's files; each module keeps a folder, but one alone needs none."""
    joined = []
    for spec in plan.modules:
        result = results.get(spec.id) or {}
        if result.get("status") != "done":
            continue
        for raw in result["artifacts"]:
            ref = ArtifactRef.model_validate(raw)
            path = ref.path if plan.is_direct else f"{spec.id}/{ref.path}"
            joined.append(ref.model_copy(update={"path": path}))
    return joined


@dataclass
class _Readme:
    """A README, and what came of asking for it."""

    text: str = ""
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    """Why the assembler's own could not be used."""
    reasoning: str = ""
    """SHA-256 of the assembler's reasoning; '' for none."""


async def _readme(
    plan: Architecture,
    results: dict[str, Any],
    files: list[ArtifactRef],
    entry: str,
    options: RunOptions,
    runtime: Runtime[RunContext],
) -> _Readme:
    """Ask for the README until it passes, `options.max_mends` times more at the most; else list the parts."""
    readme, complaints = _Readme(), list[str]()
    client = await off_loop(pick_client, "assembler", options, runtime)
    values: dict[str, Any] = {
        "project": Project.of(plan).brief(),
        "entry_point": entry,
        "modules": _parts(plan, files),
        "missing": [spec.title for spec in plan.modules if (results.get(spec.id) or {}).get("status") != "done"],
    }
    paths = {ref.path for ref in files}
    for _ in range(options.max_mends + 1):
        try:
            form = await off_loop(files_form, client, 1, path=README)
            messages = await off_loop(render, "assemble", **values, complaints=complaints)
            with voiced("iteration" if complaints else "synthesis", "assembler", PERSON):
                reply = await client.ask(messages, form)
            readme.usage += reply.usage
            readme.reasoning = await off_loop(keep_reasoning, artifact_store(options), reply) or readme.reasoning
            readme.text, complaints = _checked(usable_text(reply), paths)
        except AnswerError as error:
            complaints = [error.complaint]
        except StoreError:
            raise
        except MatrioskaError as error:
            # The modules' work stands; a README alone is no reason to lose it.
            complaints = [error.message]
            break
        if not complaints:
            return readme
    readme.text, readme.note = plain_readme(**values), f"The README is a plain list: {complaints[0]}"
    return readme


def _parts(plan: Architecture, files: list[ArtifactRef]) -> list[dict[str, Any]]:
    return [
        {
            "id": spec.id,
            "name": spec.title,
            "description": spec.description[:500],
            "files": [ref.path for ref in files if ref.path.startswith(f"{spec.id}/")],
        }
        for spec in plan.modules
    ]


def _checked(answer: str, paths: set[str]) -> tuple[str, list[str]]:
    """Return the README in an answer and the complaints about it."""
    readmes = [block for block in parse_files(answer) if block.path == README]
    if not readmes or not readmes[0].text.strip():
        raise AnswerError(f"The answer holds no file {README}. Answer with ````markdown path={README}.")
    readme = SourceFile(path=README, text=readmes[0].text)
    others = [SourceFile(path=path, text="") for path in sorted(paths)]
    findings = reference_findings([readme, *others], {README: ""}, ())
    return readme.text, [finding.message for finding in findings if finding.path == README]


def plain_readme(project: dict[str, Any], entry_point: str, modules: list[dict[str, Any]], missing: list[str]) -> str:
    """Return a README made without a model: title, goal, where to start, the parts."""
    lines = [f"# {project['name']}", "", project["goal"], ""]
    if entry_point:
        lines += [f"[{entry_point}]({entry_point})", ""]
    for part in modules:
        if part["files"]:
            lines += [f"## {part['name']}", "", *(f"- [{path}]({path})" for path in part["files"]), ""]
    lines += [f"- ✗ {name}" for name in missing]
    return "\n".join(lines).rstrip() + "\n"
