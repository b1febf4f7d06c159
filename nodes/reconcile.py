"""Settling disputes: the boss hears all sides; without one, or without a usable answer, the owner's word holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langgraph.runtime import Runtime

from matrioska.models.gateway import Client
from matrioska.models.recorder import voiced
from matrioska.nodes.checks.wording import listed, shorten
from matrioska.nodes.claims import Dispute, Side
from matrioska.nodes.common import artifact_store, pick_boss
from matrioska.nodes.context.extract import extract
from matrioska.nodes.distill import token_budget
from matrioska.nodes.judgement import Judgement, judged
from matrioska.nodes.leaf import off_loop
from matrioska.nodes.recording import BOSS
from matrioska.nodes.schemas import settlement_form
from matrioska.prompts.render import to_json
from matrioska.state.architecture import Architecture
from matrioska.state.claims import Settlement
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import AnswerError
from matrioska.state.jobs import Project
from matrioska.state.results import Usage
from matrioska.store.artifacts import ArtifactStore

#: Disputes that the boss hears in one pass; of more the owners' word holds.
MOST_HEARD = 40
#: Contenders that one prompt shows, the owner among them; of more the later ones lose.
MOST_CONTENDERS = 8
_DESCRIPTION_SHOWN = 500
#: Share of a prompt's tokens that all that the contenders say may take.
_SAID_SHARE = 0.6


@dataclass
class Settled:
    """How the disputes of one pass ended, and what that cost."""

    settlements: list[Settlement] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    reasoning: dict[str, str] = field(default_factory=dict)
    """Digest of the boss's reasoning, by ``reconcile.<dispute>``."""


async def settle_all(
    disputes: Sequence[Dispute], plan: Architecture, options: RunOptions, runtime: Runtime[RunContext]
) -> Settled:
    """Settle disputes, each by a call of its own, all at the same time.

    Raises:
        UnknownModelError, ModelError, ConfigError: the boss cannot be set up; see `pick_boss`.
        StoreError: files cannot be read.
    """
    boss = await off_loop(pick_boss, options, runtime)
    settled = Settled()
    if boss is None:
        settled.settlements = [_owner_holds(dispute, "There is no boss to ask.") for dispute in disputes]
        return settled
    open_to_all = [dispute for dispute in disputes if not dispute.fault]
    heard = await asyncio.gather(*(_heard(dispute, boss, plan, options) for dispute in open_to_all[:MOST_HEARD]))
    for dispute, judgement in zip(open_to_all, heard, strict=False):
        settled.settlements.append(_settlement(dispute, judgement))
        settled.usage += judgement.usage
        if judgement.reasoning:
            settled.reasoning[f"reconcile.{dispute.key}"] = judgement.reasoning
    settled.settlements += [
        _owner_holds(dispute, f"The boss hears {MOST_HEARD} disputes at a time.")
        for dispute in open_to_all[MOST_HEARD:]
    ]
    settled.settlements += [_owner_holds(dispute, dispute.fault) for dispute in disputes if dispute.fault]
    return settled


async def _heard(dispute: Dispute, boss: Client, plan: Architecture, options: RunOptions) -> Judgement[tuple[str, str]]:
    """Ask the boss about one dispute; the verdict is winner and reason."""
    store, sides = artifact_store(options), dispute.sides[:MOST_CONTENDERS]
    ids = [side.module for side in sides]
    tell = partial(_contenders, dispute, sides, plan, store, boss, token_budget(options, boss))
    # A tokenizer that has to be loaded first would hold up everything else.
    contenders = await off_loop(tell) if boss.counts_at_once else await asyncio.to_thread(tell)
    values = {
        "kind": dispute.kind,
        "owner": dispute.owner,
        "ids": ids,
        "project": Project.of(plan).brief(),
        "subject": dispute.subject,
        "contenders": contenders,
    }
    form = partial(settlement_form, boss, ids, plan.goal)
    with voiced("control", BOSS, dispute.owner):
        return await judged(boss, "reconcile", values, form, partial(_read, ids), store)


def _contenders(
    dispute: Dispute, sides: Sequence[Side], plan: Architecture, store: ArtifactStore, boss: Client, budget: int
) -> list[dict[str, Any]]:
    """Return what the prompt tells of each side."""
    room = int(budget * _SAID_SHARE) // len(sides)
    told = []
    for side in sides:
        spec = plan.module(side.module)
        told.append(
            {
                "id": side.module,
                "title": spec.title,
                "description": shorten(spec.description, _DESCRIPTION_SHOWN),
                "says": _said(dispute, side, store, lambda text: boss.count_tokens(text) <= room),
                "argument": side.argument,
            }
        )
    return told


def _said(dispute: Dispute, side: Side, store: ArtifactStore, fits: Callable[[str], bool]) -> Any:
    """Return a side's value or its file's text, an extract of it where it does not fit; None for no such file."""
    if dispute.kind == "value":
        text = to_json(side.value)
        return side.value if fits(text) else extract(text, (), fits)
    if side.ref is None:
        return None
    found = store.sources([side.ref])
    if not found:
        return f"({side.ref.media_type}, {side.ref.size:,} bytes)"
    return found[0].text if fits(found[0].text) else extract(found[0].text, (), fits)


def _read(ids: Sequence[str], answer: dict[str, Any]) -> tuple[str, str]:
    """Return winner and reason.

    Raises:
        AnswerError: the winner is none of the contenders.
    """
    winner, why = answer.get("winner"), answer.get("why")
    if not isinstance(winner, str) or winner.strip() not in ids:
        raise AnswerError(f"The winner {shorten(str(winner))!r} is no contender. The winner is one of {listed(ids)}.")
    return winner.strip(), why if isinstance(why, str) else ""


def _settlement(dispute: Dispute, judgement: Judgement[tuple[str, str]]) -> Settlement:
    if judgement.verdict is None:
        return _owner_holds(dispute, f"The boss could not settle it: {judgement.failure}")
    winner, why = judgement.verdict
    return dispute.settle(winner, "boss", why)


def _owner_holds(dispute: Dispute, why: str) -> Settlement:
    return dispute.settle(dispute.owner, "owner", why)
