"""From events to rows: what the screen knows."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from matrioska.cli.progress import Progress, event_line
from matrioska.cli.run_screen import render, visible_rows
from matrioska.state.results import Phase

_USAGE = {"input_tokens": 1000, "output_tokens": 234}


def _module(name: str, phase: str, **more: Any) -> dict[str, Any]:
    return {"type": "module", "module": name, "phase": phase, **more}


def _begun(*stages: str, settled: tuple[str, ...] = ()) -> Progress:
    progress = Progress(0.0)
    progress.apply({"type": "step", "step": "architect"}, 0.0)
    progress.apply({"type": "step", "step": "execute", "stages": list(stages), "settled": list(settled)}, 2.0)
    return progress


def _shown(progress: Progress, now: float, width: int = 80, height: int = 24, *, ended: bool = False) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, markup=False, emoji=False, highlight=False)
    console.print(render(progress, now, console, ended=ended))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_a_module_goes_through_its_phases() -> None:
    progress = _begun("a.agree", "a.produce", "b.produce")
    assert progress.counts() == {Phase.WAITING: 2}
    progress.apply(_module("a", "agreeing"), 3.0)
    progress.apply(_module("a", "agreed", usage=_USAGE), 4.0)
    row = progress.modules["a"]
    assert (row.phase, row.seconds(9.0), row.tokens) == (Phase.AGREED, 1.0, 1234)
    progress.apply(_module("a", "producing"), 5.0)
    assert row.seconds(7.0) == 3.0
    progress.apply(_module("a", "mending", complaints=["no <title>"]), 8.0)
    assert row.note == "no <title>"
    progress.apply(_module("a", "done", usage=_USAGE, files=["x", "y"]), 10.0)
    assert (row.phase, row.seconds(99.0), row.tokens, row.files, row.note) == (Phase.DONE, 6.0, 2468, 2, "")
    assert progress.tokens == 2468


def test_steps_that_come_again_go_on_counting() -> None:
    progress = _begun("a.produce")
    progress.apply({"type": "step", "step": "verify"}, 5.0)
    progress.apply({"type": "step", "step": "execute", "stages": ["a.mend"], "settled": []}, 6.0)
    assert progress.current == "execute"
    assert progress.steps["execute"].seconds(7.0) == 4.0
    assert progress.modules["a"].note == "to mend"


def test_what_was_saved_before_counts_once() -> None:
    progress = _begun("a.agree", "a.produce", "b.produce", settled=("c",))
    progress.saved_usage(_USAGE)
    progress.saved_outcome("a.agree", {"usage": _USAGE})
    progress.saved_outcome("b.produce", {"status": "failed"})
    assert {row.id: row.phase for row in progress.modules.values()} == {
        "a": Phase.AGREED,
        "b": Phase.FAILED,
        "c": Phase.DONE,
    }
    assert progress.tokens == 2468
    progress.saved_outcome("a.produce", {})
    assert progress.modules["a"].phase == Phase.DONE


def test_unknown_events_change_nothing() -> None:
    progress = _begun("a.produce")
    before = progress.counts()
    for event in ({"type": "weather"}, {}, _module("a", "dancing")):
        progress.apply(event, 3.0)
        assert event_line(event, progress, 3.0) == "" or event.get("phase") == "dancing"
    assert progress.counts() == before


def test_the_lines_without_a_terminal() -> None:
    progress = _begun("a.produce")
    assert event_line({"type": "step", "step": "execute", "stages": ["a.agree", "a.produce"]}, progress, 2.0) == (
        "[ 2.0 s] execute: 1 module"
    )
    event = _module("a", "failed", error="no\nmood \x1b[31m")
    progress.apply(event, 3.0)
    assert event_line(event, progress, 3.0) == "[ 3.0 s]   a failed (0.0 s; no mood [31m)"


def test_a_small_plan_is_shown_whole() -> None:
    progress = _begun("a.agree", "a.produce", "b.produce")
    progress.apply(_module("a", "producing"), 3.0)
    shown = _shown(progress, 4.5)
    assert shown[0].rstrip() == "✓ architect  ✓ approval  ● execute 2.5 s  · assemble  · verify  · deliver"
    assert shown[2].split() == ["●", "a", "producing", "1.5", "s"]
    assert shown[3].split() == ["·", "b", "waiting"]
    assert shown[-1] == "4.5 s · 0 of 2 modules done · 1 producing · 1 waiting · 0 tokens"


def test_a_large_plan_fits_and_shows_who_works() -> None:
    progress = _begun(*(f"m{n}.produce" for n in range(500)))
    progress.apply(_module("m7", "done"), 3.0)
    progress.apply(_module("m400", "producing"), 3.0)
    progress.apply(_module("m450", "failed", error="x" * 500), 3.0)
    shown = _shown(progress, 4.0)
    assert len(shown) <= 23
    assert all(len(row) <= 80 for row in shown)
    assert {"m400", "m450", "m7"} <= {row.split()[1] for row in shown[2:-2]}
    # What failed is said before what a narrow screen cuts off.
    assert shown[-1].startswith("4.0 s · 1 of 500 modules done · 1 failed · 1 producing · 497 waiting · 0 tokens")


def test_of_a_large_plan_that_ended_what_is_not_done_is_shown() -> None:
    progress = _begun(*(f"m{n}.produce" for n in range(500)))
    for number in range(500):
        progress.apply(_module(f"m{number}", "done"), 3.0)
    assert len(_shown(progress, 4.0, ended=True)) == 1
    progress.apply(_module("m450", "failed", error="no mood"), 3.0)
    shown = _shown(progress, 4.0, ended=True)
    assert next(row.split()[1] for row in shown if "failed" in row) == "m450"
    assert len(shown) == 4
    assert shown[-1].rstrip() == "4.0 s · 499 of 500 modules done · 1 failed · 0 tokens"


def test_a_screen_that_knows_ascii_only_is_shown_no_signs() -> None:
    class Ascii(StringIO):
        encoding = "ascii"

    progress = _begun("a.produce", "b.produce")
    progress.apply(_module("a", "failed", error="no mood"), 3.0)
    console = Console(file=Ascii(), width=120, height=24, markup=False, emoji=False, highlight=False)
    console.print(render(progress, 4.0, console))
    steps, modules = console.file.getvalue().split("\n\n")[:2]
    assert steps.isascii()
    assert modules.split()[0] == "x"
    assert modules.isascii()


def test_rows_that_fit_keep_their_order() -> None:
    progress = _begun("b.produce", "a.produce")
    assert [row.id for row in visible_rows(progress, 2)] == ["b", "a"]
    progress.apply(_module("a", "producing"), 3.0)
    assert [row.id for row in visible_rows(progress, 1)] == ["a"]


def test_names_and_notes_that_look_like_markup_show_as_they_are() -> None:
    progress = _begun("a.produce")
    progress.apply(_module("a", "failed", error="[red]boo[/red] :smile: \x1b]0;t\x07"), 3.0)
    assert "[red]boo[/red] :smile: ]0;t" in "\n".join(_shown(progress, 3.0, width=120))


def test_the_step_at_work_is_seen_on_any_screen() -> None:
    progress = _begun("a.produce")
    for at, step in enumerate(("reconcile", "repair", "assemble", "verify", "review", "deliver")):
        progress.apply({"type": "step", "step": step}, 3.0 + at)
        for width in (60, 80, 120):
            assert f"● {step} " in _shown(progress, 3.0 + at, width)[0]
    assert "✓ architect" in _shown(progress, 9.0, 120)[0]
    assert "✓ review" in _shown(progress, 9.0, 60)[0]
