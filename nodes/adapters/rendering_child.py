"""A process of its own that turns a document, drawing or score from anybody into pictures, or into text.

The libraries that do so are native code and are given hostile files: what they crash, hang or
eat up is this process. It reads the file from stdin and writes one JSON object to stdout:
``{"pages": [PNG in base64], "more": pages left out}``, ``{"text": …}``, ``{"error": …}`` or
``{"missing": package}``. It imports nothing of ours.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

#: Bytes of memory and seconds of CPU that it may use.
_MEMORY = 2_000_000_000
_SECONDS = 20
#: Points on the longer side of a picture.
_SIDE = 1_568
_MOST_PAGES = 10
_MOST_CHARACTERS = 400_000
#: PDF's own unit is 1/72 inch; a larger scale than this shows no more.
_LARGEST_SCALE = 4.0
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")


def _limit() -> None:
    try:
        import resource
    except ImportError:
        # Windows has no such limits; the parent's timeout still holds.
        return
    for kind, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _SECONDS)):
        _, hardest = resource.getrlimit(kind)
        if hardest != resource.RLIM_INFINITY:
            # Whoever started us is stricter already, and a limit cannot be raised.
            most = min(most, hardest)
        # macOS may refuse a limit of memory; the parent's timeout still holds.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _pages(pictures: list[bytes], count: int) -> dict[str, Any]:
    return {"pages": [base64.b64encode(picture).decode() for picture in pictures], "more": count - len(pictures)}


def _pdf(content: bytes) -> dict[str, Any]:
    import pypdfium2

    pdf, pictures = pypdfium2.PdfDocument(content), []
    for number in range(min(len(pdf), _MOST_PAGES)):
        page = pdf[number]
        scale = min(_SIDE / max(page.get_width(), page.get_height(), 1), _LARGEST_SCALE)
        made = io.BytesIO()
        page.render(scale=scale).to_pil().save(made, "PNG")
        pictures.append(made.getvalue())
    return _pages(pictures, len(pdf))


def _pdf_text(content: bytes) -> dict[str, Any]:
    import pypdfium2

    pdf, texts, size = pypdfium2.PdfDocument(content), [], 0
    for number in range(len(pdf)):
        texts.append(pdf[number].get_textpage().get_text_bounded())
        size += len(texts[-1])
        if size > _MOST_CHARACTERS:
            break
    return {"text": "\n\n".join(texts)[:_MOST_CHARACTERS]}


def _svg(content: bytes) -> dict[str, Any]:
    return _pages([_drawn(content.decode("utf-8"))], 1)


def _drawn(svg: str) -> bytes:
    import resvg_py

    # Read and written anew: resvg would open files that a picture element names.
    root = ElementTree.fromstring(svg)  # noqa: S314 - expat opens nothing outside and bounds what entities become
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name.rpartition("}")[2] == "href" and not value.strip().startswith(("#", "data:")):
                del element.attrib[name]
    wide, high = _extent(root)
    return bytes(
        resvg_py.svg_to_bytes(
            ElementTree.tostring(root, encoding="unicode"),
            background="white",
            width=_SIDE if wide >= high else None,
            height=_SIDE if wide < high else None,
        )
    )


def _extent(root: ElementTree.Element) -> tuple[float, float]:
    """Return width and height of a drawing, in whatever unit it has for both; a square when it does not say."""
    box = root.get("viewBox", "").replace(",", " ").split()
    told = box[2:4] if len(box) == 4 else [root.get("width", ""), root.get("height", "")]
    numbers = [float(found[0]) for length in told if (found := _NUMBER.match(length.strip()))]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1.0, 1.0)


def _score(content: bytes) -> dict[str, Any]:
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions({"adjustPageHeight": True, "footer": "none", "svgViewBox": True})
    if content.startswith(b"PK"):
        read = toolkit.loadZipDataBase64(base64.b64encode(content).decode())
    else:
        read = toolkit.loadData(content.decode("utf-8"))
    count = toolkit.getPageCount() if read else 0
    if not count:
        return {"error": "no notes could be read in it"}
    return _pages([_drawn(toolkit.renderToSVG(page + 1)) for page in range(min(count, _MOST_PAGES))], count)


_DOES: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "pdf": _pdf,
    "pdf-text": _pdf_text,
    "svg": _svg,
    "score": _score,
}


def main() -> None:
    """Do what the first argument says with what stdin holds."""
    _limit()
    try:
        answer = _DOES[sys.argv[1]](sys.stdin.buffer.read())
    except ImportError as error:
        answer = {"missing": error.name or str(error)}
    except Exception as error:  # noqa: BLE001 - whatever the file made a library stumble over is its fault
        answer = {"error": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
