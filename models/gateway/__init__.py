"""The gateway: the one door to every model, whichever its provider."""

from __future__ import annotations

from matrioska.models.gateway.client import Client, Reply, client_for, client_of

__all__ = ["Client", "Reply", "client_for", "client_of"]
