"""review: a critic looks at the whole against the goal, and what it finds goes back to the modules.

```
verify ─▶ review ─▶ deliver
  ▲          │ findings, at most `review_rounds` times
  └─ assemble ◀─ execute
```

It goes back only with findings of modules that are done, and from the second round on only when
there are fewer than in the round before. It ends without asking when the mends changed no file, and
takes them back when the checks found more after them than before. `verify` sends its own findings
back `refine_rounds` times in all, whether before or between reviews; so every way through ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.gateway import Client
from matrioska.models.recorder import voiced
from matrioska.nodes.assemble import README
from matrioska.nodes.common import artifact_store, mendable, pick_critic, run_options
from matrioska.nodes.distill import token_budget
from matrioska.nodes.findings import MOST_FINDINGS, read_findings
from matrioska.nodes.judgement import Judgement, judged
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.progress import emit_step
from matrioska.nodes.recording import BOSS
from matrioska.nodes.schemas import findings_form
from matrioska.nodes.whole import shown_whole
from matrioska.state.architecture import Architecture
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.claims import Review
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.graph_state import MatrioskaState
from matrioska.state.results import Deliverable, Finding, feedback_of
from matrioska.store.artifacts import ArtifactStore

#: What of the state a round may change, and gives back when it made things worse.
_CHANGED = ("results", "shared_state", "settlements", "deliverable", "findings")


def reviewable(state: MatrioskaState) -> bool:
    """Whether there is a whole to review: more than one module, and files."""
    return len(state["architecture"]["modules"]) > 1 and bool(reviewed_files(state))


def reviewed_files(state: MatrioskaState) -> list[ArtifactRef]:
    """Return the files of the deliverable that modules wrote: no module can mend the assembler's README."""
    files = Deliverable.model_validate(state["deliverable"]).files
    return [ref for ref in files if ref.path != README]


