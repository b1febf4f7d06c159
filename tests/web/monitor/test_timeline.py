from __future__ import annotations

from matrioska.web.monitor.timeline import MOST_BARS, height_of, timeline_of
from matrioska.web.runs.views import ModuleView


def _module(id: str, started: float | None, ended: float | None = None, **fields: object) -> ModuleView:
    return ModuleView(id=id, name=id.upper(), started=started, ended=ended, **fields)  # type: ignore[arg-type]


def test_bars_begin_when_modules_began_and_grow_until_they_ended() -> None:
    options = timeline_of([_module("b", 103.0), _module("c", None), _module("a", 100.0, 104.5)], 4.5, now=110.0)

    assert options["yAxis"]["data"] == ["A", "B"]
    offsets, lengths = options["series"]
    assert offsets["data"] == [0.0, 3.0]
    assert [bar["value"] for bar in lengths["data"]] == [4.5, 7.0]


def test_the_critical_path_has_its_own_colour_and_a_line() -> None:
    options = timeline_of([_module("a", 1.0, 2.0, critical=True), _module("b", 1.0, 2.0)], 1.0, now=9.0)

    first, second = (bar["itemStyle"]["color"] for bar in options["series"][1]["data"])
    assert first != second
    assert options["series"][1]["markLine"]["data"][0]["xAxis"] == 1.0


def test_a_critical_path_longer_than_the_run_is_still_in_the_picture() -> None:
    modules = [_module("a", 1.0, 3.0)]

    assert timeline_of(modules, 4.0, now=9.0)["xAxis"]["max"] > 4.0
    assert "max" not in timeline_of(modules, 1.5, now=9.0)["xAxis"]


def test_without_a_critical_path_there_is_no_line() -> None:
    assert timeline_of([_module("a", 1.0, 2.0)], 0.0, now=9.0)["series"][1]["markLine"]["data"] == []


def test_a_thousand_modules_scroll_in_a_chart_of_bounded_height() -> None:
    modules = [_module(f"m{at}", float(at), at + 2.0) for at in range(1_000)]

    assert timeline_of(modules, 0.0, now=0.0)["dataZoom"][0]["endValue"] == MOST_BARS - 1
    assert height_of(modules) == height_of(modules[:MOST_BARS])
