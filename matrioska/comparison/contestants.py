"""Who takes part: the ways that the settings describe, the models behind each, and who judges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pydantic import BaseModel

from matrioska.comparison.judge import Judge
from matrioska.comparison.records import NAMES, Contestant
from matrioska.i18n import N_
from matrioska.models.gateway import client_for
from matrioska.models.providers import EMBEDDED, shown_address
from matrioska.single import Single
from matrioska.state.context import RunContext
from matrioska.state.ensemble import Topology
from matrioska.state.errors import UsageError
from matrioska.state.questions import Via
from matrioska.store.settings import find_fallbacks, find_member, resolve_options
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.cascade.tree import load_tree
from matrioska.workers.ensemble.topology import load_topology

#: Of each pair, the first is the one that people ask about: is it better than the other?
_ORDER: tuple[Via, ...] = ("cascade", "ensemble", "single")


def contestants(ways: Iterable[Via], context: RunContext, topology: Topology | None = None) -> list[Contestant]:
    """Return who takes part.

    Args:
        ways: who can be asked.
        context: what the caller chooses.
        topology: the ensemble's nodes; None takes those of the settings.

    Raises:
        UsageError: there are not two ways to compare.
        ConfigError: the settings are faulty.
    """
    found = [_contestant(via, context, topology) for via in sorted(ways, key=_ORDER.index)]
    if len(found) < 2:
        there = N_("There is nothing to compare: no way to answer is configured.")
        if found:
            only = N_("There is nothing to compare: only {way} is configured.")
            there = only.format(way=NAMES[found[0].via])
        raise UsageError(
            there,
            next_step="Name a model with --model, or model in matrioska.toml: the cascade needs nothing more.",
        )
    return found


def judge_for(name: str | None, context: RunContext) -> Judge:
    """Return the judge: the model of that name, else the role ``critic``, else the single model.

    Raises:
        UsageError: it is the embedded model.
        ConfigError: the settings are faulty, or there is no such model.
        ModelError: its package or key is missing.
    """
    chosen = name or resolve_options(context).roles.get("critic")
    if chosen is None:
        return Judge(Single(context).client)
    member = find_member(chosen)
    if member.model == EMBEDDED:
        raise UsageError(
            "The embedded model builds by rules, and cannot judge answers.",
            next_step="Name another with --judge, such as --judge openai:gpt-4o, or as critic under [roles].",
        )
    client = client_for(member, find_fallbacks(member).__getitem__)
    # Made now: a missing key should stop the study before anything was paid for.
    _ = client.model
    return Judge(client)


def judges_itself(judge: str, contestants: Iterable[Contestant]) -> list[Via]:
    """Return the ways in which the judge takes part: models tend to prefer their own answers."""
    return [found.via for found in contestants if judge in found.models]


def _contestant(via: Via, context: RunContext, topology: Topology | None) -> Contestant:
    single, setup = Single(context), list[BaseModel]()
    names: list[str | None] = [single.name]
    if via == "cascade":
        tree = load_tree(single.own)
        names = [mind.model or single.own for mind in tree.minds]
        setup.append(tree)
    if via == "ensemble" or ENSEMBLE in names:
        found = topology or load_topology()
        names = [name for name in names if via == "cascade" and name != ENSEMBLE]
        names += [name for node in found.nodes for name in (node.model_a, node.model_b, node.tie_break)]
        names.append(found.synthesizer)
        setup.append(found)
    models = tuple(dict.fromkeys(shown_address(find_member(name).model) for name in names if name))
    digest = hashlib.sha256("\n".join(part.model_dump_json() for part in setup).encode()).hexdigest()[:16]
    return Contestant(via=via, models=models, setup=digest)
