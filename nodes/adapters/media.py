"""Pictures and sounds as content blocks, of a form and size that models take."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matrioska.nodes.adapters.rendering import Unshown
from matrioska.nodes.context.pieces import Block
from matrioska.state.artifacts import ArtifactRef
from matrioska.store.artifacts import ArtifactStore
from matrioska.store.media import MediaError, audio_facts, image_facts, read_image

#: Pixels on the longer side of a picture; servers scale larger ones down anyway.
#: https://platform.claude.com/docs/en/build-with-claude/vision
LONGEST_SIDE = 1_568
#: Bytes of a picture: 5 MB are the most in one, and base64 makes four of three.
MOST_PICTURE_BYTES = 3_750_000
#: Bytes of a sound: 20 MB are the most of a whole request with Gemini.
MOST_SOUND_BYTES = 14_000_000
#: Anthropic: a picture has about width × height / 750 tokens. (Same page.)
_PIXELS_A_TOKEN = 750
#: Gemini: a second of sound is 32 tokens. https://ai.google.dev/gemini-api/docs/audio
_TOKENS_A_SECOND = 32

_PICTURES = frozenset({"PNG", "JPEG", "WEBP", "GIF"})
# OpenAI's format is what stands behind the slash, so that the usual "audio/mpeg" would not do.
_SOUNDS: Mapping[str, str] = MappingProxyType({"WAV": "audio/wav", "MP3": "audio/mp3", "FLAC": "audio/flac"})


def picture(name: str, digest: str, store: ArtifactStore) -> Block:
    """Return the block of a stored picture, made smaller and turned into PNG or JPEG where it has to be.

    Raises:
        Unshown: it is no picture, damaged, or too large.
        ConfigError: pillow is missing.
    """
    try:
        sent, media_type, width, height = _fitted(store.root, digest)
    except MediaError as error:
        raise Unshown(f"it {error.message}") from error
    tokens = math.ceil(width * height / _PIXELS_A_TOKEN)
    return Block(kind="image", name=name, media_type=media_type, sha256=sent, tokens=tokens)


@lru_cache(maxsize=256)
def _fitted(root: Path, digest: str) -> tuple[str, str, int, int]:
    """Return digest, media type, width and height of a picture as it is sent."""
    store = ArtifactStore(root)
    ref = ArtifactRef(path="picture", sha256=digest, size=0)
    place = store.place(ref)
    facts = image_facts(place)
    width, height, form = facts["width"], facts["height"], facts["format"]
    if form in _PICTURES and max(width, height) <= LONGEST_SIDE and place.stat().st_size <= MOST_PICTURE_BYTES:
        # Servers that cannot read a picture refuse the whole call: look into it now.
        read_image(place)
        return digest, f"image/{form.casefold()}", width, height
    image = read_image(place)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    content, media_type = _encoded(image, "PNG"), "image/png"
    if form == "JPEG" or len(content) > MOST_PICTURE_BYTES:
        content, media_type = _encoded(image, "JPEG"), "image/jpeg"
    return store.keep(content), media_type, *image.size


def _encoded(image: Any, form: str) -> bytes:
    made = io.BytesIO()
    image.save(made, form)
    return made.getvalue()


def sound(name: str, ref: ArtifactRef, store: ArtifactStore) -> Block:
    """Return the block of a stored sound.

    Raises:
        Unshown: it is no sound, of a kind that models do not take, or too large.
        ConfigError: soundfile is missing.
    """
    try:
        facts = audio_facts(store.place(ref))
    except MediaError as error:
        raise Unshown(f"it {error.message}") from error
    if facts["format"] not in _SOUNDS:
        raise Unshown(f"models take {', '.join(_SOUNDS)}, and it is {facts['format']}")
    if ref.size > MOST_SOUND_BYTES:
        raise Unshown(f"it has {ref.size:,} bytes, and models take {MOST_SOUND_BYTES:,}")
    tokens = math.ceil(facts["seconds"] * _TOKENS_A_SECOND)
    return Block(kind="audio", name=name, media_type=_SOUNDS[facts["format"]], sha256=ref.sha256, tokens=tokens)
