"""A person's files: looked at before anything begins, named, and kept by content."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from matrioska.state.errors import AssetError, StoreError
from matrioska.store import assets as taking
from matrioska.store import kinds
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.assets import take_in, take_in_all
from tests import media


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "objects")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def _put(home: Path, name: str, content: bytes | str) -> Path:
    place = home / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def _kept(store: ArtifactStore) -> int:
    return len([path for path in store.root.rglob("*") if path.is_file()])


def _ogg() -> bytes:
    made = io.BytesIO()
    soundfile.write(made, np.zeros((48_000, 2), dtype="float32"), 48_000, format="OGG")
    return made.getvalue()


def _zip(name: str = "a.txt") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, "x")
    return made.getvalue()


_SCORE = ("application/vnd.recordare.musicxml+xml", "vision")
CASES: list[tuple[str, bytes | str, str, str, str]] = [
    ("a.png", media.image(640, 480), "image/png", "vision", "PNG image, 640 × 480"),
    ("a.jpg", media.image(8, 4, "JPEG"), "image/jpeg", "vision", "JPEG image, 8 × 4"),
    # A name may be wrong about the form of a picture: every reader goes by the content.
    ("b.jpg", media.image(8, 4), "image/png", "vision", "PNG image, 8 × 4"),
    ("a.wav", media.sound(2.0), "audio/wav", "audio", "WAV audio, 2.0 s, 16 kHz, mono"),
    ("a.ogg", _ogg(), "audio/ogg", "audio", "OGG audio, 1.0 s, 48 kHz, stereo"),
    ("a.svg", media.SVG, "image/svg+xml", "vision", "SVG drawing, 110 bytes"),
    ("a.musicxml", "<?xml version='1.0'?>\n<score-partwise/>", *_SCORE, "Music score (MusicXML), 39 bytes"),
    ("a.mei", "<mei>\n</mei>", "application/mei+xml", "vision", "Music score (MEI), 12 bytes"),
    ("b.svg", '<!DOCTYPE svg [<!ENTITY a "b">]>\n<svg/>', "image/svg+xml", "vision", "SVG drawing, 39 bytes"),
    ("a.html", "<p>An <mei> and a <svg> in a page\n", "text/html", "code", "HTML text, 1 line, 34 bytes"),
    ("a.abc", media.ABC, "text/vnd.abc", "vision", "Music score (ABC), 44 bytes"),
    ("a.mxl", _zip(), "application/vnd.recordare.musicxml", "vision", "Music score (MXL), 109 bytes"),
    ("a.pdf", media.pdf("x"), "application/pdf", "prose", "PDF document, 535 bytes"),
    ("a.md", "# A\n", "text/markdown", "prose", "Markdown text, 1 line, 4 bytes"),
    ("a.txt", "BMW\nand GIF89a", "text/plain", "prose", "Text, 2 lines, 14 bytes"),
    ("README", "Olá\n", "text/plain", "prose", "Text, 1 line, 5 bytes"),
    ("a.py", "x = 1\n", "text/x-python", "code", "PY text, 1 line, 6 bytes"),
    ("a.ts", "let x = 1\n", "text/plain", "code", "Text, 1 line, 10 bytes"),
    ("a.csv", "name,age\nAna,3\n", "text/csv", "data", "CSV table, 2 lines, 15 bytes, columns name, age"),
    ("b.csv", "name;age\nAna;3\n", "text/csv", "data", "CSV table, 2 lines, 15 bytes, columns name, age"),
    ("c.csv", "name\nAna\n", "text/csv", "data", "CSV table, 2 lines, 9 bytes, columns name"),
    ("a.json", '{"b": 1, "a": 2}', "application/json", "data", "JSON object with the keys b, a, 16 bytes"),
    ("b.json", "[1, 2]", "application/json", "data", "JSON list of 2, 6 bytes"),
    ("a.yaml", "a: 1\n", "application/yaml", "data", "YAML text, 1 line, 5 bytes"),
    ("a.parquet", b"PAR1\x00\xff", "application/vnd.apache.parquet", "data", "Parquet table, 6 bytes"),
    ("a.mid", b"MThd\x00\x00\x00\x06", "audio/midi", "data", "MIDI file, 8 bytes"),
    ("a.zip", _zip(), "application/zip", "", "ZIP file, 109 bytes"),
    ("a.bin", b"\x00\x01", "application/octet-stream", "", "Binary file, 2 bytes"),
]


@pytest.mark.parametrize(("name", "content", "media_type", "domain", "description"), CASES)
def test_a_file_is_what_its_content_is(
    store: ArtifactStore, home: Path, name: str, content: bytes | str, media_type: str, domain: str, description: str
) -> None:
    asset = take_in(_put(home, name, content), store)
    assert (asset.ref.path, asset.ref.media_type, asset.domain) == (name, media_type, domain)
    assert asset.description == description
    assert store.get(asset.ref) == (content.encode() if isinstance(content, str) else content)
    assert asset.at > 0


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.png", "just text", "a.png is not an image, as .png says. What it holds: Text, 1 line"),
        ("a.wav", "just text", "a.wav is not a sound, as .wav says. What it holds: Text, 1 line"),
        ("a.wav", media.image(), "a.wav is not a sound, as .wav says. What it holds: PNG image, 64 × 48"),
        ("a.png", media.sound(), "a.png is not an image, as .png says. What it holds: WAV audio"),
        ("a.pdf", "just text", "a.pdf is not a PDF document"),
        ("a.txt", media.image(), "a.txt is not a UTF-8 text, as .txt says. What it holds: PNG image"),
        ("a.md", b"caf\xe9", "a.md is not a UTF-8 text"),
        ("a.csv", b"a,b\0", "a.csv is not a UTF-8 text"),
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", "[" * 100_000, "a.json is not JSON"),
        ("a.txt", "", "a.txt is empty."),
        ("a.png", media.image()[:20], "a.png is no picture"),
        ("a.wav", media.sound(0.0), "a.wav holds no sound"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    store: ArtifactStore, home: Path, name: str, content: bytes | str, told: str
) -> None:
    with pytest.raises(AssetError) as caught:
        take_in(_put(home, name, content), store)
    assert told in caught.value.message
    assert caught.value.next_step
    assert not store.root.exists()


def test_a_file_that_is_not_there_is_named(store: ArtifactStore, home: Path) -> None:
    with pytest.raises(AssetError, match=r"There is no file .*nowhere\.png"):
        take_in(home / "nowhere.png", store)


def test_a_huge_file_is_refused_with_the_limit(store: ArtifactStore, home: Path) -> None:
    place = _put(home, "huge.wav", "")
    os.truncate(place, 200_000_001)
    with pytest.raises(AssetError, match=r"huge\.wav has 200,000,001 bytes; 200,000,000 are the most"):
        take_in(place, store)


def test_a_picture_of_too_many_pixels_is_refused(store: ArtifactStore, home: Path) -> None:
    bomb = bytearray(media.image(4, 4, "BMP"))
    bomb[18:26] = (100_000).to_bytes(4, "little") * 2
    with pytest.raises(AssetError, match="pixels"):
        take_in(_put(home, "bomb.bmp", bytes(bomb)), store)


def test_a_file_that_grows_while_it_is_read_is_refused(
    store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _put(home, "a.txt", "short")
    monkeypatch.setattr(taking, "MAX_ASSET_BYTES", 5)
    look = taking._look

    def slow(place: Path, name: str) -> kinds.Kind:
        found = look(place, name)
        place.write_text("longer than before")
        return found

    monkeypatch.setattr(taking, "_look", slow)
    with pytest.raises(AssetError, match="grew beyond 5 bytes"):
        take_in(place, store)
    assert _kept(store) == 0


def test_large_files_go_through_in_parts(store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "línea\n" * 50_000
    monkeypatch.setattr(taking, "PART", 1_000)
    monkeypatch.setattr(kinds, "PART", 1_001)
    asset = take_in(_put(home, "a.txt", content), store)
    assert store.get(asset.ref).decode() == content
    assert asset.description == "Text, 50,000 lines, 350.0 kB"


def test_a_full_disk_leaves_no_trace(store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _put(home, "a.txt", "text")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(StoreError, match="No space left on device"):
            take_in(place, store)
    assert _kept(store) == 0


# -- folders and several files ---------------------------------------------------------------


def test_a_folder_stands_for_its_files(store: ArtifactStore, home: Path) -> None:
    for name in ("album/b.txt", "album/images/a.txt", "album/.hidden", "album/.git/config"):
        _put(home, name, name)
    assets = take_in_all([home / "album"], store)
    assert [asset.ref.path for asset in assets] == ["album/b.txt", "album/images/a.txt"]


def test_a_folder_given_by_a_dot_has_its_name(
    store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(home, "a.txt", "a")
    monkeypatch.chdir(home)
    assert [asset.ref.path for asset in take_in_all(["."], store)] == ["home/a.txt"]


def test_files_of_one_name_are_told_apart(store: ArtifactStore, home: Path) -> None:
    paths = [
        _put(home, f"{folder}/{name}", folder) for folder, name in (("a", "x.txt"), ("b", "X.txt"), ("c", "x.txt"))
    ]
    assert [asset.ref.path for asset in take_in_all(paths, store)] == ["x.txt", "X-2.txt", "x-3.txt"]


def test_every_fault_is_told_and_nothing_is_kept(store: ArtifactStore, home: Path) -> None:
    good = _put(home, "good.txt", "good")
    paths = [good, _put(home, "a.png", "text"), home / "nowhere", _put(home, "e.txt", "")]
    with pytest.raises(AssetError) as caught:
        take_in_all(paths, store)
    assert len(caught.value.faults) == 3
    assert not store.root.exists()


def test_a_folder_without_files_is_a_fault(store: ArtifactStore, home: Path) -> None:
    with pytest.raises(AssetError, match="holds no files"):
        take_in_all([home], store)


@pytest.mark.parametrize("target", ["secret.txt", "."])
def test_links_that_leave_the_folder_are_refused(store: ArtifactStore, tmp_path: Path, target: str) -> None:
    _put(tmp_path, "outside/secret.txt", "secret")
    _put(tmp_path, "album/a.txt", "a")
    (tmp_path / "album" / "link").symlink_to(tmp_path / "outside" / target)
    with pytest.raises(AssetError, match=r"album/link is a link that leads out of its folder"):
        take_in_all([tmp_path / "album"], store)
    assert not store.root.exists()


def test_links_within_the_folder_are_files_like_others(store: ArtifactStore, home: Path) -> None:
    _put(home, "sub/a.txt", "a")
    (home / "link.txt").symlink_to(home / "sub" / "a.txt")
    (home / "folder").symlink_to(home / "sub")
    assert [asset.ref.path for asset in take_in_all([home], store)] == ["home/link.txt", "home/sub/a.txt"]


def test_links_in_a_circle_are_named(store: ArtifactStore, home: Path) -> None:
    _put(home, "a.txt", "a")
    (home / "circle").symlink_to("circle")
    for given in (home, home / "circle"):
        with pytest.raises(AssetError, match=r"circle cannot be read: .*(?i:links|loop)"):
            take_in_all([given], store)


def test_hidden_links_are_passed_over(store: ArtifactStore, tmp_path: Path) -> None:
    _put(tmp_path, "secret.txt", "secret")
    _put(tmp_path, "album/a.txt", "a")
    (tmp_path / "album" / ".lock").symlink_to(tmp_path / "secret.txt")
    assert [asset.ref.path for asset in take_in_all([tmp_path / "album"], store)] == ["album/a.txt"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("~nobody-has-this-name/a.png", "names the home of nobody"),
        ("x" * 300 + ".png", "cannot be read: File name too long"),
        ("x/" * 3_000 + "a.png", "cannot be read: File name too long"),
    ],
)
def test_a_path_that_no_system_takes_is_a_fault_like_others(store: ArtifactStore, given: str, told: str) -> None:
    with pytest.raises(AssetError, match=told) as caught:
        take_in_all([given, "/nowhere.txt"], store)
    assert len(caught.value.faults) == 2


def test_what_is_no_file_is_refused_without_waiting_for_it(store: ArtifactStore, home: Path) -> None:
    os.mkfifo(home / "pipe")
    with pytest.raises(AssetError, match="neither a file nor a folder"):
        take_in_all([home / "pipe"], store)


@pytest.mark.parametrize("name", ["a\nb.txt", "con.txt", "a:b.txt", "a\u202eb.txt", "x" * 201 + ".txt"])
def test_unsafe_names_are_refused(store: ArtifactStore, home: Path, name: str) -> None:
    with pytest.raises(AssetError, match="is refused") as caught:
        take_in(_put(home, "a.txt", "a"), store, name)
    assert "\n" not in caught.value.message
    assert not store.root.exists()


def test_too_many_files_are_refused_before_they_are_read(
    store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MOST_ASSETS", 2)
    for name in ("a.txt", "b.txt", "c.txt"):
        _put(home, name, name)
    with pytest.raises(AssetError, match="There are more than 2 files"):
        take_in_all([home], store)


def test_a_folder_that_cannot_be_read_is_named(
    store: ArtifactStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(home, "sub/a.txt", "a")
    real = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(AssetError, match=r"sub cannot be read: Permission denied"):
        take_in_all([home], store)
