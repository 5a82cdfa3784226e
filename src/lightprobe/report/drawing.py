"""Figures for reading: direct labels instead of a legend, no box, colours that the colour-blind tell apart.

Matplotlib draws; `as_svg` takes the SVG apart so that text stays text, colours follow the page's light or
dark theme, and several figures can stand in one page.
"""

import hashlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lightprobe.figures import P, as_plain_text, figure
from lightprobe.report.page import Drawing

# After Okabe and Ito 2008, darkened where white would swallow them. The template gives each a light partner.
SERIES = ("#0072b2", "#b84a00", "#00795a", "#9c4f7f", "#7a6100", "#4d4d4d")
INK, MUTED, LINE = "#1b1d21", "#5c626b", "#d9dce1"
FEW_DECADES = 50  # times: below, powers of ten alone are too few ticks for an axis
_VARIABLES = {
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
}
_STYLE: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lightprobe",  # the same figure gives the same file
    "font.size": 12.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "axes.titlesize": 12.5,
    "axes.titlelocation": "left",
}


def page_figure(name: str) -> Callable[[Callable[P, Drawing]], Callable[P, Drawing]]:
    """Register what draws a page's figure; where it fails, a sentence stands in the page instead."""
    return figure(name, lambda sentence: Drawing(Markup(), sentence))


def new_figure(width: float = 6.0, height: float = 3.8, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of `width` × `height` inches with axes side by side, styled."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = np.atleast_1d(np.asarray(figure.subplots(1, columns)))
    return figure, list(axes)


def as_svg(figure: Figure, alt: str, caption: str = "") -> Drawing:
    """Turn a figure into SVG that can stand in a page.

    Parameters
    ----------
    alt : str
        What the figure shows, for those who do not see it.
    """
    file = StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Text stays text, so the browser's fonts count, not whether matplotlib's own has the letter.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        as_plain_text(figure).savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([^;\"']*?)(\d[\d.]*)px [^;\"]*", r"font-size: \2px", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    # Two figures in one page must not share names.
    prefix = f"f{hashlib.blake2b((alt + svg).encode(), digest_size=4).hexdigest()}-"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}", svg)
    opening = f'<svg role="img" aria-label="{escape(alt)}"'
    # What stands in it was written by matplotlib, which escapes the text it is given.
    return Drawing(Markup(svg.replace("<svg", opening, 1)), caption)  # noqa: S704 - see above


def percent_axis(axes: Axes, axis: str = "y") -> None:
    """Write an axis of shares in percent."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def log_axis(axes: Axes, axis: str = "x", ticks: Sequence[float] | None = None) -> None:
    """Make an axis logarithmic, with plain numbers at `ticks`; call it when the data is drawn."""
    which = axes.xaxis if axis == "x" else axes.yaxis
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    which.set_minor_formatter(NullFormatter())
    low, high = which.get_data_interval()
    if ticks is not None:
        which.set_ticks(list(ticks))
    elif high < FEW_DECADES * low:
        which.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], gap: float = 14.0) -> None:
    """Write each line's name beside its last point, (x, y, name, colour), moved apart where they would meet.

    Call it when the limits of the axes are final.
    """
    figure = axes.figure
    to_points = 72 / figure.dpi
    placed = sorted(
        (axes.transData.transform((x, y))[1] * to_points, x, y, name, colour) for x, y, name, colour in ends
    )
    last = -np.inf
    for height, x, y, name, colour in placed:
        wanted = max(height, last + gap)
        last = wanted
        axes.annotate(
            name, (x, y), xytext=(7, wanted - height), textcoords="offset points", va="center",
            color=colour, annotation_clip=False,
        )  # fmt: skip


def bars(axes: Axes, names: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> None:
    """Draw horizontal bars, the first on top, with a text at the end of each."""
    places = np.arange(len(names))[::-1]
    axes.barh(places, list(values), color=SERIES[0], height=0.62)
    axes.set_yticks(places, list(names))
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    longest = max([*values, 1e-12])
    for place, value, text in zip(places, values, texts, strict=True):
        axes.text(value + 0.015 * longest, place, text, va="center", color=INK)
    axes.set_xlim(0, 1.3 * longest)


def error_bars(axes: Axes, x: Any, y: Any, low: Any, high: Any, colour: str, **style: Any) -> None:
    """Draw points with intervals; rounding may put an end past its point, as in a mean of equal numbers."""
    y, low, high = np.asarray(y), np.asarray(low), np.asarray(high)
    reach = np.maximum((y - low, high - y), 0)
    axes.errorbar(x, y, yerr=reach, color=colour, capsize=0, elinewidth=1.4, marker="o", **style)


def spread(axes: Axes, values: Mapping[Any, Sequence[float]], colour: str, **style: Any) -> list[float]:
    """Draw the mean of the values at each x, with a bar from the least to the largest; return the means."""
    means = [float(np.mean(some)) for some in values.values()]
    low, high = ([f(some) for some in values.values()] for f in (min, max))
    error_bars(axes, list(values), means, low, high, colour, **style)
    return means
