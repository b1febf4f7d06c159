"""What is checked before a run begins or goes on, so that nothing is begun that cannot end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matrioska.models.gateway.prices import check_price
from matrioska.models.registry import check_member
from matrioska.state.cascade import MindSpec
from matrioska.state.context import RunContext
from matrioska.state.errors import MatrioskaError, TreeError
from matrioska.store.settings import config_path, find_fallbacks, find_member, resolve_options
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.embedding import embedder_of


def check_models(asked: RunContext, saved: dict[str, Any] | None = None, minds: Iterable[MindSpec] = ()) -> None:
    """Check that every model named for a run can be used, and what they fall back to.

    Args:
        asked: what is asked for now.
        saved: the options that the run began with.
        minds: who will think with models of their own.

    Raises:
        UnknownModelError: no provider answers to a name.
        ModelError: a package or key is missing.
        ConfigError: an option is wrong, or a cost is to be bounded that nobody can tell.
        TreeError: the same of minds; names every mind and what is wrong with its model.
    """
    options = resolve_options(asked, saved)
    objects = asked.model is not None and not isinstance(asked.model, str)
    bounded = options.budget_cost is not None
    for name in {options.model, *options.roles.values()}:
        if not (name.startswith("object:") and (objects or asked.roles)):
            _check_model(name, bounded=bounded)
    _check_minds(minds, bounded=bounded)
    embedder_of(options)


def _check_minds(minds: Iterable[MindSpec], *, bounded: bool) -> None:
    thinking: dict[str, list[str]] = {}
    for mind in minds:
        if mind.model not in (None, ENSEMBLE):
            thinking.setdefault(str(mind.model), []).append(mind.id)
    faults, steps = list[str](), dict[str, None]()
    for model, ids in thinking.items():
        try:
            _check_model(model, bounded=bounded)
        except MatrioskaError as error:
            faults.append(f"{', '.join(ids)}: {error.message.rstrip('.')}")
            steps[error.next_step] = None
    if faults:
        raise TreeError(f"[cascade] of {config_path()}", faults, next_step=" ".join(steps))


def _check_model(name: str, *, bounded: bool) -> None:
    member = find_member(name)
    for found in (member, *find_fallbacks(member).values()):
        check_member(found)
        if bounded:
            check_price(found)
