"""Context for audio: sounds as sounds, or what a pipeline made of them, which the module reads as values."""

from __future__ import annotations

from collections.abc import Sequence

from matrioska.nodes.adapters.base import BaseAdapter, takes
from matrioska.nodes.adapters.media import sound
from matrioska.nodes.adapters.vision import block_piece
from matrioska.nodes.context.pieces import Material, Piece
from matrioska.state.repository import Asset


class AudioAdapter(BaseAdapter):
    """Audio blocks for members that hear.

    Others are told of each sound's length, rate and channels, and go by the values and files that
    pipeline modules made of it: these are declared reads like any other.
    """

    def shown(self, asset: Asset, material: Material) -> Sequence[Piece]:
        """See `BaseAdapter.shown`."""
        if asset.ref.media_type.startswith("audio/") and takes("audio", material):
            return [block_piece(sound(asset.ref.path, asset.ref, material.store))]
        return super().shown(asset, material)
