"""``docs/serve.md`` says what is true: its example runs, and it names what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matrioska.web.chat import asked, chats
from tests.web.offered import Scripted

PAGE = (Path(__file__).parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")


def test_the_example_prints_thoughts_and_answer(
    chat: Callable[..., tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = chat(Scripted(says="Because of the air."))
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]  # type: ignore[index]
    names: dict[str, Any] = {}
    exec(example.replace("http://127.0.0.1:8000", url), names)
    names["stream"].close()
    names["client"].close()
    shown = capsys.readouterr().out
    assert "Atlas makes a first analysis" in shown
    assert shown.endswith("Because of the air.")


def test_what_is_refused_and_every_limit_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if "refused with 400" in line)
    assert set(re.findall(r"`(\w+)`", row)) - {"text", "param"} == set(asked._REFUSED)
    for limit in (f"{asked.MAX_MATERIAL:,}", f"{asked.MAX_TURN:,}", f"more than {chats.MOST_CHATS} chats", "4 MB"):
        assert limit in PAGE
