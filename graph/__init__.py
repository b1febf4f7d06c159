"""The wiring: ``graph`` for Studio and ``invoke``, ``build_graph`` and ``open_graph`` for Python."""

from __future__ import annotations

from matrioska.graph.build import build_graph, graph
from matrioska.graph.open import open_graph

__all__ = ["build_graph", "graph", "open_graph"]
