"""Claims become disputes, disputes become settlements, and settlements become words for modules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matrioska.nodes.checks.contract import value_complaints
from matrioska.nodes.checks.wording import bounded, listed, shorten
from matrioska.prompts.render import to_json
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.claims import Claim, Settlement
from matrioska.state.graph_state import ModuleState
from matrioska.state.results import ModuleResult

#: Times that disputes are settled between two approvals; later claims are not heard, so that every run ends.
MOST_HEARINGS = 3
_WHY_SHOWN = 500
_VALUE_SHOWN = 1_000


@dataclass(frozen=True)
class Side:
    """One contender of a dispute, with what it holds to be right."""

    module: str
    value: Any = None
    ref: ArtifactRef | None = None
    """Its file; None in a dispute over a value, or when the owner has no such file."""
    argument: str = ""


@dataclass(frozen=True)
class Dispute:
    """Two or more modules, one whiteboard key or path."""

    kind: Literal["value", "file"]
    subject: str
    owner: str
    sides: tuple[Side, ...]
    """The owner's first, then those of the claimants by id."""
    fault: str = ""
    """Why no claimant can win; '' when any can."""

    @property
    def key(self) -> str:
        """See `Claim.key`."""
        return f"{self.kind}:{self.subject}"

    def settle(self, winner: str, by: str, why: str) -> Settlement:
        """Return the settlement in favour of a contender.

        Raises:
            KeyError: ``winner`` is none of them.
        """
        side = {side.module: side for side in self.sides}[winner]
        return Settlement(
            kind=self.kind,
            subject=self.subject,
            owner=self.owner,
            winner=winner,
            losers=[other.module for other in self.sides if other.module != winner],
            value=side.value,
            ref=side.ref,
            by=by,
            why=shorten(why, _WHY_SHOWN),
        )


def reached_path(path: str, module: str) -> str:
    """Return the path below the deliverable's root that a path beyond the module's own folder names.

    ``../shop/app.js`` reaches ``shop/app.js``; '' for everything that stays in the folder, comes
    back to it, or climbs further: that is for the path checks.
    """
    climbed = path.removeprefix("./")
    rest = climbed.removeprefix("../")
    if rest == climbed or rest.startswith(f"{module}/") or "/" not in rest or ".." in rest.split("/"):
        return ""
    return rest


def claims_of(
    final: ModuleState, files: Iterable[ArtifactRef], writers: Mapping[str, str], modules: Collection[str]
) -> list[Claim]:
    """Return what a stage says of keys and files that may be another module's.

    Args:
        final: the state in which the stage ended.
        files: what it wrote, in its own folder (where a folder may bear another module's name) and beyond.
        writers: the module that writes each key of the plan.
        modules: ids of the plan's modules.
    """
    module, argument = final["module"], final.get("argument", "")
    claims = [
        Claim(kind="value", subject=key, owner=writers[key], module=module, value=value, argument=argument)
        for key, value in sorted((final.get("values") or {}).items())
        # What no value may be is no claim.
        if writers.get(key, module) != module and not value_complaints({key: value}, [key])
    ]
    for ref in files:
        owner, below, _ = ref.path.partition("/")
        if below and owner in modules and owner != module:
            claims.append(Claim(kind="file", subject=ref.path, owner=owner, module=module, ref=ref, argument=argument))
    return claims


def stray_complaints(reached: Iterable[ArtifactRef], modules: Collection[str]) -> list[str]:
    """Return complaints about files beyond a module's folder that are in no other module's either."""
    return bounded(
        [
            f"The path '../{shorten(ref.path)}' is refused: no module has that folder."
            for ref in reached
            if ref.path.split("/")[0] not in modules
        ]
    )


def contested(claim: Claim, results: Mapping[str, ModuleResult]) -> bool:
    """Whether a claim says something else than what its owner handed over.

    A module that is not done is not heard, and nothing is claimed of one that is not done. A file
    ``shop/app.js`` in the claimant's own folder stands for the shop's only where the shop has that
    file: else it is a folder of its own that happens to bear the name.
    """
    if any(module not in results or results[module].status != "done" for module in (claim.module, claim.owner)):
        return False
    if claim.kind == "value":
        return bool(results[claim.owner].values.get(claim.subject) != claim.value)
    own = file_of(claim.owner, claim.subject, results)
    if own is None:
        return all(ref.path != claim.subject for ref in results[claim.module].artifacts)
    return claim.ref is not None and own.sha256 != claim.ref.sha256


