"""Context for vision: pictures as pictures, and pages, drawings and scores as pictures of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrioska.nodes.adapters.base import BaseAdapter, takes
from matrioska.nodes.adapters.media import picture
from matrioska.nodes.adapters.rendering import Unshown, is_rendered, rendered
from matrioska.nodes.context.pieces import Block, Material, Piece, Rank
from matrioska.state.artifacts import ArtifactRef
from matrioska.state.repository import Asset


class VisionAdapter(BaseAdapter):
    """Image blocks for members that see; others are told what the pictures are, and read what is text."""

    has_style = True

    def shown(self, asset: Asset, material: Material) -> Sequence[Piece]:
        """See `BaseAdapter.shown`."""
        if not takes("vision", material):
            return super().shown(asset, material)
        if is_rendered(asset.ref.media_type):
            return list(_pages(asset.ref, material))
        if asset.ref.media_type.startswith("image/"):
            return [block_piece(picture(asset.ref.path, asset.ref.sha256, material.store))]
        return super().shown(asset, material)

    def helpful(self, material: Material) -> Iterator[Piece]:
        """Yield the files of other modules; drawings among them as pictures besides."""
        yield from super().helpful(material)
        if not takes("vision", material):
            return
        for module, refs in sorted(material.job.readable.items()):
            for ref in refs:
                if is_rendered(ref.media_type):
                    yield from _drawing(ref.model_copy(update={"path": f"../{module}/{ref.path}"}), material)


def _drawing(ref: ArtifactRef, material: Material) -> Iterator[Piece]:
    try:
        yield from list(_pages(ref, material))
    except Unshown as reason:
        yield Piece("artifacts", f"pictures.{ref.path}", f"{ref.path} is not shown: {reason}", Rank.HELPFUL)


def _pages(ref: ArtifactRef, material: Material) -> Iterator[Piece]:
    pages = rendered(material.store.root, ref.sha256, ref.media_type)
    for number, digest in enumerate(pages.digests, 1):
        name = ref.path if len(pages.digests) == 1 else f"{ref.path}, page {number}"
        yield block_piece(picture(name, digest, material.store))
    if pages.more:
        text = f"{ref.path} has {pages.more} more pages, which are not shown."
        yield Piece("assets", f"assets.{ref.path}, more", text, Rank.HELPFUL)


def block_piece(block: Block) -> Piece:
    """Return the piece that a picture or a sound is."""
    name = f"{block.kind}s.{block.name.removeprefix('../')}"
    return Piece("assets", name, "", Rank.HELPFUL, block=block)
