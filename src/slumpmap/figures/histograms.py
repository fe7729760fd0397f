"""Area histogram of the inventory (the paper's Figure 6a), one panel."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from slumpmap.figures.style import BLACK, BLUE

_PER_DECADE = 6


def draw_areas(axes: Axes, areas: NDArray[np.float64]) -> None:
    """Draws the distribution of slump areas: logarithmic classes, with number, median and total.

    Args:
        axes: the panel.
        areas: (slumps,) hectares.
    """
    axes.set_xscale("log")
    axes.hist(areas, bins=list(_classes(areas)), color=BLUE, edgecolor="white", linewidth=0.4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Area (ha)")
    axes.set_ylabel("Slumps")
    if len(areas):
        axes.axvline(float(np.median(areas)), ymax=0.68, color=BLACK, linestyle="--", linewidth=0.8)
    axes.text(0.98, 0.99, _summary(areas), transform=axes.transAxes, ha="right", va="top", fontsize=6)
    axes.margins(y=0.55)
    if not len(areas):
        axes.set_ylim(0, 1)


def _classes(areas: np.ndarray) -> np.ndarray:
    """Class limits, evenly spaced in the logarithm, over whole decades' fractions; of a fixed range for no slump."""
    if not len(areas):
        return np.geomspace(0.01, 10, 3 * _PER_DECADE + 1)
    first = np.floor(np.log10(areas.min()) * _PER_DECADE)
    last = np.floor(np.log10(areas.max()) * _PER_DECADE) + 1
    return 10.0 ** (np.arange(first, last + 1) / _PER_DECADE)


def _summary(areas: np.ndarray) -> str:
    if not len(areas):
        return "n = 0"
    return f"n = {len(areas)}\nmedian (dashed) {np.median(areas):.2f} ha\ntotal {areas.sum():.1f} ha"
