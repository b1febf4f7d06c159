"""A package in the making: pictures are counted and kept whole, and the record adds up."""

from __future__ import annotations

from matrioska.models.gateway.tokens import estimate
from matrioska.nodes.context.draft import drafted
from matrioska.nodes.context.pieces import Block, Piece, Rank
from tests.nodes.distilling import job_of


def _picture(name: str, tokens: int) -> Piece:
    block = Block(kind="image", name=name, media_type="image/png", sha256="0" * 64, tokens=tokens)
    return Piece("assets", f"images.{name}", "", Rank.HELPFUL, block=block)


def test_pictures_count_their_tokens_and_stand_beside_the_text() -> None:
    pieces = [
        Piece("module", "module", "{}", Rank.NEEDED),
        Piece("assets", "assets", "- a.png: a picture", Rank.READ),
        _picture("a.png", 300),
        _picture("b.png", 900),
        Piece("related", "related.old", "It was blue.", Rank.RELATED),
    ]
    package, record = drafted(job_of(), pieces, 400, estimate).finished()
    assert [block.name for block in package.blocks] == ["a.png"]
    assert [section.name for section in package.sections] == ["module", "values", "assets", "related"]
    assert record["included"]["images.a.png"] == 300
    assert record["left_out"] == {"images.b.png": 900}
    assert sum(record["included"].values()) <= record["budget"] == 400


def test_pieces_of_one_section_stand_together_in_their_order() -> None:
    pieces = [Piece("related", f"related.{n}", f"Entry {n}.", Rank.RELATED) for n in range(3)]
    package, record = drafted(job_of(), pieces, 12, estimate).finished()
    assert package.sections[-1].text == "Entry 0.\n\nEntry 1.\n\nEntry 2."
    assert list(record["included"]) == ["related.0", "related.1", "related.2"]


def test_pieces_of_one_name_are_counted_together() -> None:
    twins = [_picture("hero/logo.png", 300), _picture("hero/logo.png", 200), _picture("hero/logo.png", 900)]
    package, record = drafted(job_of(), twins, 600, estimate).finished()
    assert len(package.blocks) == 2
    assert (record["included"], record["left_out"]) == ({"images.hero/logo.png": 500}, {"images.hero/logo.png": 900})
