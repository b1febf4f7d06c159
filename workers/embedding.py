"""The embedder that a run's options name."""

from __future__ import annotations

from matrioska.models.embedders import Embedder, make_embedder
from matrioska.state.context import RunOptions
from matrioska.store.settings import find_member, resolve_options


def embedder_of(options: RunOptions | None = None) -> Embedder | None:
    """Return the embedder of a run, by default that of the settings; None when texts are compared by their words.

    Raises:
        UnknownModelError: no provider answers to its name.
        ModelError: its package or key is missing.
        ConfigError: the settings are faulty.
    """
    chosen = (options or resolve_options(None)).embedder
    return make_embedder(find_member(chosen)) if chosen else None
