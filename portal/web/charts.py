"""Charts as SVG in the page's own colours and type, drawn here and served as resources of their own.

pygal brings a style sheet and a script that our policy would not let run inside a page; as a resource the picture may
style itself and nothing else, and the script is taken out. The table beside the chart says the same in words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pygal
from flask import Response
from markupsafe import escape
from pygal.style import Style

from portal.money import Money, minor_digits
from portal.reporting.rules import Chart, Kind
from portal.web.display import minutes_text, money_text

# pygal puts a finder for its maps on the import path, in a form that Python gave up in 3.12; nothing here needs it.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

SECONDS_PER_HOUR = 3600
GRID_LINES = 3
WIDTH, BAR_HEIGHT, LEAST_HEIGHT, LINES_HEIGHT = 880, 44, 220, 320
LABELS_WRITTEN = 8
LONGEST_LABEL = 28

# The page's colours by the names that series use.
COLOURS = {
    "accent": "#1d5b79",
    "deep": "#6b4f8f",
    "pale": "#8fb8cc",
    "plain": "#8a97a1",
    "good": "#3b8a5e",
    "warn": "#c08a1e",
    "bad": "#b4514f",
}
_SYSTEM_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
_QUIET = (
    "inline:"
    ".axis .guides .line, .axis .line { stroke: #dfe5e9; stroke-dasharray: none; stroke-width: 1px }"
    ".axis .guides:hover .line { stroke: #dfe5e9 } .axis.y .guides .line:first-child { stroke: #dfe5e9 }"
    ".plot .background, .graph > .background { fill: #ffffff } .axis text { fill: #55636e }"
    ".bar .rect { rx: 2; ry: 2 } .legends .legend text { fill: #1f2a33 } .tooltip, .overlay { display: none }"
)
_NOISE = re.compile(r"<script.*?(?:</script>|/>)|<!--.*?-->", re.DOTALL)
# The picture styles itself; it loads and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def svg_response(chart: Chart) -> Response:
    """The picture of a chart."""
    response = Response(svg(chart), mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def svg(chart: Chart) -> bytes:
    """Horizontal bars, one line of them per label, stacked by series; three quiet grid lines, no frame."""
    stacked = len(chart.series) > 1
    form = pygal.HorizontalStackedBar if stacked else pygal.HorizontalBar
    drawing = form(
        style=_style([series.tone for series in chart.series]),
        css=["file://style.css", "file://graph.css", _QUIET],
        js=[],
        title=None,
        width=WIDTH,
        height=max(LEAST_HEIGHT, BAR_HEIGHT * len(chart.labels) + 120),
        explicit_size=False,
        show_legend=stacked,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(chart.series),
        legend_box_size=12,
        print_values=not stacked,
        print_values_position="top",
        print_zeroes=False,
        margin=16,
        spacing=10,
        truncate_label=LONGEST_LABEL,
        disable_xml_declaration=True,
        no_prefix=True,
        value_formatter=lambda value: _said(value, chart),
        **_axis(chart, sum),
    )
    # Horizontal charts are drawn from the bottom up: the first label is to stand on top.
    drawing.x_labels = list(reversed(chart.labels))
    for series in chart.series:
        drawing.add(series.name, [_drawn(value, chart) for value in reversed(series.values)])
    return _cleaned(drawing, chart)


def lines_response(chart: Chart) -> Response:
    """The picture of a chart whose labels follow each other, such as days: a line for each series."""
    response = Response(lines_svg(chart), mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def lines_svg(chart: Chart) -> bytes:
    """A line for each series over its labels, of which a few are written; three quiet grid lines, no frame."""
    drawing = pygal.Line(
        style=_style([series.tone for series in chart.series]),
        css=["file://style.css", "file://graph.css", _QUIET],
        js=[],
        title=None,
        width=WIDTH,
        height=LINES_HEIGHT,
        explicit_size=False,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(chart.series),
        legend_box_size=12,
        margin=16,
        show_dots=False,
        stroke_style={"width": 3},
        x_labels_major_every=max(1, len(chart.labels) // LABELS_WRITTEN + 1),
        show_minor_x_labels=False,
        truncate_label=LONGEST_LABEL,
        disable_xml_declaration=True,
        no_prefix=True,
        value_formatter=lambda value: _said(value, chart),
        **_axis(chart, max),
    )
    drawing.x_labels = list(chart.labels)
    for series in chart.series:
        drawing.add(series.name, [_drawn(value, chart) for value in series.values])
    return _cleaned(drawing, chart)


def _cleaned(drawing: Any, chart: Chart) -> bytes:
    drawn: str = drawing.render(is_unicode=True)
    return _NOISE.sub("", drawn).replace("<title>Pygal</title>", f"<title>{escape(chart.title)}</title>").encode()


def _style(tones: list[str]) -> Style:
    return Style(
        background="#ffffff",
        plot_background="#ffffff",
        foreground="#55636e",
        foreground_strong="#1f2a33",
        foreground_subtle="#dfe5e9",
        opacity="1",
        opacity_hover="1",
        transition="none",
        font_family=_SYSTEM_FONT,
        label_font_size=15,
        major_label_font_size=15,
        legend_font_size=15,
        value_font_size=14,
        value_colors=("#1f2a33",) * len(tones),
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        colors=tuple(COLOURS[tone] for tone in tones),
    )


def _drawn(value: int, chart: Chart) -> float:
    """Where the value lies on the axis: hours, whole currency, or as it is. A float, for it is a place in a picture."""
    if chart.kind is Kind.SECONDS:
        return value / SECONDS_PER_HOUR
    if chart.kind is Kind.MONEY:
        return float(Decimal(value).scaleb(-minor_digits(chart.currency)))
    return float(value)


def _said(value: float | None, chart: Chart) -> str:
    if not value:
        return "0"
    exact = Decimal(str(value))
    if chart.kind is Kind.SECONDS:
        return minutes_text(int((exact * SECONDS_PER_HOUR).to_integral_value()) // 60 * 60)
    if chart.kind is Kind.MONEY:
        return money_text(Money(int(exact.scaleb(minor_digits(chart.currency)).to_integral_value()), chart.currency))
    return f"{exact.normalize():f}"


def _axis(chart: Chart, height: Callable[[Iterable[float]], float]) -> dict[str, Any]:
    """From nothing over three round steps; with losses among the values pygal finds the range itself."""
    columns = list(zip(*(series.values for series in chart.series), strict=True))
    if any(value < 0 for column in columns for value in column):
        return {}
    longest = max(height([_drawn(value, chart) for value in column]) for column in columns)
    step = _round_step(longest / GRID_LINES)
    return {"range": (0, step * GRID_LINES), "y_labels": [step * line for line in range(GRID_LINES + 1)]}


def _round_step(least: float) -> int:
    """The smallest of 1, 2 and 5 times a power of ten that is at least ``least``, and never below one."""
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if scale * factor >= least:
                return scale * factor
        scale *= 10