def too_late(claims: Sequence[Claim]) -> str:
    """Return the note for the person on claims that are not heard any more."""
    shown = listed((f"{claim.module} on {claim.subject}" for claim in claims), 3)
    return f"Disputes that came too late to be settled, so that the owners' word holds: {shown}."


def file_of(owner: str, path: str, results: Mapping[str, ModuleResult]) -> ArtifactRef | None:
    """Return the owner's file at a path below the deliverable's root; None when it has none."""
    below = path.removeprefix(f"{owner}/")
    return next((ref for ref in results[owner].artifacts if ref.path == below), None)


def disputes_of(claims: Sequence[Claim], results: Mapping[str, ModuleResult]) -> list[Dispute]:
    """Return the disputes that claims make, by kind and subject: all who claim the same stand in one."""
    by_subject: dict[tuple[str, str], dict[str, Claim]] = {}
    for claim in claims:
        by_subject.setdefault((claim.kind, claim.subject), {})[claim.module] = claim
    taken = {claim.owner: {ref.path for ref in results[claim.owner].artifacts} for claim in claims}
    return [_dispute(sorted(held.items()), results, taken) for _, held in sorted(by_subject.items())]


def _dispute(
    claims: list[tuple[str, Claim]], results: Mapping[str, ModuleResult], taken: dict[str, set[str]]
) -> Dispute:
    """Return one dispute. ``taken`` has the paths that each owner has or may get, and takes this one in."""
    first, fault = claims[0][1], ""
    if first.kind == "file":
        path = first.subject.removeprefix(f"{first.owner}/")
        if beside := next((other for other in sorted(taken[first.owner]) if clash(path, other)), ""):
            fault = f"It cannot stand beside {first.owner}'s file {shorten(beside)}."
        taken[first.owner].add(path)
    own = (
        Side(first.owner, value=results[first.owner].values.get(first.subject))
        if first.kind == "value"
        else Side(first.owner, ref=file_of(first.owner, first.subject, results))
    )
    sides = (Side(module, claim.value, claim.ref, claim.argument) for module, claim in claims)
    return Dispute(first.kind, first.subject, first.owner, (own, *sides), fault)


def clash(path: str, other: str) -> bool:
    """Whether two paths cannot both be files: one is the other's folder, or only case tells them apart."""
    one, two = path.casefold(), other.casefold()
    return (one == two and path != other) or one.startswith(f"{two}/") or two.startswith(f"{one}/")


def feedback_on(settlements: Iterable[Settlement]) -> dict[str, list[str]]:
    """Return what losers are told to mend, by module id."""
    feedback: dict[str, list[str]] = {}
    for settlement in settlements:
        for loser in settlement.losers:
            feedback.setdefault(loser, []).append(_told(settlement, loser))
    return {loser: bounded(told) for loser, told in feedback.items()}


def _told(settlement: Settlement, loser: str) -> str:
    why = f" ({settlement.why})" if settlement.why else ""
    whose = f"what {settlement.winner} {'wrote' if settlement.winner == settlement.owner else 'claimed'}"
    if settlement.kind == "value":
        shown = shorten(to_json(settlement.value), _VALUE_SHOWN)
        return f"The value of '{settlement.subject}' is settled: it is {whose}: {shown}{why}. Make your files fit."
    if loser == settlement.owner:
        path = settlement.subject.removeprefix(f"{loser}/")
        return f"The file {path} is settled: it is {whose}, and stands in your folder now{why}. Make your files fit."
    kept = f"it is {whose}" if settlement.ref is not None else f"{settlement.owner} goes without it"
    return (
        f"The file ../{settlement.subject} is settled: {kept}{why}. It belongs to {settlement.owner}: "
        "leave it out of your answer, and make your files fit."
    )