async def review(state: MatrioskaState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Review the whole, unless nothing changed since the last time. Without a critic nothing happens.

    A critic that fails leaves a note for the person: the work stands.
    """
    options = await off_loop(run_options, state, runtime)
    reviews = _under_way(state)
    last = reviews[-1] if reviews else None
    # A round that was begun is ended like any other, also when the run was resumed without a critic since.
    if last is not None and faults_of(state) > last.faults:
        taken_back = await off_loop(_take_back, state, last, artifact_store(options))
        return taken_back | {"reviews": _recorded(reviews)}
    if last is not None and last.deliverable == _digest(state):
        return {"reviews": _recorded(reviews), **_end(state, last)}
    critic = await off_loop(pick_critic, options, runtime) if options.review_rounds else None
    if critic is None:
        return {"feedback": {}} | ({"reviews": _recorded(reviews)} if reviews else {})
    emit_step("review", round=len(reviews) + 1)
    judgement = await _judgement(state, critic, options)
    thoughts = {"review": judgement.reasoning or None}
    update: dict[str, Any] = {"usage": judgement.usage.model_dump(), "reasoning": thoughts}
    if judgement.verdict is None:
        note = f"The whole could not be reviewed{' again' if last else ''}: {judgement.failure}"
        return update | {"reviews": _recorded(reviews), "feedback": {}, "notes": {"review": note}}
    findings, note = judgement.verdict
    made = await off_loop(_round, state, findings, judgement.by, options)
    update |= {"reviews": _recorded(reviews, made), "notes": {"review": note or None}}
    return update | ({"feedback": _feedback(state, findings)} if made.mended else _end(state, made))


async def _judgement(
    state: MatrioskaState, critic: Client, options: RunOptions
) -> Judgement[tuple[list[Finding], str]]:
    """Ask the critic; the verdict is its findings, and a note on what of its answer was left out."""
    plan, store = Architecture.model_validate(state["architecture"]), artifact_store(options)
    budget = token_budget(options, critic)
    tell = partial(shown_whole, plan, state, reviewed_files(state), store, budget, critic.count_tokens)
    # A tokenizer that has to be loaded first would hold up everything else.
    values = await off_loop(tell) if critic.counts_at_once else await asyncio.to_thread(tell)
    ids = [spec.id for spec in plan.modules]
    paths = [ref.path for ref in reviewed_files(state)]
    read = partial(read_findings, ids=ids, paths=paths, known=_check_findings(state))
    form = partial(findings_form, critic, ids, MOST_FINDINGS, plan.goal)
    with voiced("critique", "critic", BOSS):
        return await judged(critic, "review", {**values, "most": MOST_FINDINGS}, form, read, store)


def _round(state: MatrioskaState, findings: list[Finding], by: str, options: RunOptions) -> Review:
    """Return the record of a round, which says whether its findings go back."""
    reviews = _under_way(state)
    last = reviews[-1] if reviews else None
    feedback = _feedback(state, findings)
    improved = last is None or len(findings) < len(last.findings)
    goes_back = bool(feedback) and improved and rounds_made(reviews) < options.review_rounds
    return Review(
        round=len(reviews) + 1,
        findings=[found.model_dump(mode="json") for found in findings],
        deliverable=_digest(state),
        by=by,
        faults=faults_of(state),
        mended=sorted(feedback) if goes_back else [],
        before=_keep(state, artifact_store(options)) if goes_back else "",
    )


def _feedback(state: MatrioskaState, findings: list[Finding]) -> dict[str, list[str]]:
    """Return what modules are told; one that is not done has nothing to mend."""
    results = state.get("results") or {}
    done = feedback_of(found for found in findings if (results.get(found.module) or {}).get("status") == "done")
    return mendable(done, state["architecture"])


def rounds_made(reviews: Iterable[Review]) -> int:
    """Return how often findings of a critic went back to modules."""
    return sum(1 for made in reviews if made.mended)


def faults_of(state: MatrioskaState) -> int:
    """Return how many errors the checks found, and modules are not done."""
    errors = [found for found in _check_findings(state) if found.severity == "error"]
    return len(errors) + sum(1 for result in (state.get("results") or {}).values() if result["status"] != "done")


def _check_findings(state: MatrioskaState) -> list[Finding]:
    return [Finding.model_validate(found) for found in state.get("findings") or []]


def _under_way(state: MatrioskaState) -> list[Review]:
    """Return the rounds so far; none when they ended, and the run was sent back from outside since."""
    reviews = [Review.model_validate(made) for made in state.get("reviews") or []]
    return reviews if reviews and reviews[-1].before else []


def _recorded(past: list[Review], made: Review | None = None) -> list[dict[str, Any]]:
    """Return rounds as JSON. What stood before a past one is not needed any more."""
    rounds = [review.model_copy(update={"before": ""}) for review in past] + ([made] if made else [])
    return [review.model_dump(mode="json") for review in rounds]


def _digest(state: MatrioskaState) -> str:
    files = sorted((ref.path, ref.sha256) for ref in reviewed_files(state))
    return hashlib.sha256(json.dumps(files).encode("utf-8")).hexdigest()


def _end(state: Mapping[str, Any], last: Review) -> dict[str, Any]:
    """Return the update of a review that sends nothing back: what remains is shown, and no run is partial for it."""
    remaining = [{**found, "severity": "warning"} for found in last.findings]
    return {"feedback": {}, "findings": [*(state.get("findings") or []), *remaining]}


def _keep(state: MatrioskaState, store: ArtifactStore) -> str:
    """Keep what a round may change; return its digest."""
    return store.keep(json.dumps({name: state.get(name) for name in _CHANGED}).encode("utf-8"))


def _take_back(state: MatrioskaState, last: Review, store: ArtifactStore) -> dict[str, Any]:
    """Return the update that puts back what stood before the last round. What the round cost stays counted."""
    before: dict[str, Any] = json.loads(store.read(last.before))
    now = state.get("results") or {}
    spent = {module: {"usage": result["usage"], "mends": result["mends"]} for module, result in now.items()}
    results = {module: result | spent.get(module, {}) for module, result in before["results"].items()}
    settlements = dict.fromkeys(state.get("settlements") or {}) | (before["settlements"] or {})
    note = "The last round of the review made the checks find more, so it was taken back."
    restored = before | {"results": results, "settlements": settlements}
    return restored | _end(before, last) | {"notes": {"review": note}}
