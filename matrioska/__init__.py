"""Matrioska: one big task in, one checked deliverable out.

The public names are loaded when first used (PEP 562): ``import matrioska`` stays cheap, and
never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matrioska.client import EnsembleClient
    from matrioska.context_manager import ContextManager
    from matrioska.graph import build_graph, open_graph
    from matrioska.graph.cascade import build_cascade_graph
    from matrioska.graph.ensemble import build_ensemble_graph
    from matrioska.models.local import LocalLLM
    from matrioska.orchestrator import MatrioskaOrchestrator
    from matrioska.questions import Questions, open_questions
    from matrioska.reports import RunReport
    from matrioska.runs import Runs, open_runs
    from matrioska.state.architecture import Architecture, ModuleSpec
    from matrioska.state.context import RunContext
    from matrioska.state.errors import MatrioskaError
    from matrioska.workers.ensemble.run import Ensemble

    ARCHITECT_SYSTEM_PROMPT: str

_PLACES = {
    "Architecture": "matrioska.state.architecture",
    "ARCHITECT_SYSTEM_PROMPT": "matrioska.orchestrator",
    "ContextManager": "matrioska.context_manager",
    "Ensemble": "matrioska.workers.ensemble.run",
    "EnsembleClient": "matrioska.client",
    "LocalLLM": "matrioska.models.local",
    "MatrioskaError": "matrioska.state.errors",
    "MatrioskaOrchestrator": "matrioska.orchestrator",
    "ModuleSpec": "matrioska.state.architecture",
    "Questions": "matrioska.questions",
    "RunContext": "matrioska.state.context",
    "RunReport": "matrioska.reports",
    "Runs": "matrioska.runs",
    "open_questions": "matrioska.questions",
    "open_runs": "matrioska.runs",
    "build_cascade_graph": "matrioska.graph.cascade",
    "build_ensemble_graph": "matrioska.graph.ensemble",
    "build_graph": "matrioska.graph",
    "open_graph": "matrioska.graph",
}

__all__ = [
    "ARCHITECT_SYSTEM_PROMPT",
    "Architecture",
    "ContextManager",
    "Ensemble",
    "EnsembleClient",
    "LocalLLM",
    "MatrioskaError",
    "MatrioskaOrchestrator",
    "ModuleSpec",
    "Questions",
    "RunContext",
    "RunReport",
    "Runs",
    "build_cascade_graph",
    "build_ensemble_graph",
    "build_graph",
    "open_graph",
    "open_questions",
    "open_runs",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'matrioska' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
