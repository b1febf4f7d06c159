"""Models in this process: transformers and bitsandbytes behind one batching engine per model."""

from __future__ import annotations

from matrioska.models.local.chat import LocalLLM

__all__ = ["LocalLLM"]
