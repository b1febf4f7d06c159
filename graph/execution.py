"""One pass over the modules of a plan: what runs, with which inputs, and what comes of it.

No waiting here: `execute` does that, once for tasks and once for threads, and both call the
same methods of `Execution`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matrioska.graph.schedule import Links, Stage, plan_stages
from matrioska.graph.settlements import Settlements, owns
from matrioska.nodes.assets import check_assets, matching_assets
from matrioska.nodes.checks.plan import parse_plan
from matrioska.nodes.claims import MOST_HEARINGS, claims_of, contested, stray_complaints, too_late
from matrioska.nodes.common import artifact_store, error_record
from matrioska.nodes.jobs import save_job
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.claims import Claim, Settlement
from matrioska.state.context import RunOptions
from matrioska.state.graph_state import MatrioskaState, ModuleInput, ModuleState
from matrioska.state.jobs import Job, Project
from matrioska.state.outcomes import Outcome
from matrioska.state.repository import Asset
from matrioska.state.results import ErrorRecord, ModuleResult, Usage
from matrioska.store.artifacts import ArtifactStore


class Execution:
    """The pass.

    Args:
        state: the graph's state on entry.
        options: the run's options.

    Raises:
        PlanError: the plan, edited past the approval, cannot be carried out.
    """

    def __init__(self, state: MatrioskaState, options: RunOptions) -> None:
        self.options = options
        self.architecture = parse_plan(state["architecture"])
        self.project = Project.of(self.architecture)
        self.links = Links(self.architecture)
        self.store: ArtifactStore = artifact_store(options)
        self.assets = {name: Asset.model_validate(raw) for name, raw in sorted((state.get("assets") or {}).items())}
        self.old = {
            module: ModuleResult.model_validate(result)
            for module, result in (state.get("results") or {}).items()
            if module in self.links.specs
        }
        self.dropped = set(state.get("results") or {}) - set(self.links.specs)
        self.feedback = {
            module: complaints
            for module, complaints in (state.get("feedback") or {}).items()
            if module in self.old and self.old[module].status == "done"
        }
        self.settlements = Settlements(state.get("settlements") or {}, self.links, self.old)
        self.hearing = state.get("hearings", 0) < MOST_HEARINGS
        self.unheard = [Claim.model_validate(raw) for raw in state.get("claims") or []]
        # Feedback from within the run is no new try: what failed is, or will be, decided on by itself.
        within = state.get("rounds") or state.get("hearings") or state.get("reviews")
        self.refining = bool(self.feedback) and bool(within)
        given_up = {module for module, old in self.old.items() if self.refining and old.status != "done"}
        settled = self._settled(given_up)
        to_mend = {module for module in self.feedback if module in settled}
        changed = [module for module in self.links.specs if module not in settled or module in to_mend]
        to_run = self.links.affected(changed) - given_up
        self.kept = self.old.keys() - to_run
        self.stages: list[Stage] = plan_stages(self.links, to_run, to_mend)

    def _settled(self, given_up: Collection[str]) -> set[str]:
        """Return the modules whose stored result still answers their inputs, and those given up.

        A module counts only when all its predecessors do: what those will hand over is not
        known before they ran again.
        """
        settled = set(given_up)
        for module in self.links.topological():
            old = self.old.get(module)
            if old is None or old.status != "done":
                continue
            if any(predecessor not in settled for predecessor in self.links.upstream[module]):
                continue
            if self._answered(old, module).digest() == old.digest:
                settled.add(module)
        return settled

    def _answered(self, result: ModuleResult, module: str) -> Job:
        """Return the job that a result of a module would answer, with what its predecessors handed over."""
        promised = result.values if result.agreed else self.settlements.values(module)
        return self._job(Stage(module, "produce", (), 0.0), self.old, promised)

    def _job(self, stage: Stage, results: Mapping[str, ModuleResult], promised: dict[str, Any]) -> Job:
        spec = self.links.specs[stage.module]
        values = {key: results[self.links.writer[key]].values.get(key) for key in spec.shared_state_reads}
        mended = self.old.get(stage.module) if stage.kind == "mend" else None
        return Job(
            kind=stage.kind,
            project=self.project,
            spec=spec,
            values=values,
            wanted=[] if mended else [key for key in spec.shared_state_writes if key not in promised],
            promised=promised,
            readable=(
                {} if stage.kind == "agree" else {other: results[other].artifacts for other in spec.artifact_reads}
            ),
            assets=list(matching_assets(spec, self.assets).values()),
            files=mended.artifacts if mended else [],
            complaints=self.feedback.get(stage.module, []) if mended else [],
        )

    def begin(self, stage: Stage, ended: Mapping[str, Outcome]) -> ModuleInput | Outcome:
        """Return the input of a stage, or its outcome when there is nothing to run.

        Args:
            stage: the stage whose needs have all ended.
            ended: the outcomes of its needs, by stage id. No others: which of those have ended
                by now differs from run to run.

        Raises:
            ConfigError: the module reads an asset that the project does not have.
        """
        broken = sorted({by for need in stage.needs for by in _broken_by(need, ended[need])})
        if broken:
            own = f"{stage.module}.agree" in stage.needs and ended[f"{stage.module}.agree"].status == "failed"
            return Outcome(status="failed" if own else "blocked", blocked_by=[] if own else broken)
        check_assets(self.links.specs[stage.module], self.assets)
        promised = self._promised(stage, ended)
        job = self._job(stage, self._visible(stage, ended), promised)
        if (old := self._reusable(stage, job)) is not None:
            return old
        if stage.kind == "agree" and not job.wanted:
            return Outcome(status="done", job=save_job(self.store, job), values=promised)
        return ModuleInput(
            module=stage.module,
            stage=stage.kind,
            job=save_job(self.store, job),
            options=self.options.model_dump(mode="json", exclude_defaults=True),
        )

    def _promised(self, stage: Stage, ended: Mapping[str, Outcome]) -> dict[str, Any]:
        if stage.kind == "produce" and (agreed := ended.get(f"{stage.module}.agree")):
            return agreed.values
        return self.old[stage.module].values if stage.kind == "mend" else self.settlements.values(stage.module)

    def _visible(self, stage: Stage, ended: Mapping[str, Outcome]) -> dict[str, ModuleResult]:
        """Return the results of a stage's predecessors as far as they have come."""
        visible = {}
        for predecessor in self.links.upstream[stage.module]:
            if (mended := ended.get(f"{predecessor}.mend")) is not None:
                visible[predecessor] = self._mended(predecessor, mended)
                continue
            outcomes = [ended[i] for kind in ("agree", "produce") if (i := f"{predecessor}.{kind}") in ended]
            visible[predecessor] = self._joined(predecessor, outcomes) if outcomes else self.old[predecessor]
        return visible

    def _reusable(self, stage: Stage, job: Job) -> Outcome | None:
        """Return the stored outcome of the same inputs: early cut-off, as in a build system."""
        old = self.old.get(stage.module)
        if old is None or stage.kind == "mend":
            return None
        digest = job.digest()
        if stage.kind == "agree" and digest == old.agree_digest:
            return Outcome(status="done", job=digest, values=old.values, reused=True)
        if stage.kind == "produce" and digest == old.digest and old.status == "done":
            return Outcome(status="done", job=digest, values=old.values, artifacts=old.artifacts, reused=True)
        return None

    def finish(self, stage: Stage, given: ModuleInput, final: ModuleState) -> Outcome:
        """Return the outcome of a stage whose subgraph ran to its end."""
        complaints = final.get("complaints") or []
        writes = self.links.specs[stage.module].shared_state_writes
        values = (final.get("values") or {}) | self.settlements.values(stage.module)
        files = [ArtifactRef.model_validate(ref) for ref in final.get("files") or []]
        reached = [ArtifactRef.model_validate(ref) for ref in final.get("reached") or []]
        failed = bool(final.get("fatal"))
        error = None
        if failed:
            error = ErrorRecord(
                code="contract",
                message=f"Module {stage.module} did not meet its contract: " + " ".join(complaints),
                next_step="Resume to try again, edit the module, or use a more capable model.",
                raw_answer=final.get("raw_answer", ""),
            )
        return Outcome(
            status="failed" if failed else "done",
            job=given["job"],
            values={key: values[key] for key in writes if key in values},
            # In a mend a settled file may be changed like any other.
            artifacts=self.settlements.files(stage.module, files, () if stage.kind == "mend" else self.settlements.all),
            findings=[] if failed else complaints + stray_complaints(reached, self.links.specs),
            mends=final.get("mends", 0),
            usage=Usage.model_validate(final.get("usage") or {}),
            context=final.get("record") or {},
            error=error,
            claims=[] if failed else claims_of(final, [*files, *reached], self.links.writer, self.links.specs),
        )

    def fail(self, stage: Stage, error: BaseException) -> Outcome:
        """Return the outcome of a stage that raised. The error stays inside the module."""
        return Outcome(status="failed", error=error_record(error))

    def _joined(self, module: str, outcomes: list[Outcome]) -> ModuleResult:
        """Join the outcomes of a module's stages, in their order, into its result."""
        if module in self.old and all(outcome.reused for outcome in outcomes):
            return self.old[module]
        first, last = outcomes[0], outcomes[-1]
        worst = next((o for o in outcomes if o.status == "failed"), last)
        agreed = len(outcomes) == 2 and first.status == "done"
        # Values agreed by a module that failed afterwards stay: others were built on them, and
        # a second try that agrees on the same leaves those others alone.
        return ModuleResult(
            status=worst.status,
            values=first.values if agreed else last.values,
            artifacts=last.artifacts,
            agree_digest=first.job if agreed else "",
            digest=last.job,
            agreed=agreed,
            findings=last.findings,
            usage=sum((o.usage for o in outcomes), Usage()),
            mends=sum(o.mends for o in outcomes),
            context=last.context,
            error=worst.error,
            blocked_by=worst.blocked_by,
        )

    def _mended(self, module: str, outcome: Outcome) -> ModuleResult:
        """Return a module's old result with its mended files. A mend that failed changes nothing.

        Values stay too, others were built on them; and the digest stays that of the inputs the
        files were first made from.
        """
        old = self.old[module]
        if outcome.status != "done":
            return old.model_copy(update={"usage": old.usage + outcome.usage})
        return old.model_copy(
            update={
                "artifacts": outcome.artifacts,
                "findings": outcome.findings,
                "usage": old.usage + outcome.usage,
                "mends": old.mends + max(1, outcome.mends),
            }
        )

    def commit(self, ended: Mapping[str, Outcome], *, give_up: bool = False) -> dict[str, Any]:
        """Return the graph's update: every result, the whiteboard, the cost.

        Args:
            ended: the outcome of every stage, by its id.
            give_up: whether a person decided already to go on without what is not done.
        """
        results: dict[str, ModuleResult] = {module: self.old[module] for module in self.kept}
        spent = Usage()
        by_module: dict[str, list[Outcome]] = {}
        for stage in sorted(self.stages, key=lambda s: ("agree", "produce", "mend").index(s.kind)):
            by_module.setdefault(stage.module, []).append(ended[stage.id])
            spent += ended[stage.id].usage
        mended = {stage.module for stage in self.stages if stage.kind == "mend"}
        for module, outcomes in by_module.items():
            results[module] = self._mended(module, outcomes[0]) if module in mended else self._joined(module, outcomes)
        shared = {key: value for module in sorted(results) for key, value in results[module].values.items()}
        dumped: dict[str, Any] = {module: result.model_dump(mode="json") for module, result in results.items()}
        update = {
            "results": dumped | dict.fromkeys(self.dropped),
            "shared_state": shared,
            "feedback": {},
            **self._disputed(results, ended),
            "usage": spent.model_dump(),
            "reasoning": {
                stage.id: ended[stage.id].context.get("reasoning")
                for stage in self.stages
                if not ended[stage.id].reused
            },
        }
        if give_up:
            undone = sorted(module for module, result in results.items() if result.status != "done")
            return update | {"repair": {"action": "skip", "modules": undone}, "claims": []}
        # A new try of what failed asks for a new decision.
        return update if self.refining else update | {"repair": {}}

    def _disputed(self, results: Mapping[str, ModuleResult], ended: Mapping[str, Outcome]) -> dict[str, Any]:
        """Return the update with the claims that nobody has settled, and without settlements whose reasons are gone."""
        # A run that was sent back before its disputes were settled has claims of modules that say nothing this time.
        spoke = {stage.module for stage in self.stages if not ended[stage.id].reused}
        unheard = [claim for claim in self.unheard if claim.module not in spoke and owns(claim, self.links)]
        # By module and subject: what a module says last is its word.
        every = [*unheard, *(claim for stage in self.stages for claim in ended[stage.id].claims)]
        said = {(claim.key, claim.module): claim for claim in every}
        new = [claim for _, claim in sorted(said.items()) if not self.settlements.cover(claim)]
        claims = [claim for claim in new if contested(claim, results)]
        heard, late = (claims, []) if self.hearing else ([], claims)
        return {
            "claims": [claim.model_dump(mode="json") for claim in heard],
            "settlements": dict.fromkeys(self.settlements.forgotten),
            # A pass without late claims does not make those of an earlier one heard.
            "notes": {"claims": None} if self.hearing else {"claims": too_late(late)} if late else {},
        }

    def settle(self, settlements: Sequence[Settlement]) -> dict[str, ModuleResult]:
        """Return the results that settlements change, by module.

        A module whose value was settled against it keeps its files and has them mended: its digests
        become those of the same inputs with the settled value promised. Where its inputs changed as
        well, they do not fit those digests, and it is made anew.
        """
        undone = {module for module, old in self.old.items() if old.status != "done"}
        answering = self._settled(undone) - undone
        self.settlements.add(settlements)
        changed = {}
        for module in sorted(
            {module for found in settlements for module in (found.owner, found.winner, *found.losers)}
        ):
            old = self.old[module]
            held = self.settlements.values(module)
            files = self.settlements.files(module, old.artifacts, settlements)
            new = old.model_copy(update={"values": old.values | held, "artifacts": files})
            changed[module] = self._with_digests(new, module) if module in answering and held else new
        return changed

    def _with_digests(self, result: ModuleResult, module: str) -> ModuleResult:
        agreed = self._job(Stage(module, "agree", (), 0.0), self.old, self.settlements.values(module))
        update = {"digest": self._answered(result, module).digest()}
        return result.model_copy(update=update | ({"agree_digest": agreed.digest()} if result.agreed else {}))


def _broken_by(stage_id: str, outcome: Outcome) -> list[str]:
    """Return the modules whose failure this outcome stands for; a failed mend leaves usable work."""
    module, _, kind = stage_id.rpartition(".")
    if outcome.status == "done" or kind == "mend":
        return []
    return outcome.blocked_by or [module]
