"""Which adapter presents the context of which kind of work."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from matrioska.nodes.adapters.audio import AudioAdapter
from matrioska.nodes.adapters.base import Adapter, BaseAdapter
from matrioska.nodes.adapters.code import CodeAdapter
from matrioska.nodes.adapters.data import DataAdapter
from matrioska.nodes.adapters.prose import ProseAdapter
from matrioska.nodes.adapters.vision import VisionAdapter
from matrioska.state.architecture import MODALITIES
from matrioska.workers.plugins import adapters

_BUILT_IN: Mapping[str, Adapter] = MappingProxyType(
    {
        "code": CodeAdapter(),
        "prose": ProseAdapter(),
        "data": DataAdapter(),
        "vision": VisionAdapter(),
        "audio": AudioAdapter(),
    }
)


def adapter_for(modality: str) -> Adapter:
    """Return the adapter of a kind of work; one that nobody knows is presented plainly."""
    found = _BUILT_IN.get(modality) or adapters().get(modality)
    return cast(Adapter, found) if found is not None else BaseAdapter()


def known_modalities() -> tuple[str, ...]:
    """Return the kinds of work that a plan may name."""
    return (*MODALITIES, *(kind for kind in sorted(adapters()) if kind not in MODALITIES))
