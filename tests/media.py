"""Small sounds, pictures and documents, made on the spot."""

from __future__ import annotations

import io
import math
import struct
import wave

from PIL import Image

ABC = "X:1\nT:Tune\nM:4/4\nL:1/4\nK:C\nC D E F|G A B c|\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="red"/></svg>'


def image(width: int = 64, height: int = 48, form: str = "PNG", colour: tuple[int, ...] = (20, 40, 120)) -> bytes:
    """Return a picture of one colour."""
    made = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", (width, height), colour).save(made, form)
    return made.getvalue()


def opened(content: bytes) -> Image.Image:
    """Return a picture, read."""
    found = Image.open(io.BytesIO(content))
    found.load()
    return found


def sound(seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """Return a WAV file with one tone."""
    made = io.BytesIO()
    with wave.open(made, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        count = int(seconds * rate)
        stream.writeframes(b"".join(struct.pack("<h", int(9_000 * math.sin(n / 6))) for n in range(count)))
    return made.getvalue()


def pdf(*pages: str) -> bytes:
    """Return a PDF document with one line of text a page."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(count))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"]
    for number, text in enumerate(pages):
        drawn = f"BT /F1 24 Tf 20 100 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents {4 + 2 * number} 0 R "
            f"/Resources << /Font << /F1 {font} >> >> >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    made, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF\n"
    return (made + end).encode("ascii")
