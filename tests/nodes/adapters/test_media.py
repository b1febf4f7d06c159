"""Pictures and sounds as blocks: small enough, of a kind that models take, counted as providers count them."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from matrioska.nodes.adapters.media import LONGEST_SIDE, MOST_PICTURE_BYTES, MOST_SOUND_BYTES, picture, sound
from matrioska.nodes.adapters.rendering import Unshown
from matrioska.nodes.context.pieces import Block
from matrioska.store.artifacts import ArtifactStore
from tests import media


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def _shown(store: ArtifactStore, content: bytes) -> tuple[Block, Image.Image]:
    block = picture("it", store.keep(content), store)
    return block, media.opened(store.read(block.sha256))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_that_models_take_is_sent_as_it_is(store: ArtifactStore, form: str) -> None:
    content = media.image(640, 480, form)
    block, _ = _shown(store, content)
    assert store.read(block.sha256) == content
    assert (block.kind, block.media_type) == ("image", f"image/{form.lower()}")
    # 640 × 480 / 750
    assert block.tokens == 410


@pytest.mark.parametrize(("form", "sent"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("BMP", "PNG"), ("TIFF", "PNG")])
def test_a_large_picture_is_made_smaller(store: ArtifactStore, form: str, sent: str) -> None:
    block, shown = _shown(store, media.image(2 * LONGEST_SIDE, LONGEST_SIDE, form))
    assert (shown.format, shown.size) == (sent, (LONGEST_SIDE, LONGEST_SIDE // 2))
    assert block.media_type == f"image/{sent.lower()}"
    assert block.tokens == math.ceil(LONGEST_SIDE * (LONGEST_SIDE // 2) / 750)


def test_a_small_picture_of_another_kind_becomes_one_that_models_take(store: ArtifactStore) -> None:
    block, shown = _shown(store, media.image(10, 10, "BMP"))
    assert (block.media_type, shown.size) == ("image/png", (10, 10))


def test_a_picture_of_too_many_bytes_becomes_a_photograph(store: ArtifactStore) -> None:
    made = io.BytesIO()
    Image.frombytes("RGB", (1_500, 1_500), os.urandom(1_500 * 1_500 * 3)).save(made, "PNG", compress_level=1)
    assert len(made.getvalue()) > MOST_PICTURE_BYTES
    block, shown = _shown(store, made.getvalue())
    assert (block.media_type, shown.size) == ("image/jpeg", (1_500, 1_500))
    assert len(store.read(block.sha256)) <= MOST_PICTURE_BYTES


@pytest.mark.parametrize("content", [b"no picture", media.image()[:60], b""])
def test_what_is_no_whole_picture_is_not_shown(store: ArtifactStore, content: bytes) -> None:
    with pytest.raises(Unshown, match="it is "):
        picture("it", store.keep(content), store)


def _coded(form: str, subtype: str | None = None) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, np.zeros(16_000, dtype="float32"), 16_000, format=form, subtype=subtype)
    return made.getvalue()


@pytest.mark.parametrize(("form", "media_type"), [("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("MP3", "audio/mp3")])
def test_a_sound_is_sent_as_it_is(store: ArtifactStore, form: str, media_type: str) -> None:
    block = sound("tune", store.put("tune", _coded(form)), store)
    assert (block.kind, block.name, block.media_type) == ("audio", "tune", media_type)
    # A second, and what MP3 pads it with.
    assert block.tokens in (32, 33, 34, 35, 36)
    assert store.read(block.sha256) == _coded(form)


def test_sounds_that_models_do_not_take_are_not_sent(store: ArtifactStore) -> None:
    with pytest.raises(Unshown, match="models take WAV, MP3, FLAC, and it is OGG"):
        sound("tune", store.put("tune", _coded("OGG")), store)
    with pytest.raises(Unshown, match="it is no sound"):
        sound("tune", store.put("tune", b"nothing"), store)
    large = store.put("tune", media.sound()).model_copy(update={"size": MOST_SOUND_BYTES + 1})
    with pytest.raises(Unshown, match="14,000,001 bytes, and models take 14,000,000"):
        sound("tune", large, store)
