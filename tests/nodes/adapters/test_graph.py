"""Pictures through the whole graph: to the module that works on them, and again when it mends."""

from __future__ import annotations

from typing import Any

from matrioska.state.fences import read_fences
from tests import media
from tests.graph.conftest import mode as mode
from tests.graph.conftest import start as start
from tests.graph.conftest import world as world
from tests.support import Author, file_block, good_answer, plan, spec


def test_a_drawing_of_another_module_is_seen_and_seen_again_for_a_mend(start: Any) -> None:
    def forgets(prompt: str, number: int) -> str:
        return "I will." if number == 1 else good_answer("produce", "look", prompt)

    author = Author(
        plan(spec("draw"), spec("look", "draw", modality="vision", artifact_reads=["draw"]), spec("tell", "draw")),
        told={"produce draw": file_block("mark.svg", media.SVG), "produce look": forgets},
    )
    driven = start(author)
    driven.run("Draw a mark and look at it.")
    assert driven.statuses() == {"draw": "done", "look": "done", "tell": "done"}
    seen = [call for call in author.model.calls if call.module == "look"]
    assert [call.stage for call in seen] == ["produce", "mend"]
    for call in seen:
        assert [block["mime_type"] for block in call.blocks] == ["image/png"]
        assert read_fences(call.prompt)["shown"] == "1. image: ../draw/mark.svg"
    assert not any(call.blocks for call in author.model.calls if call.module != "look")
    included = driven.results()["look"]["context"]["included"]
    # 1568 × 784 / 750
    assert included["images.draw/mark.svg"] == 1_640
