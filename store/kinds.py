"""What a file is, by its content. A name is only a claim, and is held against it."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import filetype

from matrioska.state.errors import AssetError
from matrioska.state.text import clean_text
from matrioska.store.artifacts import named_media_type
from matrioska.store.media import MediaError, audio_facts, image_facts

#: Bytes of a file that are in memory at a time.
PART = 1_000_000
# Largest JSON file that is read whole to see whether it is one.
_MOST_JSON = 20_000_000
_HEAD = 8_192
_SNIFFED = 2_000
_MOST_COLUMNS = 20

_SOUNDS = {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "audio/x-aiff": "audio/aiff"}
_TEXTS = re.compile(r"text/.*|application/(?:json|xml|yaml|sql|toml|javascript|x-sh|x-tex)|.*\+(?:xml|json)")
_CODE = re.compile(
    "bat|c|cc|cpp|cs|css|ex|go|h|hpp|html?|ipynb|java|jl|jsx?|kt|lua|mjs|php|pl|ps1|py|rb?|rs|sass|scala|scss|"
    "sh|sql|swift|tsx?|vue"
)
_DATA = re.compile("csv|tsv|jsonl?|ndjson|geojson|xml|ya?ml|toml|ini")
_SCORES = (
    (
        "MusicXML",
        "application/vnd.recordare.musicxml+xml",
        re.compile(r"\A\s*<[\s\S]*?<score-(?:partwise|timewise)[\s>/]"),
    ),
    ("MEI", "application/mei+xml", re.compile(r"\A\s*(?:<[!?][^>]*>\s*)*<mei[\s>/]")),
    ("ABC", "text/vnd.abc", re.compile(r"\A\s*(?:%.*\n)*X:\s*\d+.*\n(?:.*\n)*?K:", re.MULTILINE)),
)
# Between the two may stand comments, and a DOCTYPE with declarations of its own.
_SVG = re.compile(r"\A\s*<(?:[!?][^>]*>\s*(?:\]\s*>\s*)?<)*?(?:\w+:)?svg[\s>/]", re.IGNORECASE)
_CLAIMS = {"image": "an image", "audio": "a sound", "text": "a UTF-8 text", "application/pdf": "a PDF document"}


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    media_type: str
    domain: str
    """Kind of work that it belongs to; '' for none that is known."""
    description: str
    """One line for people and models: ``PNG image, 640 × 480``."""


def is_text(media_type: str) -> bool:
    """Return whether files of a media type are text that a model can read as it is."""
    return _TEXTS.fullmatch(media_type) is not None


def kind_of(place: Path, name: str) -> Kind:
    """Return what a file is.

    Args:
        place: where its bytes stand.
        name: its name; the suffix is compared with what the bytes say.

    Raises:
        AssetError: it is empty, damaged, an image of too many pixels, or not what its suffix says.
        ConfigError: a package that reads its kind is missing.
        OSError: it cannot be read.
    """
    with place.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise AssetError([f"{name} is empty."])
    suffix = PurePosixPath(name).suffix.casefold().removeprefix(".")
    if head.startswith(b"%PDF-"):
        found = Kind("application/pdf", "prose", f"PDF document, {_size(place)}")
    elif _decodes(place):
        found = _text_kind(place, name, suffix)
    else:
        found = _binary_kind(place, name, head)
    _check_claim(name, suffix, found)
    return found


def _check_claim(name: str, suffix: str, found: Kind) -> None:
    """Compare what a suffix claims with what the content is.

    Raises:
        AssetError: they differ.
    """
    claimed = named_media_type(name)
    for family, words in _CLAIMS.items():
        # An SVG drawing is an image and a text at once.
        if not claimed.startswith(family) or found.media_type == "image/svg+xml":
            continue
        if not (found.media_type.startswith(family) or (family == "text" and is_text(found.media_type))):
            raise AssetError([f"{name} is not {words}, as .{suffix} says. What it holds: {found.description}."])


def _decodes(place: Path) -> bool:
    """Return whether a file is UTF-8 text throughout."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with place.open("rb") as stream:
        try:
            for part in iter(lambda: stream.read(PART), b""):
                if b"\0" in part:
                    return False
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


# -- texts ---------------------------------------------------------------------------------


