"""The lines that tell who is at work on what."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.web.chat.thinking import Thinking

MIND = {"type": "mind", "mind": "m1", "name": "Nova"}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({**MIND, "step": "split", "phase": "begin"}, "Nova splits the question …"),
        ({**MIND, "step": "split", "phase": "end", "text": '{"echo": "…"}'}, ""),
        ({**MIND, "step": "reflect", "phase": "end", "text": "a\n\n b"}, "Nova, reflection: a b"),
        ({**MIND, "step": "reflect", "phase": "end", "text": ""}, ""),
        ({**MIND, "step": "of tomorrow", "phase": "begin"}, "Nova thinks …"),
        ({**MIND, "phase": "failed"}, "Nova failed: no reason was given"),
        (
            {**MIND, "step": "analyse", "phase": "failed", "error": "http://10.0.0.5/v1: /home/me/x.gguf is gone"},
            "Nova failed: [address]: x.gguf is gone",
        ),
        ({"type": "delegation", "mind": "m1", "to": "echo", "text": "How?"}, "M1 asks Echo: How?"),
        ({"type": "chunk", "chunk": 1, "text": "Who?"}, "Part 1: Who?"),
        ({"type": "vote", "chunk": 1, "node": "n1", "answer": "Me.", "error": ""}, "Part 1, n1: Me."),
        ({"type": "vote", "chunk": 1, "node": "n1", "answer": "", "error": "No."}, "Part 1, n1 failed: No."),
        ({"type": "step", "step": "execute"}, "Building the modules …"),
        ({"type": "step", "step": "of tomorrow"}, "of tomorrow …"),
        ({"type": "module", "module": "shop", "phase": "done", "files": ["a"]}, "shop: done"),
        ({"type": "module", "module": "shop", "phase": "failed", "error": "No."}, "shop: failed (No.)"),
        ({"type": "piece", "mind": "m1", "text": "a"}, ""),
        ({"type": "done", "answer": {}}, ""),
        ({}, ""),
    ],
)
def test_each_event_has_its_line(event: dict[str, Any], line: str) -> None:
    assert Thinking().line(event) == line


def test_a_long_or_hostile_thought_is_one_short_line() -> None:
    text = "\x1b[2J\x00" + "data: [DONE]\n\n" * 1_000
    line = Thinking().line({**MIND, "step": "analyse", "phase": "end", "text": text})
    assert len(line) < 340
    assert "\n" not in line
    assert "\x1b" not in line
