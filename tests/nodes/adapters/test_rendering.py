"""Pages, drawings and scores as pictures; and hostile files, which only cost their own process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from matrioska.nodes.adapters import rendering
from matrioska.nodes.adapters.rendering import Unshown, document_text, rendered
from matrioska.state.errors import ConfigError
from matrioska.store.artifacts import ArtifactStore
from tests import media

MUSICXML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.1"><part-list><score-part id="P1"><part-name>M</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>1</divisions><clef><sign>G</sign><line>2</line></clef>
</attributes><note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration><type>whole</type></note>
</measure></part></score-partwise>"""
MEI = """<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score><scoreDef><staffGrp>
<staffDef n="1" lines="5" clef.shape="G" clef.line="2"/></staffGrp></scoreDef><section><measure n="1"><staff n="1">
<layer n="1"><note pname="c" oct="4" dur="1"/></layer></staff></measure></section></score></mdiv></body></music></mei>"""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "objects")


def _pages(store: ArtifactStore, content: str | bytes, media_type: str) -> list[Any]:
    content = content.encode() if isinstance(content, str) else content
    return [media.opened(store.read(page)) for page in rendered(store.root, store.keep(content), media_type).digests]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (media.ABC, "text/vnd.abc"),
        (MUSICXML, "application/vnd.recordare.musicxml+xml"),
        (MEI, "application/mei+xml"),
    ],
)
def test_a_score_becomes_a_picture_of_its_notes(store: ArtifactStore, content: str, media_type: str) -> None:
    (page,) = _pages(store, content, media_type)
    assert (page.format, max(page.size)) == ("PNG", 1_568)
    dark, light = page.convert("L").getextrema()
    assert (dark, light) == (0, 255)


def test_a_drawing_becomes_a_picture(store: ArtifactStore) -> None:
    (page,) = _pages(store, media.SVG, "image/svg+xml")
    assert page.size == (1_568, 784)
    assert page.convert("RGB").getpixel((700, 300)) == (255, 0, 0)


def test_each_page_becomes_a_picture_up_to_ten(store: ArtifactStore) -> None:
    assert [page.size for page in _pages(store, media.pdf("One", "Two"), "application/pdf")] == [(1_200, 800)] * 2
    many = rendered(store.root, store.keep(media.pdf(*map(str, range(12)))), "application/pdf")
    assert (len(many.digests), many.more) == (10, 2)


def test_the_text_of_a_document(store: ArtifactStore) -> None:
    assert document_text(store.root, store.keep(media.pdf("Hello", "world"))).split() == ["Hello", "world"]
    with pytest.raises(Unshown, match="no text"):
        document_text(store.root, store.keep(media.pdf("")))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
def test_a_drawing_opens_no_file(store: ArtifactStore, tmp_path: Path, attribute: str, nested: bool) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(media.image(40, 40, colour=(255, 0, 0)))
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="40">'
    svg = f'{head}<image {attribute}="{secret}" width="40" height="40"/></svg>'
    if nested:
        inner = base64.b64encode(svg.encode()).decode()
        svg = f'{head}<image {attribute}="data:image/svg+xml;base64,{inner}" width="40" height="40"/></svg>'
    (page,) = _pages(store, svg, "image/svg+xml")
    assert page.convert("RGB").getpixel((700, 700)) == (255, 255, 255)


def test_a_picture_inside_a_drawing_is_shown(store: ArtifactStore) -> None:
    inner = base64.b64encode(media.image(40, 40, colour=(255, 0, 0))).decode()
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
    svg += f'<image href="data:image/png;base64,{inner}" width="40" height="40"/></svg>'
    (page,) = _pages(store, svg, "image/svg+xml")
    assert page.convert("RGB").getpixel((700, 700)) == (255, 0, 0)


BOMB = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + ']><svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><text>&j;</text></svg>'
)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (BOMB, "image/svg+xml"),
        ("<svg", "image/svg+xml"),
        ('<svg xmlns="http://www.w3.org/2000/svg" width="1mm" height="9999999mm"/>', "image/svg+xml"),
        ("no notes", "text/vnd.abc"),
        ("<score-partwise/>", "application/vnd.recordare.musicxml+xml"),
        (b"PK\x03\x04broken", "application/vnd.recordare.musicxml"),
        (b"\xff\xfe", "application/mei+xml"),
        (b"%PDF-1.4 no more", "application/pdf"),
    ],
)
def test_a_hostile_or_broken_file_is_not_shown(store: ArtifactStore, content: str | bytes, media_type: str) -> None:
    with pytest.raises(Unshown):
        _pages(store, content, media_type)


def test_what_hangs_is_given_up(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: Any, **given: Any) -> None:
        raise subprocess.TimeoutExpired("it", given["timeout"])

    monkeypatch.setattr(rendering.subprocess, "run", hangs)
    with pytest.raises(Unshown, match="longer than 30 seconds"):
        _pages(store, media.SVG, "image/svg+xml")


def _child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    script = tmp_path / "child.py"
    script.write_text(source)
    monkeypatch.setattr(rendering, "_CHILD", script)


def test_modules_beside_the_script_do_not_stand_in_for_the_standard_librarys(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code.py").write_text("raise SystemExit('mine')")
    _child(tmp_path, monkeypatch, "import code, json\nprint(json.dumps({'pages': [], 'more': 0}))")
    assert _pages(store, media.SVG, "image/svg+xml") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize("refused", [False, True], ids=["stricter", "refused"])
def test_limits_that_cannot_be_set_do_not_stand_in_the_way(refused: bool) -> None:
    # In a process of its own: what is lowered stays so.
    source = """
        import resource, runpy, sys
        if {refused}:
            def setrlimit(*_): raise ValueError("current limit exceeds maximum limit")
            resource.setrlimit = setrlimit
        else:
            resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        sys.argv = ["child", "svg"]
        runpy.run_path({child!r}, run_name="__main__")
    """
    code = textwrap.dedent(source.format(refused=refused, child=str(rendering._CHILD)))
    ended = subprocess.run([sys.executable, "-c", code], input=media.SVG.encode(), capture_output=True, check=True)
    assert len(json.loads(ended.stdout)["pages"]) == 1


def test_what_crashes_takes_only_its_own_process_along(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _child(tmp_path, monkeypatch, "import os; os.abort()")
    with pytest.raises(Unshown, match="broke down"):
        _pages(store, media.SVG, "image/svg+xml")


def test_keys_are_not_told_to_what_reads_strangers_files(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _child(tmp_path, monkeypatch, "import os, json; print(json.dumps({'error': str('OPENAI_API_KEY' in os.environ)}))")
    with pytest.raises(Unshown, match="False"):
        _pages(store, media.SVG, "image/svg+xml")


def test_a_missing_package_is_named(store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _child(tmp_path, monkeypatch, 'print(\'{"missing": "verovio"}\')')
    with pytest.raises(ConfigError, match="verovio") as caught:
        _pages(store, media.ABC, "text/vnd.abc")
    assert "matrioska[media]" in caught.value.next_step


def test_huge_files_are_not_rendered(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MOST_BYTES", 10)
    with pytest.raises(Unshown, match="at most 10 are rendered"):
        _pages(store, media.SVG, "image/svg+xml")
