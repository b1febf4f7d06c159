"""Sounds and pictures are known by their content, and read within bounds."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from matrioska.state.errors import ConfigError
from matrioska.store.media import MediaError, audio_facts, image_facts, read_audio, read_image
from tests.models.local.pipelines import png, wav


def test_facts_come_from_the_header(tmp_path: Path) -> None:
    assert audio_facts(wav(tmp_path / "a", 0.5, rate=44_100, channels=2)) == {
        "seconds": 0.5,
        "sample_rate": 44_100,
        "channels": 2,
        "format": "WAV",
    }
    assert image_facts(png(tmp_path / "b", (40, 30))) == {"width": 40, "height": 30, "format": "PNG"}


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_sounds_of_every_kind_are_read_at_the_rate_that_is_wanted(tmp_path: Path, form: str) -> None:
    tone = np.sin(np.arange(44_100) * 2 * np.pi * 440 / 44_100).astype(np.float32) * 0.5
    place = tmp_path / "without-a-suffix"
    soundfile.write(place, np.stack([tone, tone], axis=1), 44_100, format=form)
    assert audio_facts(place)["format"] == form
    samples = read_audio(place, 16_000, 60)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - 16_000) < 1_600
    # The tone is where it was.
    strongest = int(np.argmax(np.abs(np.fft.rfft(samples)))) * 16_000 / len(samples)
    assert strongest == pytest.approx(440, abs=5)


def _header_that_lies(folder: Path) -> Path:
    """A WAV that says it holds an hour and holds nothing."""
    place = wav(folder / "x")
    content = bytearray(place.read_bytes()[:44])
    struct.pack_into("<I", content, 40, 16_000 * 2 * 3_600)
    place.write_bytes(content)
    return place


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is no sound"), (b"I am text.", "is no sound"), (b"\x89PNG\r\n\x1a\n", "is no sound")],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    for read in (audio_facts, lambda place: read_audio(place, 16_000, 60)):
        with pytest.raises(MediaError, match=words) as caught:
            read(tmp_path / "x.wav")
        assert caught.value.next_step


def test_sounds_without_end_or_content_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="lasts 2 seconds, and at most 1"):
        read_audio(wav(tmp_path / "a", 2.0), 16_000, 1)
    with pytest.raises(MediaError, match="holds no sound"):
        read_audio(wav(tmp_path / "b", 0), 16_000, 1)
    with pytest.raises(MediaError):
        read_audio(_header_that_lies(tmp_path), 16_000, 7_200)


def test_numbers_that_are_none_are_silence(tmp_path: Path) -> None:
    samples = np.array([0.5, np.nan, np.inf, -0.5] * 100, dtype=np.float32)
    soundfile.write(tmp_path / "x", samples, 16_000, format="WAV", subtype="FLOAT")
    assert np.isfinite(read_audio(tmp_path / "x", 16_000, 1)).all()


def _bomb(folder: Path) -> Path:
    """A PNG of a few hundred bytes that says it has 10 billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    (folder / "x").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return folder / "x"


def test_a_picture_bomb_is_refused_unopened(tmp_path: Path) -> None:
    for read in (image_facts, read_image):
        with pytest.raises(MediaError, match="more than 80,000,000 pixels"):
            read(_bomb(tmp_path))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "x.png"
    # pillow would call a program for this one.
    for content in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        place.write_bytes(content)
        with pytest.raises(MediaError, match="is no picture"):
            image_facts(place)
    whole = png(place, (400, 300)).read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="broken PNG"):
        read_image(place)


def test_pictures_are_upright_and_in_colour(tmp_path: Path) -> None:
    image = Image.new("L", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    (tmp_path / "x").write_bytes(stream.getvalue())
    read = read_image(tmp_path / "x")
    assert (read.size, read.mode) == ((2, 4), "RGB")


@pytest.mark.parametrize(
    ("package", "extra", "read"),
    [
        ("soundfile", "media", audio_facts),
        ("PIL.Image", "media", image_facts),
        ("scipy.signal", "local", lambda place: read_audio(place, 8_000, 9)),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str, read: Callable[[Path], object]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        read(wav(tmp_path / "x"))
    assert f"matrioska[{extra}]" in caught.value.next_step


def test_what_is_transparent_is_seen_on_white(tmp_path: Path) -> None:
    place = tmp_path / "ink.png"
    drawing = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    drawing.putpixel((0, 0), (0, 0, 0, 255))
    drawing.save(place)
    seen = read_image(place)
    assert [seen.getpixel((0, 0)), seen.getpixel((1, 0))] == [(0, 0, 0), (255, 255, 255)]
