"""What is checked before a run begins or goes on, so that nothing is begun that cannot end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matrioska.models.gateway.prices import check_price
from matrioska.models.registry import check_member
from matrioska.state.context import RunContext
from matrioska.store.settings import find_fallbacks, find_member, resolve_options
from matrioska.workers.embedding import embedder_of


def check_models(asked: RunContext, saved: dict[str, Any] | None = None, also: Iterable[str] = ()) -> None:
    """Check that every model named for a run can be used, and what they fall back to.

    Args:
        asked: what is asked for now.
        saved: the options that the run began with.
        also: names of further models that will be asked.

    Raises:
        UnknownModelError: no provider answers to a name.
        ModelError: a package or key is missing.
        ConfigError: an option is wrong, or a cost is to be bounded that nobody can tell.
    """
    options = resolve_options(asked, saved)
    objects = asked.model is not None and not isinstance(asked.model, str)
    for name in {options.model, *options.roles.values(), *also}:
        if not (name.startswith("object:") and (objects or asked.roles)):
            member = find_member(name)
            for found in (member, *find_fallbacks(member).values()):
                check_member(found)
                if options.budget_cost is not None:
                    check_price(found)
    embedder_of(options)