def _text_kind(place: Path, name: str, suffix: str) -> Kind:
    with place.open(encoding="utf-8-sig") as stream:
        head = stream.read(_HEAD)
    if _SVG.match(head):
        return Kind("image/svg+xml", "vision", f"SVG drawing, {_size(place)}")
    for form, media_type, mark in _SCORES:
        if mark.search(head):
            return Kind(media_type, "vision", f"Music score ({form}), {_size(place)}")
    if suffix in ("json", "geojson"):
        return Kind("application/json", "data", f"JSON {_json_shape(place, name)}, {_size(place)}")
    if suffix in ("csv", "tsv"):
        return Kind(f"text/{'csv' if suffix == 'csv' else 'tab-separated-values'}", "data", _table(place, suffix))
    claimed = named_media_type(name)
    media_type = claimed if is_text(claimed) else "text/plain"
    domain = "code" if _CODE.fullmatch(suffix) else "data" if _DATA.fullmatch(suffix) else "prose"
    kind = {"text/markdown": "Markdown text", "text/plain": "Text"}.get(media_type, f"{suffix.upper()} text")
    return Kind(media_type, domain, f"{kind}, {_lines(place)}, {_size(place)}")


def _json_shape(place: Path, name: str) -> str:
    """Return what a JSON file holds, in words.

    Raises:
        AssetError: it is no JSON.
    """
    if place.stat().st_size > _MOST_JSON:
        return "data"
    try:
        value = json.loads(place.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AssetError([f"{name} is not JSON, as .json says: {error}."]) from error
    if isinstance(value, dict):
        return f"object with the keys {_some([str(key) for key in value])}"
    return f"list of {len(value):,}" if isinstance(value, list) else "value"


def _table(place: Path, suffix: str) -> str:
    with place.open(encoding="utf-8-sig", newline="") as stream:
        head = stream.read(_HEAD)
    try:
        # What the sniffer takes grows faster than what it is given.
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(head[:_SNIFFED], delimiters=",;\t|")
    except csv.Error:
        # A table of one column has no delimiter to be found.
        dialect = csv.excel_tab if suffix == "tsv" else csv.excel
    columns = next(csv.reader(head.splitlines(), dialect), [])
    return f"{suffix.upper()} table, {_lines(place)}, {_size(place)}, columns {_some(columns)}"


def _some(names: list[str]) -> str:
    shown = [clean_text(name)[:60].replace("\n", " ") for name in names[:_MOST_COLUMNS]]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _lines(place: Path) -> str:
    count, last = 0, b"\n"
    with place.open("rb") as stream:
        for part in iter(lambda: stream.read(PART), b""):
            count, last = count + part.count(b"\n"), part[-1:]
    count += last != b"\n"
    return f"{count:,} lines" if count != 1 else "1 line"


def _size(place: Path) -> str:
    size = place.stat().st_size
    return f"{size:,} bytes" if size < 1_000 else f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


# -- the others ----------------------------------------------------------------------------


def _binary_kind(place: Path, name: str, head: bytes) -> Kind:
    if head.startswith(b"MThd"):
        # Notes and no sound: there is nothing in it to be heard.
        return Kind("audio/midi", "data", f"MIDI file, {_size(place)}")
    found = filetype.guess(head)
    media_type = found.mime if found is not None else ""
    if media_type.startswith("image/"):
        return _image(place, name)
    if media_type.startswith("audio/"):
        return _sound(place, name, _SOUNDS.get(media_type, media_type))
    if name.casefold().endswith(".mxl") and media_type == "application/zip":
        return Kind("application/vnd.recordare.musicxml", "vision", f"Music score (MXL), {_size(place)}")
    if head.startswith(b"PAR1"):
        return Kind("application/vnd.apache.parquet", "data", f"Parquet table, {_size(place)}")
    if found is None:
        return Kind("application/octet-stream", "", f"Binary file, {_size(place)}")
    return Kind(media_type, "", f"{found.extension.upper()} file, {_size(place)}")


def _image(place: Path, name: str) -> Kind:
    facts = _facts(image_facts, place, name)
    # Telephones put several pictures into one JPEG file.
    form = facts["format"].replace("MPO", "JPEG")
    return Kind(f"image/{form.casefold()}", "vision", f"{form} image, {facts['width']:,} × {facts['height']:,}")


def _sound(place: Path, name: str, media_type: str) -> Kind:
    facts = _facts(audio_facts, place, name)
    channels = {1: "mono", 2: "stereo"}.get(facts["channels"], f"{facts['channels']} channels")
    length = f"{facts['seconds']:,.1f} s, {facts['sample_rate'] / 1000:g} kHz, {channels}"
    return Kind(media_type, "audio", f"{facts['format']} audio, {length}")


def _facts(read: Callable[[Path], dict[str, Any]], place: Path, name: str) -> dict[str, Any]:
    try:
        return read(place)
    except MediaError as error:
        raise AssetError([f"{name} {error.message}."], next_step=error.next_step) from error
