"""When each module worked, as a chart of bars against the critical path. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matrioska.i18n import _
from matrioska.state.figures import duration
from matrioska.web.runs.views import ModuleView

#: Pixels of one module's bar, of the axis and of the margins.
_BAR, _FRAME = 24, 70
#: Bars that are seen at once; beyond them the chart scrolls.
MOST_BARS = 40
# Legible on light and on dark.
_ACCENT, _OTHER, _FAILED = "#3b82c4", "#9aa3ad", "#d05252"
_LONGEST_LABEL = 24
_GRID = {"lineStyle": {"color": _OTHER, "opacity": 0.3}}


def began(modules: Sequence[ModuleView]) -> list[ModuleView]:
    """Return the modules that have begun, in the order in which they did."""
    return sorted((each for each in modules if each.started is not None), key=lambda each: (each.started, each.id))


def height_of(modules: Sequence[ModuleView]) -> int:
    """Return the chart's height in pixels."""
    return _FRAME + _BAR * max(3, min(len(began(modules)), MOST_BARS))


def timeline_of(modules: Sequence[ModuleView], critical_path: float, now: float) -> dict[str, Any]:
    """Return the chart's options, for ECharts.

    Args:
        modules: the run's modules.
        critical_path: seconds of the longest chain; 0 for unknown.
        now: seconds since 1970, the end of bars that still grow.
    """
    shown = began(modules)
    zero = min((each.started or 0.0 for each in shown), default=now)
    lengths = [_bar(each, now) for each in shown]
    end = max(((each.ended or now) - zero for each in shown), default=0.0)
    options: dict[str, Any] = {
        "animation": False,
        "aria": {"enabled": True, "label": {"description": _("When each module worked, in seconds since the first.")}},
        "grid": {"left": 8, "right": 70, "top": 26, "bottom": 30, "containLabel": True},
        "xAxis": {
            "type": "value",
            "name": _("seconds"),
            "nameLocation": "middle",
            "nameGap": 24,
            "min": 0,
            "splitLine": _GRID,
        },
        "yAxis": {"type": "category", "inverse": True, "data": [_label(each) for each in shown]},
        "series": [
            {
                "type": "bar",
                "stack": "time",
                "silent": True,
                "itemStyle": {"color": "transparent"},
                "data": [round((each.started or zero) - zero, 2) for each in shown],
            },
            {
                "type": "bar",
                "stack": "time",
                "barMaxWidth": 14,
                "label": {"show": True, "position": "right", "formatter": "{c} s"},
                "data": lengths,
                "markLine": _mark(critical_path),
            },
        ],
    }
    if critical_path > end:
        # Modules that agree first overlap with those that wait for them: the line then lies behind the last bar.
        # Its own end has no label: that would stand beside the last round number.
        options["xAxis"] |= {"max": round(critical_path * 1.05, 1), "axisLabel": {"showMaxLabel": False}}
    if len(shown) > MOST_BARS:
        options["dataZoom"] = [{"type": "slider", "yAxisIndex": 0, "endValue": MOST_BARS - 1, "brushSelect": False}]
    return options


def _bar(module: ModuleView, now: float) -> dict[str, Any]:
    seconds = max(0.0, (module.ended if module.ended is not None else now) - (module.started or 0.0))
    color = _FAILED if module.state == "failed" else _ACCENT if module.critical else _OTHER
    return {"value": round(seconds, 1), "itemStyle": {"color": color}}


def _mark(seconds: float) -> dict[str, Any]:
    """Return the line at which the run would have ended had nothing ever waited."""
    told = {"position": "start", "formatter": _("critical path: {time}").format(time=duration(seconds))}
    return {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": _ACCENT},
        "data": [{"xAxis": round(seconds, 2), "label": told}] if seconds else [],
    }


def _label(module: ModuleView) -> str:
    name = module.name or module.id
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1].rstrip() + "…"
