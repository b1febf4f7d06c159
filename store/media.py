"""What sounds and pictures are, and their content: read by soundfile and pillow, bounded, and without torch.

Files in the artifact store have no suffix: what a file is, its first bytes say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrioska.state.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from PIL.Image import Image

    Samples = np.ndarray[Any, np.dtype[np.float32]]

#: Pixels of the largest picture that is read. pillow warns at 89 million.
MAX_PIXELS = 80_000_000
#: What pillow may take a file for. Others call programs (EPS) or are hardly ever meant.
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_MOST_CHANNELS = 32
_RATES = (1_000, 400_000)


class MediaError(UsageError):
    """A file that is not the sound or picture that it should be, or too large a one.

    ``message`` goes on from the file's name: "is no picture …".
    """

    code = "bad_media"


def image_facts(place: Path) -> dict[str, Any]:
    """Return ``{"width", "height", "format"}`` of a picture, in pixels, from its header.

    Raises:
        MediaError: it is none, or too large.
        ConfigError: pillow is not installed.
    """
    with _opened(place) as image:
        return {"width": image.width, "height": image.height, "format": image.format or ""}


def read_image(place: Path) -> Image:
    """Return a picture in RGB, upright, on white where it is transparent: drawings are made to be seen on paper.

    Raises:
        MediaError: it is none, too large, or broken.
        ConfigError: pillow is not installed.
    """
    from PIL import ImageOps

    with _opened(place) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            return _on_white(upright) if upright.has_transparency_data else upright.convert("RGB")
        # pillow's readers raise many classes for broken files, SyntaxError and struct.error among them.
        except Exception as error:
            raise MediaError(f"is a broken {image.format} picture ({error})", next_step="Give a whole one.") from error


def _on_white(image: Image) -> Image:
    pillow = _package("PIL.Image", "pillow", "media")
    seen = image.convert("RGBA")
    paper: Image = pillow.new("RGBA", seen.size, "white")
    paper.alpha_composite(seen)
    return paper.convert("RGB")


def _opened(place: Path) -> Image:
    pillow = _package("PIL.Image", "pillow", "media")
    bombs = (pillow.DecompressionBombError, pillow.DecompressionBombWarning)
    try:
        image: Image = pillow.open(place, formats=IMAGE_FORMATS)
    except bombs as error:
        raise _too_large() from error
    except (OSError, SyntaxError, ValueError) as error:
        known = ", ".join(IMAGE_FORMATS)
        raise MediaError(f"is no picture of a kind that is read here ({known})", next_step="Convert it.") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise _too_large()
    return image


def _too_large() -> MediaError:
    return MediaError(f"is a picture of more than {MAX_PIXELS:,} pixels", next_step="Scale it down.")


def audio_facts(place: Path) -> dict[str, Any]:
    """Return ``{"seconds", "sample_rate", "channels", "format"}`` of a sound, from its header.

    Raises:
        MediaError: it is none, or is empty.
        ConfigError: soundfile is not installed.
    """
    info = _audio_info(place)
    return {
        "seconds": round(info.frames / info.samplerate, 3),
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "format": info.format,
    }


def read_audio(place: Path, sample_rate: int, most_seconds: float) -> Samples:
    """Return a sound as one channel of samples from -1 to 1.

    Args:
        place: the file.
        sample_rate: samples a second that are wanted.
        most_seconds: seconds that it may last.

    Raises:
        MediaError: it is none, is empty or broken, or lasts too long.
        ConfigError: soundfile or scipy is not installed.
    """
    import numpy as np

    info = _audio_info(place)
    most = int(most_seconds * info.samplerate)
    if info.frames > most:
        raise _too_long(info.frames / info.samplerate, most_seconds)
    soundfile = _package("soundfile", "soundfile", "media")
    try:
        # What the header says may be a lie.
        samples, _ = soundfile.read(place, frames=most + 1, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MediaError(f"is a broken sound ({error.error_string})", next_step="Give a whole one.") from error
    if not 0 < len(samples) <= most:
        raise _too_long(len(samples) / info.samplerate, most_seconds) if len(samples) else _silent()
    mono = np.nan_to_num(samples.mean(axis=1), posinf=1.0, neginf=-1.0)
    return _resampled(mono, info.samplerate, sample_rate)


def _audio_info(place: Path) -> Any:
    soundfile = _package("soundfile", "soundfile", "media")
    try:
        info = soundfile.info(place)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            "is no sound of a kind that is read here (WAV, FLAC, OGG, MP3)", next_step="Convert it."
        ) from error
    if not info.frames:
        raise _silent()
    if not _RATES[0] <= info.samplerate <= _RATES[1] or info.channels > _MOST_CHANNELS:
        raise MediaError(
            f"is a sound of {info.channels} channels at {info.samplerate} Hz", next_step="Convert it to one at 16 kHz."
        )
    return info


def _resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    import numpy as np

    if rate == wanted:
        return samples
    # A polyphase filter, which also takes out what the lower rate cannot hold.
    signal = _package("scipy.signal", "scipy", "local")
    resampled: Samples = signal.resample_poly(samples, wanted, rate).astype(np.float32)
    return resampled


def _silent() -> MediaError:
    return MediaError("holds no sound at all", next_step="Give a recording.")


def _too_long(seconds: float, most: float) -> MediaError:
    return MediaError(
        f"lasts {seconds:,.0f} seconds, and at most {most:,.0f} are read for this task",
        next_step="Cut it into shorter files.",
    )


def _package(module: str, package: str, extra: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"Sounds and pictures are read with {package}, which is not installed.",
            next_step=f"Install it with: pip install 'matrioska[{extra}]'.",
        ) from error
