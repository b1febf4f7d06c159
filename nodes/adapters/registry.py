"""Which adapter presents the context of which kind of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrioska.hooks import hookimpl
from matrioska.nodes.adapters.audio import AudioAdapter
from matrioska.nodes.adapters.base import Adapter, BaseAdapter
from matrioska.nodes.adapters.code import CodeAdapter
from matrioska.nodes.adapters.data import DataAdapter
from matrioska.nodes.adapters.prose import ProseAdapter
from matrioska.nodes.adapters.vision import VisionAdapter
from matrioska.plugins import Kind
from matrioska.state.architecture import MODALITIES


class _BuiltIn:
    """The adapters that come with Matrioska."""

    @hookimpl
    def matrioska_adapters(self) -> Mapping[str, Adapter]:
        return {
            "code": CodeAdapter(),
            "prose": ProseAdapter(),
            "data": DataAdapter(),
            "vision": VisionAdapter(),
            "audio": AudioAdapter(),
        }


def _fault(adapter: Any) -> str:
    return "" if callable(getattr(adapter, "present", None)) else "has no `present(material)`"


ADAPTERS = Kind[Adapter]("matrioska_adapters", _BuiltIn(), _fault)


def adapter_for(modality: str) -> Adapter:
    """Return the adapter of a kind of work; one that nobody knows is presented plainly."""
    return ADAPTERS.get(modality) or BaseAdapter()


def known_modalities() -> tuple[str, ...]:
    """Return the kinds of work that a plan may name."""
    return (*MODALITIES, *(kind for kind in sorted(ADAPTERS.all()) if kind not in MODALITIES))
