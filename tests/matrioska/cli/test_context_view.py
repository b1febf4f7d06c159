"""``matrioska show THREAD MODULE``: what the module was told, with tokens, and who condensed what."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from matrioska.cli.context_view import show_package
from tests.support import Author, file_block, plan, reader

NAMES = ["core_api_call", "core_save"]
RECORD: dict[str, Any] = {
    "budget": 2_000,
    "included": {"project": 22, "values.core.api": 25, "values.more": 1_200},
    "compressed": {
        "values.core.api": {"from": 14_877, "to": 25, "by": "openai:gpt-4o", "why": "", "reused": True},
        "values.more": {"from": 9_000, "to": 1_200, "by": "extract", "why": "The boss refused.", "reused": False},
    },
    "left_out": {"related.old": 300},
    "window": 4_000,
    "adapter": "code",
    "ranking": "by words",
    "boss": {"calls": 1, "input_tokens": 15_000, "output_tokens": 15},
}


def _shown(record: dict[str, Any], width: int = 80) -> str:
    out = io.StringIO()
    show_package(Console(file=out, width=width), record)
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return "\n".join(line.rstrip() for line in lines)


def test_every_entry_is_shown_with_its_tokens_and_what_became_of_it() -> None:
    assert _shown(RECORD, 100) == (
        "\n"
        "context  1,247 of 2,000 tokens · window 4,000 · for code · ranked by words\n"
        "  project             22\n"
        "  values.core.api     25  condensed from 14,877 by openai:gpt-4o, kept from before\n"
        "  values.more      1,200  an extract of 9,000: The boss refused.\n"
        "  related.old        300  left out\n"
        "  the boss took 15,015 tokens in 1 call"
    )


@pytest.mark.parametrize("width", [40, 80, 120])
def test_names_that_nobody_vouches_for_are_only_shown(width: int) -> None:
    name = "artifacts.[red]\x1b[31m‮" + "very/" * 40 + "long.js"
    why = "[bold]no\x1b[0m\nnames " * 9
    told = {"from": 9, "to": 9, "by": "[x]y", "why": why, "reused": False}
    shown = _shown({**RECORD, "included": {name: 9}, "compressed": {name: told}}, width)
    assert "\x1b" not in shown
    assert "‮" not in shown
    assert "artifacts.[red]" in shown


def test_files_of_a_worker_that_reads_them_itself() -> None:
    assert _shown({"given": ["tune.wav", "b/notes.txt"]}) == "\ncontext  its worker reads files: tune.wav, b/notes.txt"


def test_nothing_is_shown_of_nothing() -> None:
    assert _shown({}) == _shown({"given": []}) == _shown({"reasoning": "0" * 64}) == ""


def test_show_opens_the_package_of_a_module(cli: Any, tmp_path: Path) -> None:
    author = Author(plan(reader("core", contract_first=False), reader("page", "core")))
    value = {"core.api": {"functions": NAMES, "note": "It is long. " * 3_000}}
    code = file_block("core.py", "\n".join(f"def {name}(): ..." for name in NAMES))
    author.told["produce core"] = f"{code}\n\n```json contract\n{json.dumps(value)}\n```"
    (tmp_path / "matrioska.toml").write_text("token_budget = 900\n")
    assert cli("run", "-y", "-t", "c", "Build it.", author=author).code == 0
    shown = cli("show", "c", "page").out
    assert "of 900 tokens" in shown
    assert "values.core.api" in shown
    assert "an extract of 9," in shown
    record = cli("show", "c", "page", "--json").json["result"]["context"]
    assert record["compressed"]["values.core.api"]["by"] == "extract"
