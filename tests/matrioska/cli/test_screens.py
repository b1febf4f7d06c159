"""The screens of runs and questions: one base, and where each output goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrioska.cli.minds_screen import make_minds_screen
from matrioska.cli.run_screen import make_run_screen
from matrioska.cli.screen import LiveScreen, PlainScreen, SilentScreen
from matrioska.cli.ui import Ui

TROUBLE = {"type": "journal", "trouble": "The journal \x1b[31mis locked."}


@pytest.mark.parametrize("make", [make_run_screen, make_minds_screen])
def test_trouble_of_the_journal_is_said_unless_it_is_quiet(make, capsys: pytest.CaptureFixture[str]) -> None:
    make(Ui()).on_event(TROUBLE)
    assert capsys.readouterr().err == "! The journal: The journal [31mis locked.\n"
    make(Ui(quiet=True)).on_event(TROUBLE)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("make", [make_run_screen, make_minds_screen])
def test_where_nothing_redraws_there_are_lines_or_nothing(make) -> None:
    assert type(make(Ui())) is PlainScreen
    assert type(make(Ui(quiet=True))) is SilentScreen


@pytest.mark.parametrize("make", [make_run_screen, make_minds_screen])
def test_only_a_terminal_that_can_is_redrawn(make, monkeypatch: pytest.MonkeyPatch) -> None:
    for live, kind in ((True, LiveScreen), (False, PlainScreen)):
        monkeypatch.setattr(Ui, "live", live)
        assert type(make(Ui())) is kind


def test_a_run_tells_of_trouble_of_its_journal_once(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska_checkpoints").mkdir()
    (tmp_path / "matrioska_checkpoints" / "journal.sqlite").write_bytes(b"no database" * 100)
    ended = cli("run", "Create a page about tea", "--direct", "--yes", "--model", "embedded")
    assert ended.code == 0
    assert ended.err.count("! The journal: ") == 1
