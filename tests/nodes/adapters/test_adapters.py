"""What each kind of work is told, and in which form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from matrioska.nodes.adapters import adapter_for, known_modalities
from matrioska.nodes.context.pieces import Material, Piece, Rank
from matrioska.state.architecture import MODALITIES, ModuleSpec
from matrioska.state.errors import StoreError
from matrioska.state.jobs import Job, Project
from matrioska.state.repository import Asset, DecisionRecord, Entry, Term
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.assets import take_in
from tests import media

TEMPO = Term(term="tempo", meaning="how fast", domains={"code": "bpm", "prose": "pace"})
PROJECT = Project(
    name="P",
    goal="Have it.",
    constraints=["Small."],
    language="en",
    guidelines=["Write warmly."],
    timeline=["First the tune."],
    glossary=[TEMPO],
)
BARE = Project(name="P", goal="Have it.", constraints=[], language="en")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "objects")


@pytest.fixture
def take(store: ArtifactStore, tmp_path: Path) -> Any:
    """Make an asset of bytes or text."""

    def made(name: str, content: bytes | str) -> Asset:
        place = tmp_path / name
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return take_in(place, store)

    return made


def _present(
    store: ArtifactStore, modality: str, *, modalities: Sequence[str] = (), material: Any = None, **job: Any
) -> list[Piece]:
    spec = ModuleSpec(id="a", description="Build it in its tempo.", modality=modality)
    given = Job(kind="produce", spec=spec, **{"project": PROJECT, **job})
    files = {module: store.sources(refs) for module, refs in given.readable.items()}
    pieces = adapter_for(modality).present(
        Material(job=given, store=store, modalities=frozenset(modalities), files=files, **(material or {}))
    )
    assert len({piece.name for piece in pieces}) == len(pieces), "each has a name of its own in the record"
    return pieces


def _text(pieces: Sequence[Piece], section: str) -> str:
    return "\n\n".join(piece.text for piece in pieces if piece.section == section and piece.block is None)


def _blocks(pieces: Sequence[Piece]) -> list[str]:
    return [piece.block.name for piece in pieces if piece.block is not None]


def test_every_kind_has_an_adapter() -> None:
    assert known_modalities()[: len(MODALITIES)] == MODALITIES
    assert len({type(adapter_for(kind)) for kind in MODALITIES}) == len(MODALITIES)


@pytest.mark.parametrize("kind", [*MODALITIES, "unheard-of"])
def test_the_goal_the_manual_and_declared_reads_go_to_every_kind(store: ArtifactStore, kind: str) -> None:
    ref = store.put_text("core.js", "function addBook() {}\n")
    pieces = _present(store, kind, project=BARE, values={"k": [1]}, promised={"a.api": 1}, readable={"core": [ref]})
    assert [piece.name for piece in pieces] == ["project", "module", "values.k", "contract", "artifacts.core/core.js"]
    needed = {piece.name for piece in pieces if piece.rank is Rank.NEEDED}
    assert needed == {"project", "module", "contract"}
    assert json.loads(pieces[0].text) == BARE.brief()


@pytest.mark.parametrize("kind", MODALITIES)
def test_what_is_remembered_of_other_kinds_of_work_stays_away(store: ArtifactStore, kind: str) -> None:
    entries = [
        Entry(id=domain or "all", level="section", section="s", title=f"title of {domain}", text="t", domain=domain)
        for domain in (*MODALITIES, "")
    ]
    pieces = _present(store, kind, material={"related": entries})
    assert [piece.name for piece in pieces if piece.section == "related"] == [f"related.{kind}", "related.all"]
    assert _text(pieces, "related") == f"s: title of {kind}\nt\n\ns: title of \nt"
    assert {piece.rank for piece in pieces if piece.section == "related"} == {Rank.RELATED}


def test_decisions_are_told_with_who_and_why(store: ArtifactStore) -> None:
    decisions = [
        DecisionRecord(at=2.0, thread="t", who="boss", what="core.api stays", why="it was first"),
        DecisionRecord(at=1.0, thread="t", who="person", what="approved the plan"),
    ]
    pieces = _present(store, "code", material={"decisions": decisions})
    assert _text(pieces, "history") == "- boss: core.api stays (it was first)\n\n- person: approved the plan"


@pytest.mark.parametrize("kind", MODALITIES)
def test_style_goes_to_kinds_that_have_one(store: ArtifactStore, kind: str) -> None:
    pieces = _present(store, kind)
    assert _text(pieces, "guidelines") == ("- Write warmly." if kind in ("prose", "vision") else "")
    assert _text(pieces, "timeline") == ("- First the tune." if kind == "prose" else "")


@pytest.mark.parametrize(("kind", "own"), [("code", "bpm"), ("prose", "pace"), ("data", "")])
def test_terms_are_told_in_the_kinds_own_words(store: ArtifactStore, kind: str, own: str) -> None:
    told = f"- tempo = {own} (here): how fast" if own else "- tempo: how fast"
    assert _text(_present(store, kind), "glossary") == told


def test_terms_of_values_are_translated(store: ArtifactStore) -> None:
    term = Term(term="shade", domains={"code": "colour", "vision": "hue"})
    project = BARE.model_copy(update={"glossary": [term]})
    pieces = _present(store, "code", project=project, values={"look.palette": {"hue": 30}})
    assert _text(pieces, "glossary") == "- shade = colour (here) = hue (vision)"


# -- assets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODALITIES)
def test_pictures_and_sounds_go_to_those_who_work_on_them(store: ArtifactStore, take: Any, kind: str) -> None:
    assets = [take("cover.png", media.image()), take("tune.wav", media.sound(2.0))]
    pieces = _present(store, kind, modalities=MODALITIES, assets=assets)
    assert _blocks(pieces) == {"vision": ["cover.png"], "audio": ["tune.wav"]}.get(kind, [])
    # The others know that they are there, and no more.
    assert _text(pieces, "assets") == "- cover.png: PNG image, 64 × 48\n- tune.wav: WAV audio, 2.0 s, 16 kHz, mono"


@pytest.mark.parametrize(
    ("modalities", "shown"),
    [((), True), (("vision",), True), (("code", "vision"), True), (("code",), False), (("audio",), False)],
)
def test_a_member_gets_no_block_that_it_cannot_take(
    store: ArtifactStore, take: Any, modalities: tuple[str, ...], shown: bool
) -> None:
    pieces = _present(store, "vision", modalities=modalities, assets=[take("cover.png", media.image())])
    assert _blocks(pieces) == (["cover.png"] if shown else [])
    assert "cover.png: PNG image, 64 × 48" in _text(pieces, "assets")


def test_blocks_count_and_may_give_way(store: ArtifactStore, take: Any) -> None:
    pieces = _present(store, "audio", assets=[take("tune.wav", media.sound(2.0))])
    (piece,) = [piece for piece in pieces if piece.block is not None]
    assert piece.block is not None
    assert (piece.block.tokens, piece.rank, piece.text) == (64, Rank.HELPFUL, "")


def test_a_model_that_cannot_hear_goes_by_what_a_pipeline_heard(store: ArtifactStore, take: Any) -> None:
    pieces = _present(
        store,
        "audio",
        modalities=["code"],
        assets=[take("tune.wav", media.sound(2.0))],
        values={"listen.words": {"results": {"tune.wav": "la la"}}},
    )
    assert _blocks(pieces) == []
    assert "la la" in _text(pieces, "values")
    assert "2.0 s, 16 kHz, mono" in _text(pieces, "assets")


@pytest.mark.parametrize("kind", MODALITIES)
def test_a_text_goes_to_whoever_declared_to_read_it(store: ArtifactStore, take: Any, kind: str) -> None:
    pieces = _present(store, kind, assets=[take("wishes.md", "# Wishes\n"), take("notes.pdf", media.pdf("Hello"))])
    if kind != "vision":
        assert "path=notes.pdf\nHello\n" in _text(pieces, "assets")
    assert "```text path=wishes.md\n# Wishes\n```" in _text(pieces, "assets")


def test_of_a_long_table_only_the_first_rows_are_shown(store: ArtifactStore, take: Any) -> None:
    table = take("t.csv", "a,b\n" + "".join(f"{n},x\n" for n in range(1_000)))
    code, data = (_text(_present(store, kind, assets=[table]), "assets") for kind in ("code", "data"))
    assert "columns a, b" in code
    assert ("\n48,x\n… (the first 50 lines)" in code, "\n49,x" in code) == (True, False)
    assert "\n498,x\n… (the first 500 lines)" in data


@pytest.mark.parametrize("name", ["api.yaml", "api.json", "rooms.xml"])
def test_data_that_is_no_table_is_shown_to_its_end(store: ArtifactStore, take: Any, name: str) -> None:
    text = {
        "api.yaml": "\n".join(f"call{n}: x" for n in range(600)),
        "api.json": "[\n" + "".join(f"{n},\n" for n in range(600)) + "600\n]",
        "rooms.xml": "<rooms>\n" + "<room/>\n" * 600 + "</rooms>",
    }[name]
    assert text in _text(_present(store, "code", assets=[take(name, text)]), "assets")


def test_of_a_text_beyond_any_model_only_the_beginning_is_shown(store: ArtifactStore, take: Any) -> None:
    shown = _text(_present(store, "prose", assets=[take("long.txt", "é" * 600_000)]), "assets")
    assert "é\n… (the first 1,000,000 of 1,200,000 bytes)" in shown


def test_pages_drawings_and_scores_are_shown_to_those_who_see(store: ArtifactStore, take: Any) -> None:
    assets = [
        take("two.pdf", media.pdf("One", "Two")),
        take("mark.svg", media.SVG),
        take("tune.abc", media.ABC),
        take("long.pdf", media.pdf(*"abcdefghijkl")),
    ]
    seen = _present(store, "vision", assets=assets[:3])
    assert _blocks(seen) == ["two.pdf, page 1", "two.pdf, page 2", "mark.svg", "tune.abc"]
    assert "10 pages" not in _text(seen, "assets")
    assert "long.pdf has 2 more pages, which are not shown." in _text(
        _present(store, "vision", assets=assets[3:]), "assets"
    )
    read = _present(store, "vision", modalities=["prose"], assets=assets)
    assert _blocks(read) == []
    assert "C D E F|G A B c|" in _text(read, "assets")
    assert "One\n\nTwo" in _text(read, "assets").replace("\r", "")


@pytest.mark.parametrize("name", ["cover.png", "mark.svg", "notes.pdf"])
def test_what_cannot_be_shown_is_told_with_the_reason(store: ArtifactStore, take: Any, name: str) -> None:
    asset = take("any.txt", "broken")
    types = {"cover.png": "image/png", "mark.svg": "image/svg+xml", "notes.pdf": "application/pdf"}
    broken = asset.model_copy(
        update={"ref": asset.ref.model_copy(update={"path": name, "media_type": types[name]}), "description": "It"}
    )
    pieces = _present(store, "vision", assets=[broken])
    assert _blocks(pieces) == []
    assert _text(pieces, "assets").startswith(f"- {name}: It (not shown: it ")


def test_an_asset_whose_bytes_are_gone_is_an_error(store: ArtifactStore, take: Any) -> None:
    asset = take("wishes.md", "# Wishes\n")
    store.place(asset.ref).unlink()
    with pytest.raises(StoreError, match=r"wishes\.md is missing"):
        _present(store, "prose", assets=[asset])


def test_unknown_bytes_are_told_in_a_line(store: ArtifactStore, take: Any) -> None:
    pieces = _present(store, "code", assets=[take("model.bin", b"\x00\x01\x02")])
    assert _text(pieces, "assets") == "- model.bin: Binary file, 3 bytes"


# -- files of other modules --------------------------------------------------------------------


def test_pictures_that_modules_made_are_shown_to_those_who_see(store: ArtifactStore) -> None:
    made = [store.put("logo.png", media.image()), store.put_text("mark.svg", media.SVG), store.put("x.bin", b"\0")]
    seen = _present(store, "vision", readable={"draw": made})
    assert _blocks(seen) == ["../draw/mark.svg", "../draw/logo.png"]
    assert "path=../draw/mark.svg" in _text(seen, "artifacts")
    told = _present(store, "prose", readable={"draw": made})
    assert _blocks(told) == []
    assert _text(told, "assets").startswith("- ../draw/logo.png: image/png, ")


def test_a_drawing_that_cannot_be_drawn_is_told_of(store: ArtifactStore) -> None:
    pieces = _present(store, "vision", readable={"draw": [store.put_text("mark.svg", "<svg")]})
    assert _blocks(pieces) == []
    assert "../draw/mark.svg is not shown: it cannot be read" in _text(pieces, "artifacts")


def test_code_is_told_interfaces_first_and_where_files_stand(store: ArtifactStore) -> None:
    long = "def add(title):\n    ...\n" + "# and so on\n" * 400
    readable = {"core": [store.put_text("core.py", long), store.put_text("short.py", "def one(): ...\n")]}
    pieces = _present(store, "code", project=BARE, readable=readable)
    assert [piece.name for piece in pieces][2:] == [
        "interfaces.core/core.py", "structure", "artifacts.core/core.py", "artifacts.core/short.py",
    ]  # fmt: skip
    assert "../core/core.py" in _text(pieces, "interfaces")
    assert "Defines: add" in _text(pieces, "interfaces")
    assert _text(pieces, "structure") == "../core/core.py (4,824 bytes)\n../core/short.py (15 bytes)"
    assert "interfaces" not in {piece.section for piece in _present(store, "prose", readable=readable)}
