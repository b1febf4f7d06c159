"""Which of a project's assets a module reads. A plan names them, or patterns of them (``images/*``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from matrioska.nodes.checks.wording import MAX_COMPLAINTS, listed, shorten
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import ConfigError
from matrioska.state.repository import Asset
from matrioska.state.wording import did_you_mean


def matching_assets(spec: ModuleSpec, assets: Mapping[str, Asset]) -> dict[str, Asset]:
    """Return the assets that a module reads, by name, in the order of the names."""
    return {
        name: assets[name]
        for name in sorted(assets)
        if any(name == pattern or fnmatchcase(name, pattern) for pattern in spec.asset_reads)
    }


def asset_faults(plan: Architecture, assets: Mapping[str, Asset]) -> list[str]:
    """Return complaints of the assets that a plan names and the project does not have; of too many, some."""
    unknown = [(spec, pattern) for spec in plan.modules for pattern in _unknown(spec, assets)]
    # A near name takes long to find, and a plan may name any number.
    told = [_fault(spec, pattern, assets) for spec, pattern in unknown[:MAX_COMPLAINTS]]
    return told if len(unknown) == len(told) else [*told, f"and {len(unknown) - len(told):,} more"]


def check_assets(spec: ModuleSpec, assets: Mapping[str, Asset]) -> None:
    """Check that a module's assets are there.

    Raises:
        ConfigError: one is not; names those that are.
    """
    for pattern in _unknown(spec, assets):
        raise ConfigError(
            f"The {_fault(spec, pattern, assets)}.",
            next_step="Give it with --asset, or take it out of the module's asset_reads in the plan.",
        )


def _unknown(spec: ModuleSpec, assets: Mapping[str, Asset]) -> Iterator[str]:
    for pattern in dict.fromkeys(spec.asset_reads):
        if pattern not in assets and not any(fnmatchcase(name, pattern) for name in assets):
            yield pattern


def _fault(spec: ModuleSpec, pattern: str, assets: Mapping[str, Asset]) -> str:
    there = f"; there are {listed(list(assets), 20)}" if assets else "; it has none"
    return (
        f"module '{shorten(spec.id)}' reads the asset '{shorten(pattern)}', which the project does not have"
        f"{did_you_mean(pattern, assets)}{there}"
    )
