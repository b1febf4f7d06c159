"""How context is presented to each kind of work."""

from __future__ import annotations

from matrioska.nodes.adapters.registry import adapter_for, known_modalities

__all__ = ["adapter_for", "known_modalities"]
