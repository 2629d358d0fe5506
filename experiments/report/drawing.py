"""Figures that follow the page's colours: Matplotlib without global state, as inline SVG or as a picture.

Inline SVG is drawn in stand-in colours which become CSS variables, so that one drawing serves light, dark and
print. Fields are drawn in viridis, single colours are those of Okabe and Ito: both are safe for colour-blind eyes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Layout = Literal["constrained", "compressed"]

WIDTH_IN = 9.0
"""Width of every figure [in]; at 96 pixels an inch it is the width of the page's text."""

FIELD = "viridis"
DOUBT = "cividis"


@dataclass(frozen=True)
class Inks:
    """Colours by role."""

    ink: str
    soft: str
    grid: str
    paper: str
    data: str
    best: str
    off: str


LIGHT = Inks("#1b1f24", "#59636e", "#d8dee4", "#ffffff", "#0072b2", "#d55e00", "#8a8f98")
PAGE = Inks("#010203", "#010204", "#010205", "#010206", "#010207", "#010208", "#010209")
"""Stand-ins, each replaced by the CSS variable of its role."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-3, 5),
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "grid.linewidth": 0.7,
    "text.parse_math": False,  # names and units come from data: a $ in them is a $
    "svg.fonttype": "none",
    "image.interpolation": "nearest",
    "image.composite_image": False,
}


@contextmanager
def styled(inks: Inks) -> Iterator[None]:
    """Matplotlib's settings while figures are drawn and saved; put back afterwards."""
    from matplotlib import rc_context

    colours: dict[Any, Any] = {
        "text.color": inks.ink,
        "axes.labelcolor": inks.ink,
        "axes.edgecolor": inks.soft,
        "axes.titlecolor": inks.ink,
        "xtick.color": inks.soft,
        "ytick.color": inks.soft,
        "xtick.labelcolor": inks.ink,
        "ytick.labelcolor": inks.ink,
        "grid.color": inks.grid,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
    }
    with rc_context(STYLE | colours):
        yield


def sheet(height_in: float, width_in: float = WIDTH_IN, layout: Layout = "constrained") -> Figure:
    """An empty figure; "compressed" leaves no room between panels of fixed aspect."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout=layout)


def svg(figure: Figure, name: str, alt: str) -> str:
    """A figure drawn in PAGE colours as an `<svg>` element; `name` keeps its identifiers apart from other figures'."""
    from html import escape

    out = io.StringIO()
    figure.savefig(out, format="svg", dpi=160, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: (?:(\d+|bold) )?(?:(\d+) )?([\d.]+px) [^;\"]+", _font, text)
    text = re.sub(r"font-family: [^;\"]+;? ?", "", text)
    for role in PAGE.__dataclass_fields__:
        text = text.replace(getattr(PAGE, role), f"var(--{role})")
    head = f'<svg role="img" aria-label="{escape(alt)}" class="figure"'
    return re.sub(
        r'^<svg(.*?) width="[^"]*"', rf"{head}\1", re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", text), count=1
    )


def grid(axes: Axes) -> None:
    """Faint lines behind the data."""
    axes.grid(True)
    axes.tick_params(length=0)


def integers(axes: Axes) -> None:
    """Whole numbers on the horizontal axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def _font(found: re.Match[str]) -> str:
    weight = next((g for g in found.groups()[:2] if g is not None), "400")
    return f"font-weight: {weight}; font-size: {found.group(3)}"
