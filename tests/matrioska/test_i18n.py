from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from matrioska import i18n


def _catalogue(folder: Path, language: str, texts: dict[str, str]) -> None:
    """Write a compiled catalogue, in gettext's own format."""
    entries = sorted(
        {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n>1;\n", **texts}.items()
    )
    begin = 28 + 16 * len(entries)
    originals, translated, strings = b"", b"", b""
    for place, table in ((0, "originals"), (1, "translated")):
        for entry in entries:
            said = entry[place].encode()
            found = struct.pack("<II", len(said), begin + len(strings))
            strings += said + b"\0"
            originals, translated = (
                (originals + found, translated) if table == "originals" else (originals, translated + found)
            )
    head = struct.pack("<7I", 0x950412DE, 0, len(entries), 28, 28 + 8 * len(entries), 0, 0)
    place = folder / language / "LC_MESSAGES" / "matrioska.mo"
    place.parent.mkdir(parents=True)
    place.write_bytes(head + originals + translated + strings)


@pytest.fixture
def portuguese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"Threads": "Conversas", "{n} file\0{n} files": "{n} arquivo\0{n} arquivos"}
    _catalogue(tmp_path, "pt_BR", texts)
    monkeypatch.setattr(i18n, "LOCALES", tmp_path)


def test_without_a_choice_texts_are_as_they_were_written() -> None:
    assert i18n._("Threads") == "Threads"
    assert i18n.counted("{n} file", "{n} files", 1) == "1 file"
    assert i18n.counted("{n} file", "{n} files", 1_234) == "1,234 files"


async def test_a_task_speaks_its_own_language(portuguese: None) -> None:
    async def said(*languages: str) -> tuple[str, str, str]:
        i18n.speak(*languages)
        await asyncio.sleep(0)
        return i18n._("Threads"), i18n._("Not in it"), i18n.counted("{n} file", "{n} files", 2)

    found = await asyncio.gather(said("pt_BR"), said("en"), said("xx", "pt_BR"))

    assert found == [
        ("Conversas", "Not in it", "2 arquivos"),
        ("Threads", "Not in it", "2 files"),
        ("Conversas", "Not in it", "2 arquivos"),
    ]
    assert i18n._("Threads") == "Threads"
